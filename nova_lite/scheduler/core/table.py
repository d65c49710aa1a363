"""HostTable: every host as a row of numpy columns, and HostRow, the plain value that a row is made from.

Strings and sets become small numbers: a column of *classes* (``aggregate_class``, ``supported_class`` ...) names one of the few distinct
values that hosts have, so that a rule is worked out once for each class and then looked up for all hosts (``lookup``).
Filled by ``scheduler.hosts``; read by filters and weighers; changed by ``select`` when it places a server.
"""
import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping

import numpy as np

from nova_lite.scheduler.core.holdings import NOTHING, Holdings
from nova_lite.scheduler.core.likeness import Likeness

NEVER = float("-inf")
ALWAYS = float("inf")

FLOATS = (
    "vcpus_total", "memory_total", "disk_total", "vcpus_used", "memory_used", "disk_used", "vcpus_cap", "memory_cap", "disk_cap",
    "vcpus_room", "memory_room", "disk_room", "vcpus_free", "memory_free", "disk_free", "servers", "io_ops", "build_failures",
    "hypervisor_version", "up_until", "vcpu_ratio", "memory_ratio", "disk_ratio",
)
CLASSES = ("zone", "aggregate_class", "supported_class", "cpu_class", "traits_class", "type_class")
COLUMNS = {**{name: np.float64 for name in FLOATS}, **{name: np.int32 for name in CLASSES}, "enabled": np.bool_, "ids": np.int64}
MEMO_LIMIT = 2048


@dataclasses.dataclass(slots=True)
class HostRow:
    """What the scheduler knows of one host. Memory in MB, disk in GB; ``up_until`` in seconds since 1970 (``NEVER``: forced down).

    ``id`` is the database's; ``supported``: (architecture, hypervisor type, vm mode) triples; ``aggregates``: ids; ``cpu_info``: JSON text;
    ``extras``, ``extras_used``: as ``db.extras`` has them.
    """

    id: int
    name: str
    node: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    vcpus_used: int = 0
    memory_mb_used: int = 0
    disk_gb_used: int = 0
    vcpus_reserved: int = 0
    memory_mb_reserved: int = 0
    disk_gb_reserved: int = 0
    vcpu_ratio: float = 1.0
    memory_ratio: float = 1.0
    disk_ratio: float = 1.0
    servers: int = 0
    io_ops: int = 0
    build_failures: int = 0
    hypervisor_type: str = ""
    hypervisor_version: int = 0
    host_ip: str = ""
    enabled: bool = True
    up_until: float = ALWAYS
    supported: tuple[tuple[str, ...], ...] = ()
    traits: tuple[str, ...] = ()
    cpu_info: str = ""
    aggregates: tuple[int, ...] = ()
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    extras: Mapping = dataclasses.field(default_factory=dict)
    extras_used: Mapping = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Aggregate:
    """A set of hosts with metadata. ``zone``: its availability zone, if it makes one."""

    id: int
    name: str
    zone: str | None = None
    meta: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Interner:
    """Numbers for values: 0, 1, 2 ... in the order in which they were first met."""

    __slots__ = ("ids", "values")

    def __init__(self):
        self.ids: dict[Hashable, int] = {}
        self.values: list = []

    def id(self, value: Hashable) -> int:
        """The value's number, a new one if need be."""
        number = self.ids.get(value)
        if number is None:
            number = self.ids[value] = len(self.values)
            self.values.append(value)
        return number

    def find(self, value: Hashable) -> int:
        """The value's number, or -1."""
        return self.ids.get(value, -1)


