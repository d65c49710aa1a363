"""Room: RAM, vCPUs and disk, with reserved amounts and allocation ratios. No single server may exceed what a host really has."""
import operator

import numpy as np

from nova_lite.scheduler.core.filters.rule import Filter


def ram(query):
    table, amount = query.table, query.request.memory_mb
    return lambda rows: table.memory_room[rows] >= amount


def vcpus(query):
    table, amount = query.table, query.request.vcpus
    return lambda rows: table.vcpus_room[rows] >= amount


def disk(query):
    table, amount = query.table, query.request.disk_gb
    return (lambda rows: table.disk_room[rows] >= amount) if amount else None


def slots(cap, used, asks):
    """How many servers of a request fit into what a column of limits leaves of a column of usage."""
    def prepare(query):
        limit, taken, amount = getattr(query.table, cap), getattr(query.table, used), asks(query.request)
        if not amount:
            return lambda rows: np.full(len(limit[rows]), np.inf)
        return lambda rows: np.maximum((limit[rows] - taken[rows]) // amount, 0)
    return prepare


def _room(name, check, column, asks, unit):
    """A rule whose columns are ``<column>_room``, ``_cap`` and ``_used``."""
    words, amount = f"{{request.{asks}}} {unit}", operator.attrgetter(asks)
    return Filter(name, check, f"lacks {words}", f"lack {words}", consumes=True, when_forced=True, unit=unit, asks=amount,
                  room=lambda query, rows: getattr(query.table, f"{column}_room")[rows],
                  slots=slots(f"{column}_cap", f"{column}_used", amount))


FILTERS = (
    _room("RamFilter", ram, "memory", "memory_mb", "MB of RAM"),
    _room("CoreFilter", vcpus, "vcpus", "vcpus", "vCPUs"),
    _room("DiskFilter", disk, "disk", "disk_gb", "GB of disk"),
)
