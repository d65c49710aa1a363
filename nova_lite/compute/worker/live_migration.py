"""A server moves to another host while it runs: the source's worker checks, prepares, watches and settles.

The move's status says how far it is: ``accepted`` until the destination has agreed, ``queued`` until the host has a turn for it, ``preparing``,
and from ``running`` on the guest may be on either host, which only the hypervisors know. A worker that finds such a move asks them (``_conclude``).
Where the source's worker is gone for long, the sweep hands the task to the destination's, which concludes from its side (``_settle_here``).
"""
import contextlib
import dataclasses

from nova_lite import clock, concurrency, exception, hooks, log
from nova_lite.compute import moves, states, task
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker import lost_moves, peers
from nova_lite.compute.worker.job import Job
from nova_lite.compute.worker.live_arrivals import discard, refresh_networks
from nova_lite.db import allocations
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports
from nova_lite.virt.live import Order, Presence, Progress

LOG = log.get(__name__)
EVENT = "compute_live_migration"
RECORD_SECONDS = 2.0
"""Between two records of the progress, which also put off the deadline of the task."""
TURN_SECONDS = 0.5
ARRIVAL_SECONDS = 60.0
"""How long the destination leaves a guest that is still to come, with nobody at the source to watch."""


def live_migrate(job: Job) -> None:
    """Ends the task itself. What fails leaves the server where it was, and running. Raises Unavailable where the end cannot be known yet."""
    try:
        _live_migrate(job)
    except (exception.TaskLost, exception.Unavailable):
        raise
    except Exception as error:
        # A task that ended here would leave the books without knowing where the guest is.
        LOG.exception("the move of server %s waits for the sweep", job.server.id)
        raise exception.Unavailable(f"The move of server {job.server.id} goes on later: {error}") from error


def _live_migrate(job: Job) -> None:
    if job.shop.host != job.server.host:
        _settle_here(job)
        return
    with job.shop.db.read() as tx:
        status = moves_.open_of(tx, job.server.id).status
    if status in ("running", "post-migrating", moves_.LOST):
        _conclude(job, "The worker of the server's host ended while the server moved.")
        return
    try:
        _migrate(job, checked=status != moves_.ACCEPTED)
    except (exception.TaskLost, exception.DatabaseUnavailable):
        raise
    except Exception as error:
        LOG.warning("server %s could not be moved: %s", job.server.id, error, exc_info=not isinstance(error, exception.NovaLiteError))
        if job.server.task_detail.get("sent"):
            _conclude(job, error)
        else:
            _stay(job, error)


# ---- there ---------------------------------------------------------------------------------------------------------------------
def _migrate(job: Job, checked: bool) -> None:
    shop, server = job.shop, job.server
    live, to = shop.driver.moves().live(), server.task_detail["to"]["host"]
    guest, _ = job_.description(job)
    offer = live.offer(guest)
    if not checked or "plan" not in server.task_detail:
        plan = _check(job, offer)
        if plan is None:
            return
        _step(job, "queued", plan=plan)
        hooks.reached("live_migration.checked")
    else:
        plan = server.task_detail["plan"]
    with _turn(job):
        _step(job, "preparing")
        place = _make_ready(job, to, offer, plan)
        if place is None:
            return
        hooks.reached("live_migration.prepared")
        _step(job, "running", sent=True)
        live.migrate(guest, plan, place, _Watch(job))
    hooks.reached("live_migration.switched")
    _finish(job)


def _check(job: Job, offer: dict) -> dict | None:
    """The destination's plan; None when it refused and the scheduler looks for another one."""
    detail, server = job.server.task_detail, job.server
    try:
        return peers.ask(job.shop, job.ctx, detail["to"]["host"], "check", server_id=server.id, token=job.token, offer=offer, block=detail["block"],
                                    over_commit=detail["over_commit"])
    except (exception.MoveRefused, exception.RpcTimeout, exception.HypervisorError) as error:
        if not _look_elsewhere(job, error, tried=False):
            raise
        return None
    finally:
        job.shop.driver.moves().live().withdraw(server.id)


def _make_ready(job: Job, to: str, offer: dict, plan: dict) -> dict | None:
    """Where the destination takes the guest in; None when it could not and the scheduler looks for another one."""
    place = None
    while place is None:
        _obey(job)
        try:
            place = peers.ask(job.shop, job.ctx, to, "receive", server_id=job.server.id, token=job.token, offer=offer, plan=plan)
        except (exception.TaskLost, exception.DatabaseUnavailable):
            raise
        except exception.NovaLiteError as error:
            _discard_there(job)
            if not _look_elsewhere(job, error):
                raise
            return None
        _record(job)
    return place


