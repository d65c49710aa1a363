"""Manager: the endpoint of SchedulerInterface. Reads the servers that wait, places them, and rings the hosts after the commit.

Messages that arrive while a decision is under way are taken together by the next one. Built by ``cmd/wiring.py``, which also calls ``start``
once and ``tick`` every few seconds.
"""
import contextlib
import dataclasses
from collections.abc import Callable

from nova_lite import clock, concurrency, exception, log
from nova_lite.context import RequestContext
from nova_lite.db import claims as claims_
from nova_lite.db.engine import Database
from nova_lite.scheduler import claims, hints, plugins
from nova_lite.scheduler.core import explain
from nova_lite.scheduler.core.request import Options, Request
from nova_lite.scheduler.core.weighers.likeness import MULTIPLIER
from nova_lite.scheduler.destinations import Directions
from nova_lite.scheduler.groups import Groups
from nova_lite.scheduler.hosts import HostView, seconds_since_1970

LOG = log.get(__name__)

TRIES = 10
"""How often a transaction that the database chose as a deadlock's victim is run again."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Plain values from the options. ``down_time``, ``refresh_interval``, ``hear_interval``: seconds."""

    host: str
    options: Options = dataclasses.field(default_factory=Options)
    default_zone: str = "nova"
    default_schedule_zone: str | None = None
    max_attempts: int = 3
    down_time: float = 60.0
    refresh_interval: float = 30.0
    hear_interval: float = 5.0


