"""What hosts have besides vCPUs, memory and disk: custom resources, PCI devices. In force for whoever asks for it; the claim asks again."""
import dataclasses

import numpy as np

from nova_lite.pci import choice
from nova_lite.scheduler.core import resources
from nova_lite.scheduler.core.filters.rule import Filter

NONE: tuple[dict, dict] = ({}, {})
MOST_SLOTS = 1000
MOST_KINDS = 65536


def custom_resources(query):
    need = query.request.extras
    if need is None or not need.resources:
        return None
    holdings, asked = query.table.holdings, need.resources
    # The last one is for hosts that have none, whose class is -1.
    allowed = np.append(query.table.lookup(holdings.kinds, ("resources", asked), lambda kind: _allows(kind, asked)), False)
    columns = [(holdings.room(name), amount) for name, amount in asked]
    return lambda rows: np.logical_and.reduce([allowed[holdings.kind[rows]], *(room[rows] >= amount for room, amount in columns)])


def _allows(kind, asked) -> bool:
    return resources.allows({name: dict(facts) for name, facts in kind}, asked)


def resource_slots(query):
    columns = [(query.table.holdings.room(name), amount) for name, amount in query.request.extras.resources]
    return lambda rows: np.maximum(np.minimum.reduce([room[rows] // amount for room, amount in columns]), 0)


def pci_devices(query):
    need = query.request.extras
    if need is None or not need.pci:
        return None
    table, count = query.table, sum(ask.count for ask in need.pci)
    known = table.holdings.known(dataclasses.replace(need, flavorid="", resources=(), numa=None))

    def suffices(row: int) -> bool:
        # Hosts of one make that lack the same devices are alike.
        has, used = table.holdings.hosts[table.names[row]]
        kind = (id(has), *used.get("pci", ()))
        seen = known.get(kind)
        if seen is None or seen[0] is not has:
            if len(known) >= MOST_KINDS:
                known.clear()
            seen = known[kind] = (has, _times(has, used, need.pci, 1) > 0)
        return seen[1]

    def check(rows):
        numbers = np.arange(table.size)[rows]
        passes = table.holdings.devices[numbers] >= count
        passes[passes] = [suffices(row) for row in numbers[passes].tolist()]
        return passes
    return check


def pci_slots(query):
    table, asks = query.table, query.request.extras.pci
    return lambda rows: np.array([_times(*table.holdings.hosts.get(table.names[row], NONE), asks, MOST_SLOTS)
                                  for row in np.arange(table.size)[rows].tolist()], float)


def _times(has, used, asks, most: int) -> int:
    """How many servers, up to ``most``, the devices of a host suffice for."""
    taken = list(used.get("pci", ()))
    for times in range(most):
        chosen = choice.choose(has.get("pci", ()), taken, asks)
        if chosen is None:
            return times
        taken += [device["address"] for device in chosen]
    return most


FILTERS = (
    Filter("CustomResourcesFilter", custom_resources, "lacks {request.extras.resource_words}", "lack {request.extras.resource_words}",
           consumes=True, when_forced=True, slots=resource_slots),
    Filter("PciPassthroughFilter", pci_devices, "lacks free PCI devices ({request.extras.pci_words})",
           "lack free PCI devices ({request.extras.pci_words})", consumes=True, when_forced=True, slots=pci_slots),
)
