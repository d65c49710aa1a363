"""Destinations: hosts for servers that move. Select as for a new server, claim room beside what the server holds, tell the task where to.

One server a transaction. Called by ``scheduler.manager`` under its lock.
"""
import dataclasses
from collections.abc import Callable

from nova_lite import clock, exception, hooks, log
from nova_lite.db import allocations, hosts, servers
from nova_lite.db import moves as moves_
from nova_lite.db.models import Server
from nova_lite.scheduler import hints
from nova_lite.scheduler.claims import wish
from nova_lite.scheduler.core import select as core
from nova_lite.scheduler.core.request import Request
from nova_lite.scheduler.groups import Groups
from nova_lite.scheduler.hosts import HostView, seconds_since_1970

LOG = log.get(__name__)
ROUNDS = 20
"""How often a host is selected whose room others took first."""


@dataclasses.dataclass(frozen=True)
class Directed:
    """A move that goes on: ``host`` is whose worker carries it out, or undoes it."""

    server_id: str
    token: str
    host: str


@dataclasses.dataclass(frozen=True)
class Directions:
    """``give_up(tx, server, token, error, **how)`` ends a move that finds no host, or gives the token with which the server's own host undoes it.

    ``max_attempts``: on how many hosts one is tried.
    """

    view: HostView
    rules: core.Rules
    default_zone: str | None
    give_up: Callable
    max_attempts: int

    def find(self, tx, server_id: str, token: str, may_refuse: bool) -> Directed | None:
        """Find and claim a destination in this write transaction; None when the move waits no more, has ended, or may not be refused now."""
        server = servers.with_task(tx, server_id, token)
        if server is None or server.task_host != servers.ANY_SCHEDULER:
            return None
        place = server.task_detail["place"]
        if place.get("attempts", 0) >= self.max_attempts:
            return self._refuse(tx, server, token, f"The move failed on {place['attempts']} hosts, and at most {self.max_attempts} are tried")
        groups = Groups.read(tx, [] if server.group_id is None else [server.group_id])
        groups.hold(tx)
        groups.count(server.group_id, server.host, -1)
        request = groups.request(self._request(tx, server, place), server.group_id)
        why = "Other requests took each host that was chosen"
        for turn in range(ROUNDS):
            self.view.refresh(tx, look_back=turn > 0)
            if turn:
                self.view.hear(tx)
            selection = core.select(self.view.table, request, rules=self.rules, now=seconds_since_1970(clock.now()), details=True)
            if not selection.hosts:
                why = str(selection.why)
                if turn == 0:
                    continue
                break
            host = selection.hosts[0]
            # The table learns what was taken from the database.
            core.undo(self.view.table, request, host)
            self.view.distrust([host])
            if self._claim(tx, server, request, host, place):
                return self._direct(tx, server, token, host, place, selection)
        return self._refuse(tx, server, token, why) if may_refuse else None

    def _refuse(self, tx, server: Server, token: str, why: str) -> Directed | None:
        LOG.info("Server %s finds no host to move to: %s", server.id, why)
        undone = self.give_up(tx, server, token, exception.NoValidHost(reason=f"{why}."), event="conductor_migrate_server", code=400)
        return None if undone is None else Directed(server.id, undone, server.host)

    def _request(self, tx, server: Server, place: dict) -> Request:
        asked = {**server.request, "excluded": place["excluded"]}
        if place["zone"]:
            asked["availability_zone"] = place["zone"]
        if place["destination"]:
            asked |= {"force_host": place["destination"]} if place["forced"] else {"destination": {"host": place["destination"]}}
        return Request.of(place["flavor"] or server.flavor, server.image, asked, project_id=server.project_id, image_id=server.image_id,
                          default_zone=self.default_zone, server_hosts=hints.server_hosts(tx, [asked]), options=self.rules.options)

    def _claim(self, tx, server: Server, request: Request, host: str, place: dict) -> bool:
        hooks.reached("scheduler.claim_move")
        if host == server.host:
            return allocations.change(tx, server.id, host, **place["both"], wish=wish(request))
        allocations.release(tx, server.id, host)
        return allocations.add(tx, server.id, int(self.view.table.ids[self.view.table.rows[host]]), request.vcpus, request.memory_mb, request.disk_gb,
                               wish(request))

    def _direct(self, tx, server: Server, token: str, host: str, place: dict, selection: core.Selection) -> Directed:
        found = hosts.get(tx, host)
        to = {"host": host, "node": found.hypervisor_hostname, "address": found.host_ip,
              "zone": self.view.table.zone_of(host)}
        runs_at = server.host if place["runs_at_source"] else host
        decision = {"at": clock.isoformat(clock.now()), "host": host, "weights": selection.weights[0], "considered": selection.considered,
                    "removed": dict(selection.removed)}
        if not servers.update_task(tx, server.id, token, task_host=runs_at, task_detail={**server.task_detail, "to": to}, decision=decision):
            raise exception.TaskLost(token=token, server_id=server.id)
        move = moves_.open_of(tx, server.id)
        if move is not None:
            moves_.update(tx, move.id, dest_host=host, dest_node=to["node"], dest_address=to["address"])
        return Directed(server.id, token, runs_at)