class Manager:
    """``compute``: client of ComputeInterface. ``fail(tx, server, token, error, event=, code=)`` ends a server's task with a fault, ``give_up``
    a move, with the same arguments.

    ``hears_hosts()``: whether a host's silence says that it is down. While it does not, servers that find no host wait for the sweep's
    next bell. Raises ValueError when the options name a filter or weigher that does not exist.
    """

    def __init__(self, db: Database, compute, fail: Callable, settings: Settings, hears_hosts: Callable[[], bool] = lambda: True,
                 give_up: Callable | None = None):
        self._db, self._hears_hosts, self._give_up = db, hears_hosts, give_up
        self._compute = compute
        self._fail = fail
        self._settings = settings
        self._rules = plugins.rules(settings.options)
        self._view = HostView(settings.default_zone, settings.down_time, images=bool(settings.options.multipliers.get(MULTIPLIER)))
        self._waiting: list[tuple[RequestContext, str, str]] = []
        self._deciding = concurrency.Lock()
        self.lost = 0
        """Claims that others' claims beat, since the start."""
        self._heard_at = self._reconciled_at = clock.monotonic()

    # ---- messages
    def place_servers(self, ctx: RequestContext, *, server_ids: list, tokens: list) -> None:
        """Find hosts for servers whose task is ``scheduling``; each claim rings its host, each refusal ends the server in ERROR."""
        mine = self._waiting
        mine += [(ctx, server_id, token) for server_id, token in zip(server_ids, tokens, strict=True)]
        with self._deciding:
            # Whoever decided before may have taken these along; what came later is for those who brought it, who wait here too.
            if self._waiting is mine and mine:
                self._waiting = []
                self._place(mine)

    def place_moves(self, ctx: RequestContext, *, server_ids: list, tokens: list) -> None:
        """Find destinations for servers that move; each claim rings the worker that carries the move out, each refusal ends it."""
        for server_id, token in zip(server_ids, tokens, strict=True):
            with self._deciding:
                found = self._direct(server_id, token)
            if found is not None:
                try:
                    self._compute.run_task(ctx, found.host, server_id=found.server_id, token=found.token)
                except exception.Unavailable as error:
                    LOG.warning("The move of server %s waits on host %s, which could not be rung: %s", server_id, found.host, error)

    def _direct(self, server_id: str, token: str):
        directions = Directions(self._view, self._rules, self._settings.default_schedule_zone, self._give_up, self._settings.max_attempts)
        for turn in range(TRIES):
            try:
                with self._db.write() as tx:
                    return directions.find(tx, server_id, token, self._hears_hosts())
            except exception.TaskLost:
                LOG.info("Server %s no longer waits for a destination", server_id)
                return None
            except exception.DatabaseDeadlock:
                if turn == TRIES - 1:
                    raise

    def hosts_changed(self, ctx: RequestContext, *, names: list) -> None:
        """Read these hosts before the next decision."""
        self._view.distrust(names)

    def explain(self, ctx: RequestContext, *, flavor: dict, image: dict, request: dict, image_id: str | None, group_id: int | None,
                limit: int) -> dict:
        """What would become of such a server of the caller's project: see scheduler.core.explain. Changes nothing."""
        with self._fresh_view() as tx:
            groups = Groups.read(tx, [] if group_id is None else [group_id])
            asked = Request.of(flavor, image, request, project_id=ctx.project_id, image_id=image_id,
                               default_zone=self._settings.default_schedule_zone, server_hosts=hints.server_hosts(tx, [request]),
                               options=self._settings.options)
            return explain.explain(self._view.table, groups.request(asked, group_id), self._rules, seconds_since_1970(clock.now()), limit)

    def capacity(self, ctx: RequestContext, *, flavor: dict) -> dict:
        """How many more servers of a flavor fit, and what binds: see scheduler.core.explain."""
        asked = Request.of(flavor, None, None, project_id=ctx.project_id, options=self._settings.options)
        with self._fresh_view():
            return explain.capacity(self._view.table, asked, self._rules, seconds_since_1970(clock.now()))

    @contextlib.contextmanager
    def _fresh_view(self):
        with self._deciding, self._db.read() as tx:
            self._view.refresh(tx)
            self._view.hear(tx)
            yield tx

    def ping(self, ctx: RequestContext) -> str:
        """The name of the host that this scheduler runs on."""
        return self._settings.host

    # ---- life
    def start(self) -> None:
        """Load all hosts."""
        with self._deciding, self._db.read() as tx:
            self._view.reconcile(tx)

    def tick(self) -> None:
        """Hear heartbeats, and now and then compare all hosts; call about once a second or two."""
        now = clock.monotonic()
        if now - self._heard_at < self._settings.hear_interval:
            return
        with self._deciding, self._db.read() as tx:
            self._heard_at = now
            self._view.hear(tx)
            if now - self._reconciled_at >= self._settings.refresh_interval:
                self._reconciled_at = now
                self._view.reconcile(tx)

    # ---- placing
    def _place(self, batch) -> None:
        asked = {server_id: (token, ctx) for ctx, server_id, token in batch}
        for turn in range(TRIES):
            try:
                result = self._decide({server_id: token for server_id, (token, _ctx) in asked.items()})
                break
            except exception.DatabaseDeadlock:
                if turn == TRIES - 1:
                    raise
        for each in result.placed:
            server_id, token = each.wanted.server.id, each.wanted.token
            # One that came along with its reservation was asked for by the same request as the others.
            ctx = asked[server_id][1] if server_id in asked else batch[0][0]
            try:
                self._compute.build_server(ctx, each.host, server_id=server_id, token=token, alternates=each.alternates)
            except exception.Unavailable as error:
                # The claim stands; the host finds the server by itself when it sweeps.
                LOG.warning("Server %s waits on host %s, which could not be rung: %s", server_id, each.host, error)

    def _decide(self, tokens: dict[str, str]) -> claims.Placed:
        result = claims.Placed()
        try:
            with self._db.write() as tx:
                waiting, needs = self._waiting_for(tx, tokens)
                if not waiting:
                    return result
                groups = Groups.read(tx, {server.group_id for server in waiting if server.group_id is not None})
                wanted, spent = self._sort(tx, waiting, needs, groups)
                self._view.refresh(tx)
                now = seconds_since_1970(clock.now())
                claims.Placing(tx, self._view, self._rules, now, self._settings.max_attempts - 1, groups, needs).run(wanted, result)
                for each, why in [*(result.refused if self._hears_hosts() else ()), *spent]:
                    self._refuse(tx, each, why, result.decisions.get(each.server.id))
        except BaseException:
            self._view.distrust(result.touched)
            raise
        self.lost += result.lost
        return result

    def _waiting_for(self, tx, tokens) -> tuple[list, dict[str, int]]:
        """The servers that still wait, with the others of their reservation where a part of it would not do; how many of it must be placed."""
        waiting = claims_.waiting(tx, tokens)
        together = {server.reservation_id for server in waiting
                    if (server.request or {}).get("min_count", 1) > 1 and not server.request.get("attempts")}
        if not together:
            return waiting, {}
        # Whatever part of the reservation the bells of were heard: its servers are placed in one transaction.
        siblings = claims_.waiting_together(tx, together)
        first = {server.id for server in siblings}
        needs = {}
        for reservation_id in together:
            mine = [server.request for server in siblings if server.reservation_id == reservation_id]
            if mine:
                # One that waits no more, placed or deleted or failed, holds up nobody.
                needs[reservation_id] = mine[0]["min_count"] - (mine[0]["count"] - len(mine))
        return [*siblings, *(server for server in waiting if server.id not in first)], needs

    def _sort(self, tx, waiting, needs, groups: Groups):
        """The servers as Wanted, and those that are not to be placed with the reason."""
        wanted, spent = [], []
        where = hints.server_hosts(tx, (server.request for server in waiting))
        for server in waiting:
            request = Request.of(server.flavor, server.image, server.request, project_id=server.project_id, image_id=server.image_id,
                                 default_zone=self._settings.default_schedule_zone, server_hosts=where,
                                 options=self._settings.options)
            together = server.reservation_id in needs and not server.request.get("attempts")
            each = claims.Wanted(server, server.task_id, request, server.reservation_id if together else None)
            unenforced = groups.unenforced(server.group_id, self._settings.options.enabled_filters)
            attempts = max(int((server.request or {}).get("attempts") or 0), len(request.excluded))
            if unenforced is not None:
                spent.append((each, unenforced))
            elif attempts >= self._settings.max_attempts:
                spent.append((each, f"The build failed on {attempts} hosts, and at most {self._settings.max_attempts} are tried"))
            else:
                wanted.append(each)
        return wanted, spent

    def _refuse(self, tx, each: claims.Wanted, why: str, decision: dict | None) -> None:
        LOG.info("Server %s gets no host: %s", each.server.id, why)
        last = (each.server.request or {}).get("last_error")
        if last:
            why = f"{why}. The last build failed: {last.rstrip('.')}"
        try:
            self._fail(tx, each.server, each.token, exception.NoValidHost(reason=f"{why}."), event="schedule_servers", code=500,
                       **({"decision": decision} if decision is not None else {}))
        except exception.TaskLost:
            LOG.info("Server %s no longer waits for a host", each.server.id)