def _look_elsewhere(job: Job, error: Exception, tried: bool = True) -> bool:
    """Whether the scheduler looks for a destination in the place of the one that refuses. Raises TaskLost."""
    LOG.info("host %s does not take server %s: %s", job.server.task_detail["to"]["host"], job.server.id, error)
    with job.shop.db.write() as tx:
        fresh = moves.look_elsewhere(tx, job.server, job.token, error, tried)
    if fresh is not None:
        ring(job.shop.scheduler.place_moves, job.ctx, server_ids=[job.server.id], tokens=[fresh])
    return fresh is not None


@contextlib.contextmanager
def _turn(job: Job):
    """Hold one of the host's turns for moves of guests that run."""
    turns = job.shop.live_turns
    while turns is not None and not turns.acquire(timeout=TURN_SECONDS):
        _obey(job)
        _record(job)
    try:
        yield
    finally:
        if turns is not None:
            turns.release()


def _step(job: Job, status: str, **detail) -> None:
    """Another status of the move, and what must be known from then on. Raises TaskLost, MoveCancelled."""
    server = job.server
    server.task_detail = {**server.task_detail, **detail}
    with job.shop.db.write() as tx:
        _put_off(tx, job, task_detail=server.task_detail)
        move = moves_.open_of(tx, server.id)
        if move.detail.get("order") == "abort":
            raise exception.MoveCancelled(server_id=server.id)
        moves_.update(tx, move.id, status=status)


def _record(job: Job, progress: Progress | None = None) -> None:
    """Put off the deadline, tell how far it is. Raises TaskLost."""
    with job.shop.db.write() as tx:
        _put_off(tx, job)
        if progress is not None:
            moves_.update(tx, moves_.open_of(tx, job.server.id).id,
                          progress={f"{name}_bytes": value for name, value in dataclasses.asdict(progress).items()})


def _put_off(tx, job: Job, **changes) -> None:
    deadline = task.deadline("live_migrate", clock.now())
    if not servers_.update_task(tx, job.server.id, job.token, task_deadline=deadline, **changes):
        raise exception.TaskLost(token=job.token, server_id=job.server.id)


def _obey(job: Job) -> Order | None:
    """What the users have ordered. Raises MoveCancelled."""
    with job.shop.db.read() as tx:
        move = moves_.open_of(tx, job.server.id)
    order = None if move is None else move.detail.get("order")
    if order == "abort":
        raise exception.MoveCancelled(server_id=job.server.id)
    return Order.COMPLETE if order == "complete" else None


class _Watch:
    """Called with the progress of a migration: records it from time to time, and hands on what the users order."""

    def __init__(self, job: Job):
        self._job, self._recorded = job, 0.0

    def __call__(self, progress: Progress) -> Order | None:
        try:
            if clock.monotonic() - self._recorded >= RECORD_SECONDS:
                _record(self._job, progress)
                self._recorded = clock.monotonic()
                hooks.reached("live_migration.moving")
            return _obey(self._job)
        except exception.MoveCancelled:
            return Order.ABORT
        except exception.DatabaseUnavailable as error:
            LOG.warning("server %s goes on moving, unrecorded: %s", self._job.server.id, error)
            return None


# ---- the end -------------------------------------------------------------------------------------------------------------------
def _finish(job: Job) -> None:
    """The guest runs at the destination: so does the server."""
    shop, server, to, plan = job.shop, job.server, job.server.task_detail["to"], job.server.task_detail["plan"]
    live = shop.driver.moves().live()
    live.entrust(server.id, to["host"], plan)
    with shop.db.write() as tx:
        networks = server_ports.bind(tx, server.id, to["host"])
        task.finish(tx, server, job.token, shop.host, job.started, EVENT, host=to["host"], node=to["node"], availability_zone=to["zone"],
                    **moves.found(server))
        allocations.release(tx, server.id, server.host)
        moves_.end(tx, server.id, "completed")
    LOG.info("server %s has moved to host %s", server.id, to["host"])
    hooks.reached("live_migration.finished")
    luggage = live.farewell(server.id) if shop.host == server.host else {}
    for host in (to["host"], server.host):
        if networks:
            ring(shop.network.refresh, job.ctx, host, network_ids=networks)
    if shop.host == to["host"]:
        live.settle(server.id, luggage)
        return
    try:
        peers.ask(shop, job.ctx, to["host"], "settle", server_id=server.id, luggage=luggage)
    except exception.NovaLiteError as error:
        LOG.warning("host %s has server %s, but not its console's log: %s", to["host"], server.id, error)
    discard(shop, job.ctx, server.id, plan)


