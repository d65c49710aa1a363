"""Rules written for one host at a time, made into filters and weighers over columns: slower, but a dozen lines of plain Python.

    class RackFilter:
        one, many = "is in a rack under repair", "are in racks under repair"

        def passes(self, host: Facts, request: Request) -> bool:
            return host.metadata("rack") not in {"r7"}

    class QuietWeigher:
        def weigh(self, host: Facts, request: Request) -> float:
            return -host.servers

Loaded by ``scheduler.plugins`` from entry points.
"""
import dataclasses

import numpy as np

from nova_lite.scheduler.core.filters.rule import Filter
from nova_lite.scheduler.core.table import Aggregate, HostTable
from nova_lite.scheduler.core.weighers.rule import Weigher


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What the scheduler knows of one host now. Memory in MB, disk in GB; ``*_room``: what the largest server may still take."""

    name: str
    node: str
    host_ip: str
    zone: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    vcpus_used: int
    memory_mb_used: int
    disk_gb_used: int
    vcpus_room: int
    memory_mb_room: int
    disk_gb_room: int
    servers: int
    io_ops: int
    build_failures: int
    hypervisor_type: str
    hypervisor_version: int
    enabled: bool
    traits: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]

    def metadata(self, key: str) -> str | None:
        """The value that the host's aggregates have for a key; the first one's where several have it."""
        return next((aggregate.meta[key] for aggregate in self.aggregates if key in aggregate.meta), None)


def facts(table: HostTable, row: int) -> Facts:
    """One row of the table, put into words."""
    ids = table.aggregate_sets.values[table.aggregate_class[row]]
    return Facts(
        table.names[row], table.nodes[row], table.addresses[row], table.zones.values[table.zone[row]], int(table.vcpus_total[row]),
        int(table.memory_total[row]), int(table.disk_total[row]), int(table.vcpus_used[row]), int(table.memory_used[row]),
        int(table.disk_used[row]), int(table.vcpus_room[row]), int(table.memory_room[row]), int(table.disk_room[row]), int(table.servers[row]),
        int(table.io_ops[row]), int(table.build_failures[row]), table.types.values[table.type_class[row]], int(table.hypervisor_version[row]),
        bool(table.enabled[row]), table.trait_sets.values[table.traits_class[row]],
        tuple(table.aggregates[each] for each in ids if each in table.aggregates))


def _each(query, ask, dtype):
    table, request, names = query.table, query.request, np.arange(query.table.size)
    return lambda rows: np.array([ask(facts(table, int(row)), request) for row in names[rows]], dtype)


def filter_of(name: str, rule) -> Filter:
    """``rule.passes(facts, request)`` as a filter; it may have the words ``one`` and ``many`` as Filter has them."""
    return Filter(name, lambda query: _each(query, rule.passes, np.bool_), getattr(rule, "one", f"is refused by {name}"),
                  getattr(rule, "many", f"are refused by {name}"), consumes=True)


def weigher_of(name: str, rule) -> Weigher:
    """``rule.weigh(facts, request)`` as a weigher; it may have ``multiplier`` (its option's name) and ``default`` as Weigher has them."""
    return Weigher(name, lambda query: _each(query, rule.weigh, np.float64), getattr(rule, "multiplier", f"{name}_weight_multiplier"),
                   default=float(getattr(rule, "default", 1.0)))