class HostTable:
    """Rows are added, replaced and removed by host name at a cost that does not grow with the table.

    A row's number changes when another row is removed: keep names, not numbers. ``default_zone``: zone of hosts in no zone aggregate.
    ``demand``: how many servers of each size (vCPUs, MB) were placed with this table. ``metadata_keys``: of all aggregates.
    """

    def __init__(self, default_zone: str = "nova", capacity: int = 64):
        self.default_zone = default_zone
        self.size = 0
        self.names: list[str] = []
        self.nodes: list[str] = []
        self.addresses: list[str] = []
        self.rows: dict[str, int] = {}
        self.demand: Counter[tuple[int, int]] = Counter()
        self.aggregates: dict[int, Aggregate] = {}
        self.metadata_keys: frozenset[str] = frozenset()
        self.zones = Interner()
        self.aggregate_sets = Interner()
        self.supported_sets = Interner()
        self.cpus = Interner()
        self.trait_sets = Interner()
        self.types = Interner()
        self.holdings = Holdings(capacity, Interner())
        self.likeness = Likeness(capacity)
        self._metrics: dict[str, np.ndarray] = {}
        self._zone_of_class: list[int] = []
        self._memo: dict = {}
        for name, dtype in COLUMNS.items():
            setattr(self, name, np.zeros(capacity, dtype))

    def __len__(self) -> int:
        return self.size

    def put(self, host: HostRow) -> int:
        """Add the host, or replace the row of that name. Returns the row's number."""
        row = self.rows.get(host.name)
        if row is None:
            row = self._append(host.name)
        self.nodes[row], self.addresses[row], self.ids[row] = host.node, host.host_ip, host.id
        self._put_capacity(row, host)
        self.servers[row] = host.servers
        self.io_ops[row] = host.io_ops
        self.build_failures[row] = host.build_failures
        self.hypervisor_version[row] = host.hypervisor_version or 0
        self.up_until[row] = host.up_until
        self.enabled[row] = host.enabled
        self.supported_class[row] = self.supported_sets.id(host.supported)
        self.cpu_class[row] = self.cpus.id(host.cpu_info)
        self.traits_class[row] = self.trait_sets.id(host.traits)
        self.type_class[row] = self.types.id(host.hypervisor_type)
        for name in host.metrics.keys() | self._metrics.keys():
            self._metric(name)[row] = host.metrics.get(name, np.nan)
        self.holdings.put(row, host.name, host.extras, host.extras_used)
        aggregate_class = self._aggregate_class(host.aggregates)
        self.aggregate_class[row] = aggregate_class
        self.zone[row] = self._zone_of_class[aggregate_class]
        return row

    def remove(self, name: str) -> None:
        """Forget the host; the last row takes its place. An unknown name is fine."""
        row = self.rows.pop(name, None)
        if row is None:
            return
        self.holdings.clear(row, name)
        self.likeness.put(row, name, Counter())
        last = self.size - 1
        if row != last:
            for column in COLUMNS:
                array = getattr(self, column)
                array[row] = array[last]
            for array in self._metrics.values():
                array[row] = array[last]
            self.holdings.move(row, last)
            self.likeness.move(row, last)
            for texts in (self.names, self.nodes, self.addresses):
                texts[row] = texts[last]
            self.rows[self.names[row]] = row
        for texts in (self.names, self.nodes, self.addresses):
            texts.pop()
        self.size = last

    def metric(self, name: str) -> np.ndarray:
        """What hosts tell under a name, a column; NaN for those that do not."""
        found = self._metrics.get(name)
        return np.full(len(self.enabled), np.nan) if found is None else found

    def _metric(self, name: str) -> np.ndarray:
        if name not in self._metrics:
            self._metrics[name] = self.metric(name)
        return self._metrics[name]

    def set_alive(self, name: str, up_until: float, enabled: bool) -> None:
        """A service was heard (or forced down: NEVER), without any other change to its host. An unknown name is fine."""
        row = self.rows.get(name)
        if row is not None:
            self.up_until[row] = up_until
            self.enabled[row] = enabled

    def consume(self, row: int, vcpus: int, memory_mb: int, disk_gb: int, sign: int = 1) -> None:
        """Count one more server on a row before the database says so; ``sign=-1`` takes it back."""
        self.vcpus_used[row] += sign * vcpus
        self.memory_used[row] += sign * memory_mb
        self.disk_used[row] += sign * disk_gb
        self.vcpus_free[row] -= sign * vcpus
        self.memory_free[row] -= sign * memory_mb
        self.disk_free[row] -= sign * disk_gb
        self.servers[row] += sign
        self.io_ops[row] += sign
        self._put_room(row)

    def put_usage(self, name: str, vcpus: int, memory_mb: int, disk_gb: int, servers: int, build_failures: int,
                  extras_used: Mapping = NOTHING) -> None:
        """What is used of a known host, without any other change to it."""
        row = self.rows[name]
        self.holdings.put_used(row, name, extras_used)
        for name, amount in (("vcpus", vcpus), ("memory", memory_mb), ("disk", disk_gb)):
            used, free = getattr(self, f"{name}_used"), getattr(self, f"{name}_free")
            free[row] += used[row] - amount
            used[row] = amount
        self.servers[row], self.build_failures[row] = servers, build_failures
        self._put_room(row)

    def builds_on(self, name: str) -> int:
        """How many builds are under way on a host as far as is known."""
        row = self.rows.get(name)
        return 0 if row is None else int(self.io_ops[row])

    def put_builds(self, builds: Mapping[str, int]) -> None:
        """How many builds are under way on each host; none where it does not say. Unknown names are fine."""
        self.io_ops[:] = 0
        for name, count in builds.items():
            row = self.rows.get(name)
            if row is not None:
                self.io_ops[row] = count

    def set_aggregates(self, aggregates: Iterable[Aggregate]) -> None:
        """Replace what is known of all aggregates; zones of hosts follow."""
        self.aggregates = {aggregate.id: aggregate for aggregate in aggregates}
        self.metadata_keys = frozenset(key for aggregate in self.aggregates.values() for key in aggregate.meta)
        self._memo.clear()
        self._zone_of_class = [self._zone_id(ids) for ids in self.aggregate_sets.values]
        if self._zone_of_class:
            self.zone[:self.size] = np.array(self._zone_of_class, np.int32)[self.aggregate_class[:self.size]]

    def zone_of(self, name: str) -> str:
        """The availability zone of a host in the table."""
        return self.zones.values[self.zone[self.rows[name]]]

    def lookup(self, interner: Interner, key: Hashable, rule: Callable, dtype=np.bool_) -> np.ndarray:
        """``rule(value)`` for each class of an interner, as an array to be indexed by a class column; remembered under ``key``."""
        known = self._memo.get(key)
        if known is not None and len(known) == len(interner.values):
            return known
        have = [] if known is None else known.tolist()
        have.extend(rule(value) for value in interner.values[len(have):])
        if len(self._memo) >= MEMO_LIMIT:
            self._memo.clear()
        known = self._memo[key] = np.array(have, dtype)
        return known

    def by_aggregates(self, key: Hashable, rule: Callable[[list[Aggregate]], object], dtype=np.bool_) -> np.ndarray:
        """``lookup`` over the sets of aggregates that hosts are in."""
        return self.lookup(self.aggregate_sets, key, lambda ids: rule([self.aggregates[i] for i in ids if i in self.aggregates]), dtype)

    def _append(self, name: str) -> int:
        row = self.size
        if row == len(self.enabled):
            for column in COLUMNS:
                array = getattr(self, column)
                setattr(self, column, np.concatenate([array, np.zeros_like(array)]))
            for name, array in self._metrics.items():
                self._metrics[name] = np.concatenate([array, np.full_like(array, np.nan)])
            self.holdings.grow()
            self.likeness.grow()
        self.rows[name] = row
        for texts in (self.names, self.nodes, self.addresses):
            texts.append(name)
        self.size = row + 1
        return row

    def _put_capacity(self, row: int, host: HostRow) -> None:
        vcpus = host.vcpus - host.vcpus_reserved
        memory = host.memory_mb - host.memory_mb_reserved
        disk = host.disk_gb - host.disk_gb_reserved
        self.vcpu_ratio[row], self.memory_ratio[row], self.disk_ratio[row] = host.vcpu_ratio, host.memory_ratio, host.disk_ratio
        self.vcpus_total[row], self.memory_total[row], self.disk_total[row] = host.vcpus, host.memory_mb, host.disk_gb
        self.vcpus_used[row], self.memory_used[row], self.disk_used[row] = host.vcpus_used, host.memory_mb_used, host.disk_gb_used
        # Amounts are whole numbers, so a limit cut to a whole number admits the same ones, and sums stay exact.
        self.vcpus_cap[row] = math.floor(vcpus * host.vcpu_ratio)
        self.memory_cap[row] = math.floor(memory * host.memory_ratio)
        self.disk_cap[row] = math.floor(disk * host.disk_ratio)
        self.vcpus_free[row] = vcpus * host.vcpu_ratio - host.vcpus_used
        self.memory_free[row] = memory - host.memory_mb_used
        self.disk_free[row] = disk - host.disk_gb_used
        self._put_room(row)

    def _put_room(self, row: int) -> None:
        self.vcpus_room[row] = min(self.vcpus_cap[row] - self.vcpus_used[row], self.vcpus_total[row])
        self.memory_room[row] = min(self.memory_cap[row] - self.memory_used[row], self.memory_total[row])
        self.disk_room[row] = min(self.disk_cap[row] - self.disk_used[row], self.disk_total[row])

    def _aggregate_class(self, ids: tuple[int, ...]) -> int:
        number = self.aggregate_sets.id(tuple(sorted(ids)))
        if number == len(self._zone_of_class):
            self._zone_of_class.append(self._zone_id(self.aggregate_sets.values[number]))
        return number

    def _zone_id(self, ids: tuple[int, ...]) -> int:
        zones = (self.aggregates[i].zone for i in ids if i in self.aggregates)
        return self.zones.id(next((zone for zone in zones if zone), self.default_zone))