def _conclude(job: Job, why: Exception | str) -> None:
    """End a move of which this worker does not know where the guest is: the hypervisors say. Raises Unavailable where they do not yet."""
    server_id = job.server.id
    while True:
        here, there = _presence_here(job), _presence_there(job)
        LOG.info("server %s is %s here, %s at its destination", server_id, here, there or "perhaps")
        if there == Presence.HERE or there == Presence.OFF and here not in (Presence.HERE, Presence.LEAVING):
            _finish(job)
            return
        if here == there == Presence.LEFT:
            with job.shop.db.write() as tx:
                moves.give_up(tx, job.server, job.token, "The connection between the hosts broke when half of the memory was on each.", job.shop.host,
                              "failed", started=job.started, event=EVENT, **{**moves.found(job.server), "vm_state": states.ERROR})
            return
        # Off here says nothing alone: a host that was booted knows nothing of a switch.
        gone = there == Presence.NONE and here in (Presence.NONE, Presence.LEFT) or there is not None and here == Presence.OFF
        if here == Presence.HERE or gone:
            if here == Presence.LEFT:
                # It stopped for a switch that nobody made.
                job.shop.driver.unpause_guest(server_id)
            _stay(job, why)
            return
        if there is None:
            raise exception.Unavailable(f"Where the guest of server {server_id} runs is known when its destination answers.")
        _record(job)
        concurrency.sleep(TURN_SECONDS)


def _presence_here(job: Job) -> Presence:
    try:
        return job.shop.driver.moves().live().halt(job.server.id)
    except exception.HypervisorError as error:
        raise exception.Unavailable(f"Where the guest of server {job.server.id} runs is known when the hypervisor answers: {error}")


def _presence_there(job: Job) -> Presence | None:
    try:
        return Presence(peers.ask(job.shop, job.ctx, job.server.task_detail["to"]["host"], "presence", server_id=job.server.id))
    except exception.NovaLiteError as error:
        LOG.warning("the destination of server %s does not say what it has of it: %s", job.server.id, error)
        return None


def _stay(job: Job, why: Exception | str) -> None:
    shop, server, detail = job.shop, job.server, job.server.task_detail
    if "plan" in detail:
        _discard_there(job)
    shop.driver.moves().live().withdraw(server.id)
    with shop.db.write() as tx:
        if isinstance(why, exception.MoveCancelled):
            allocations.release(tx, server.id, detail["to"]["host"])
            moves_.end(tx, server.id, "cancelled")
            task.finish(tx, server, job.token, shop.host, job.started, EVENT, **moves.found(server))
        else:
            # "error": refused before anything was made ready; "failed": it stays after a try.
            moves.give_up(tx, server, job.token, why, shop.host, "failed" if detail.get("sent") else "error", started=job.started, event=EVENT,
                          **moves.found(server))
    refresh_networks(shop, job.ctx, server.id, detail["to"]["host"])


def _discard_there(job: Job) -> None:
    shop, server, to = job.shop, job.server, job.server.task_detail["to"]["host"]
    try:
        peers.ask(shop, job.ctx, to, "discard", server_id=server.id, token=job.token, plan=server.task_detail["plan"])
    except exception.NovaLiteError as error:
        LOG.warning("host %s keeps for a while what it made ready for server %s: %s", to, server.id, error)


def _settle_here(job: Job) -> None:
    """The source's worker is gone for long: what has come here decides."""
    live, server = job.shop.driver.moves().live(), job.server
    deadline = clock.monotonic() + ARRIVAL_SECONDS
    while (here := live.presence(server.id)) == Presence.COMING and clock.monotonic() < deadline:
        _record(job)
        concurrency.sleep(TURN_SECONDS)
    if here in lost_moves.HAS_IT:
        _finish(job)
        return
    # Before the switch the source's guest goes on when its other half ends.
    discard(job.shop, job.ctx, server.id, server.task_detail["plan"])
    with job.shop.db.write() as tx:
        moves.give_up(tx, server, job.token, f"Host {server.host} was lost while the server moved.", job.shop.host, "failed",
                      started=job.started, event=EVENT, **moves.found(server, states.ERROR))
    refresh_networks(job.shop, job.ctx, server.id, job.shop.host)
