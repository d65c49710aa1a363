"""What hosts have besides vCPUs, memory and disk: custom resources, PCI devices. In force for whoever asks for it; the claim asks again."""
import numpy as np

from nova_lite.pci import choice
from nova_lite.scheduler.core import resources
from nova_lite.scheduler.core.filters.rule import Filter

NONE: tuple[dict, dict] = ({}, {})
MOST_SLOTS = 1000


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
    return lambda rows: np.array([slots > 0 for slots in _devices(query, rows, 1)], np.bool_)


def pci_slots(query):
    return lambda rows: np.array(_devices(query, rows, MOST_SLOTS), float)


def _devices(query, rows, most: int) -> list[int]:
    """How many servers of the request, up to ``most``, the devices of each host suffice for."""
    table, asks = query.table, query.request.extras.pci
    hosts = table.holdings.hosts
    return [_times(*hosts.get(table.names[row], NONE), asks, most) for row in np.arange(table.size)[rows].tolist()]


def _times(has, used, asks, most: int) -> int:
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
