"""Groups: the server groups of one batch of placements, as read at a version and then held by the transaction that claims.

A hard policy is judged by the servers that a group has on each host. Whoever claims raises the group's version first; one that finds another
version reads the group anew, while it holds it. Used by ``scheduler.manager`` and ``scheduler.claims``.
"""
import dataclasses
from collections.abc import Iterable

from nova_lite.db import servergroups
from nova_lite.db.servergroups import Occupancy
from nova_lite.scheduler.core.request import Group, Request

FILTERS = {"affinity": "ServerGroupAffinityFilter", "anti-affinity": "ServerGroupAntiAffinityFilter"}
"""Hard policies, and the filters that enforce them."""


class Groups:
    """The groups of some servers, by id; a group that does not exist any more binds nobody."""

    def __init__(self, found: dict[int, Occupancy] | None = None):
        self._found = found or {}

    @classmethod
    def read(cls, tx, ids: Iterable[int]) -> "Groups":
        """The groups of these ids, in two statements; none where there are no ids."""
        ids = set(ids)
        return cls(servergroups.occupancies(tx, ids) if ids else None)

    def hold(self, tx) -> None:
        """Raise the versions of those with hard policies, in order of id; those that others changed are read anew."""
        hard = sorted(group.id for group in self._found.values() if group.policy in FILTERS)
        lost = [group_id for group_id in hard if not servergroups.bump(tx, group_id, self._found[group_id].version)]
        if lost:
            fresh = servergroups.occupancies(tx, lost, hold=True)
            for group_id in lost:
                self._found.pop(group_id)
            for group in fresh.values():
                servergroups.bump(tx, group.id, group.version)
            self._found |= fresh

    def request(self, request: Request, group_id: int | None) -> Request:
        """The request with what its group's servers occupy now."""
        group = self._found.get(group_id)
        if group is None:
            return request
        hosts = {host: count for host, count in group.hosts.items() if count > 0}
        return dataclasses.replace(request, group=Group(group.uuid, group.policy, hosts, int(group.rules.get("max_server_per_host", 1))))

    def count(self, group_id: int | None, host: str, servers: int = 1) -> None:
        """A server of the group was chosen for a host (-1: after all it was not)."""
        if group_id in self._found:
            self._found[group_id].hosts[host] += servers

    def unenforced(self, group_id: int | None, enabled: Iterable[str]) -> str | None:
        """Why the servers of a group cannot be placed with these filters; None when they can."""
        group = self._found.get(group_id)
        name = FILTERS.get(group.policy) if group is not None else None
        return f"The server group's policy {group.policy} needs {name}, which is not enabled" if name and name not in enabled else None
