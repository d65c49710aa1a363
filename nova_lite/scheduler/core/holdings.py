"""Holdings: what the hosts of a table have besides vCPUs, memory and disk, and what is used of it.

Custom resources are columns, one a class. The rest is kept host by host, for those that have some (``hosts``). Only ``HostTable`` changes it.
"""
from collections.abc import Mapping

import numpy as np

from nova_lite.pci import choice
from nova_lite.scheduler.core import extras, resources

NOTHING: Mapping = {}
MOST_KNOWN = 16


class Holdings:
    """``hosts``: ``{name: (what it has, what is used)}`` of hosts that have something. ``rooms``: by class, what is left on each row.

    ``kinds``: the distinct inventories of custom resources; ``kind``: the one of each row, -1 for none. ``devices``: free PCI devices of each row.
    """

    def __init__(self, capacity: int, kinds):
        self.hosts: dict[str, tuple[Mapping, Mapping]] = {}
        self.rooms: dict[str, np.ndarray] = {}
        self.kinds = kinds
        self.kind = np.full(capacity, -1, np.int32)
        self.devices = np.zeros(capacity)
        self._known: dict[extras.Need, dict] = {}

    def put(self, row: int, name: str, has: Mapping, used: Mapping) -> None:
        """A row's host is another one, or has something else."""
        if not has and name not in self.hosts:
            return
        if not has:
            del self.hosts[name]
        else:
            self.hosts[name] = (has, used)
        own = has.get("resources", NOTHING)
        self.kind[row] = self.kinds.id(_frozen(own)) if own else -1
        self._put_rooms(row, has, used)

    def put_used(self, row: int, name: str, used: Mapping) -> None:
        """What is used of a host, without any other change to it."""
        known = self.hosts.get(name)
        if known is not None and known[1] != used:
            self.hosts[name] = (known[0], used)
            self._put_rooms(row, known[0], used)

    def _put_rooms(self, row: int, has: Mapping, used: Mapping) -> None:
        own, taken = has.get("resources", NOTHING), used.get("resources", NOTHING)
        self.devices[row] = len(choice.free(has["pci"], used.get("pci", ()))) if "pci" in has else 0.0
        for name in own.keys() - self.rooms.keys():
            self.rooms[name] = np.zeros(len(self.kind))
        for name, column in self.rooms.items():
            column[row] = resources.room(own[name]) - taken.get(name, 0) if name in own else 0.0

    def consume(self, row: int, name: str, need: extras.Need, sign: int) -> None:
        """Count one more server on a row before the database says so.

        -1 takes back what it has of custom resources; what devices it had, the database says.
        """
        if name not in self.hosts:
            return
        has, used = self.hosts[name]
        if sign > 0:
            hold = extras.fit(has, used, need) or {}
            used = plus(used, {kind: value for kind, value in hold.items() if kind != "guest"})
        else:
            left = plus(used.get("resources", NOTHING), {each: -amount for each, amount in need.resources})
            left = {each: amount for each, amount in left.items() if amount}
            used = {**{kind: value for kind, value in used.items() if kind != "resources"}, **({"resources": left} if left else {})}
        self.hosts[name] = (has, used)
        self._put_rooms(row, has, used)

    def known(self, need: extras.Need) -> dict:
        """Whatever a rule wants to remember of hosts for a need, by host; of the needs of late."""
        found = self._known.pop(need, None)
        while len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[need] = found = {} if found is None else found
        return found

    def room(self, name: str) -> np.ndarray:
        """How much of a custom resource is left on each row."""
        found = self.rooms.get(name)
        return np.zeros(len(self.kind)) if found is None else found

    def clear(self, row: int, name: str) -> None:
        """A host leaves its row."""
        self.put(row, name, NOTHING, NOTHING)

    def move(self, row: int, last: int) -> None:
        """The host of row ``last`` is in ``row`` from now on."""
        for column in (self.kind, self.devices, *self.rooms.values()):
            column[row] = column[last]

    def grow(self) -> None:
        """Twice as many rows."""
        self.kind = np.concatenate([self.kind, np.full_like(self.kind, -1)])
        self.devices = np.concatenate([self.devices, np.zeros_like(self.devices)])
        for name, column in self.rooms.items():
            self.rooms[name] = np.concatenate([column, np.zeros_like(column)])


def plus(used, more):
    """The sum of two holds, as ``db.extras`` adds them up."""
    if isinstance(more, Mapping):
        return {**used, **{key: plus(used[key], value) if key in used else value for key, value in more.items()}}
    return sorted([*used, *more]) if isinstance(more, list) else used + more


def _frozen(own: Mapping[str, Mapping]) -> tuple:
    return tuple(sorted((name, tuple(sorted(kind.items()))) for name, kind in own.items()))
