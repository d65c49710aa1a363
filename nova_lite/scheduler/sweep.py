"""The sweep over the whole cloud: builds whose bell was lost, tasks of hosts that are down, tasks past their deadline. Any scheduler may run it.

Tasks of a host that is up are that host's own to find (compute.worker.manager.sweep); each taking over is a compare-and-set, so that two sweeps
do not both end one task.
"""
import dataclasses
from collections.abc import Callable

from nova_lite import clock, exception, log
from nova_lite.compute import states, task
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.db import hosts as hosts_
from nova_lite.db import servers as servers_
from nova_lite.db.engine import Database

LOG = log.get(__name__)
COMPUTE = "nova-compute"
BELL_AGE = 3.0
"""Seconds that a build may wait for its scheduler before the sweep rings again."""


class Sweep:
    """``manager``: the scheduler's own. ``remove(tx, server, token, host)`` ends a delete, ``abandon(tx, server, token, why, is_down)`` any
    other task, or gives the token with which it goes on to another host.

    ``down_time``: seconds. ``hears_hosts()``: whether a host's silence says that it is down.
    """

    def __init__(self, db: Database, manager, remove: Callable, abandon: Callable, down_time: float, hears_hosts: Callable[[], bool]):
        self._db, self._manager, self._remove, self._abandon = db, manager, remove, abandon
        self._down_time, self._hears_hosts = down_time, hears_hosts

    def run(self) -> None:
        """One round."""
        self._ring_again()
        for server in self._of_dead_hosts():
            self._end(server, f"Host {servers_.runs_at(server)} went down during its {server.task_action}.", is_down=True)
        with self._db.read() as tx:
            overdue = servers_.overdue(tx, clock.now())
        for server in overdue:
            self._end(server, f"The server's {server.task_action} did not end within "
                              f"{states.ACTIONS[server.task_action].deadline:.0f} seconds.")

    def _ring_again(self) -> None:
        with self._db.read() as tx:
            old = clock.now() - clock.seconds(BELL_AGE)
            waiting, moving = servers_.unplaced(tx, old), servers_.undirected(tx, old)
        for place, found in ((self._manager.place_servers, waiting), (self._manager.place_moves, moving)):
            if found:
                place(RequestContext.for_service(), server_ids=[server_id for server_id, _ in found], tokens=[token for _, token in found])

    def _of_dead_hosts(self) -> list:
        if not self._hears_hosts():
            return []
        now = clock.now()
        with self._db.read() as tx:
            dead = {service.host for service in hosts_.services(tx, binary=COMPUTE) if not hosts_.is_up(service, now, self._down_time)}
            return servers_.tasks_on_hosts(tx, dead) if dead else []

    def _end(self, server, why: str, is_down: bool = False) -> None:
        LOG.warning("server %s: %s", server.id, why)
        place = self._manager.place_moves
        try:
            with self._db.write() as tx:
                if server.task_action in ("delete", "soft_delete"):
                    self._remove(tx, server, server.task_id, server.host)
                    return
                if server.task_action == "create" and server.host is not None:
                    fresh, place = self._place_elsewhere(tx, server), self._manager.place_servers
                else:
                    fresh = self._abandon(tx, server, server.task_id, why, is_down)
        except exception.TaskLost:
            return
        if fresh is not None:
            ctx = dataclasses.replace(RequestContext.for_service(), request_id=server.task_request_id or "-")
            place(ctx, server_ids=[server.id], tokens=[fresh])

    def _place_elsewhere(self, tx, server) -> str:
        request = dict(server.request)
        request["attempts"] = request.get("attempts", 0) + 1
        request["excluded"] = [*request.get("excluded", ()), server.host]
        now = clock.now()
        fresh = task.new_token()
        if not servers_.update_task(tx, server.id, server.task_id, host=None, node=None, task_state=states.SCHEDULING, request=request, task_id=fresh,
                                    task_started_at=now, task_deadline=task.deadline("create", now)):
            raise exception.TaskLost(token=server.task_id, server_id=server.id)
        allocations.release(tx, server.id, server.host)
        return fresh
