"""A server that is off goes to another host: taken over by the destination's worker, verified, and then confirmed or brought back.

The host that the server leaves keeps its disks until the user has confirmed; bringing back is starting what is there. Each step may be repeated,
so a worker that starts over begins again, and pulls only what has not arrived.
"""
import contextlib

from nova_lite import clock, concurrency, exception, hooks, log
from nova_lite.compute import moves, quota, room, states, task
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker import departures, put_back
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.job import Job
from nova_lite.compute.worker.retreat import retreat
from nova_lite.compute.worker.transfer import PATIENCE_SECONDS, RETRY_SECONDS, Reader
from nova_lite.db import allocations
from nova_lite.db import moves as moves_
from nova_lite.db.models import Move
from nova_lite.network.actions import server_ports
from nova_lite.virt.types import PowerState

LOG = log.get(__name__)
BEAT_SECONDS = 10.0
"""Between two proofs that the task is still this worker's, which also put off its deadline."""


class _Departure:
    """The other host letting go of the guest, asked for until it has; ``at_once``: without shutting the guest down."""

    def __init__(self, job: Job, host: str, at_once: bool = False):
        self._job, self._host, self._at_once = job, host, at_once
        self._next_beat = 0.0

    def wait(self) -> None:
        """Return once the guest is off and forgotten there. Raises SourceFailed when the host is away for too long, or cannot."""
        heard = clock.monotonic()
        while True:
            try:
                if self._ask() is not None:
                    return
                heard = clock.monotonic()
            except exception.Unavailable as error:
                if clock.monotonic() - heard > PATIENCE_SECONDS:
                    raise exception.SourceFailed(reason=f"host {self._host} does not answer: {error}") from error
                concurrency.sleep(RETRY_SECONDS)
            self.beat()

    def ask(self) -> str:
        """The URL of the disks. Raises Unavailable while there is none."""
        url = self._ask()
        if url is None:
            raise exception.Unavailable(f"the guest on host {self._host} is not off yet")
        return url

    def _ask(self) -> str | None:
        job = self._job
        try:
            return job.shop.departures.let_go(job.ctx, self._host, server_id=job.server.id, token=job.token, at_once=self._at_once)
        except exception.HypervisorError as error:
            raise exception.SourceFailed(str(error)) from error

    def beat(self) -> None:
        """Raises TaskLost when somebody else has the server now."""
        if clock.monotonic() < self._next_beat:
            return
        self._next_beat = clock.monotonic() + BEAT_SECONDS
        job = self._job
        with contextlib.suppress(exception.DatabaseUnavailable), job.shop.db.write() as tx:
            task.extend(tx, job.server, job.token)


# ---- there ---------------------------------------------------------------------------------------------------------------------
def take(job: Job) -> None:
    """Take the server over from its host, as its new flavor wants it. Ends the task itself; what fails is another host's, or undone there."""
    try:
        _take(job)
    except (exception.TaskLost, exception.Unavailable):
        raise
    except Exception as error:
        retreat(job, error, "compute_resize_instance")


def _take(job: Job) -> None:
    shop, server, to = job.shop, job.server, job.server.task_detail["to"]
    changes = resized(job)
    guest, nics = job_.description(job_.changed(job, **changes))
    ran, shared = server.vm_state == states.ACTIVE, _is_shared(job)
    with contextlib.ExitStack() as undo:
        if shared:
            undo.callback(shop.driver.swap_disks, server.id, back=True)
        else:
            undo.callback(shop.driver.delete_disks, server.id)
        undo.callback(shop.driver.destroy_guest, server.id)
        shop.driver.destroy_guest(server.id)
        if shared:
            _copy_aside(job, guest)
        elif server.task_state != states.RESIZE_FINISH:
            _pull(job, guest)
        with shop.db.write() as tx:
            task.step(tx, server, job.token, states.RESIZE_FINISH, task_deadline=task.deadline(server.task_action, clock.now()))
            networks = server_ports.bind(tx, server.id, shop.host)
        hooks.reached("move.bound")
        _refresh(job, server.host, networks)
        if ran:
            start(job, guest, nics)
        hooks.reached("move.started")
        with shop.db.write() as tx:
            count(tx, job, server.flavor, changes.get("flavor", server.flavor))
            moves_.change_open(tx, server.id, status="finished", detail={**remember(server), "shared": shared})
            task.finish(tx, server, job.token, shop.host, job.started, "compute_finish_resize", **changes, host=shop.host, node=to["node"],
                        availability_zone=to["zone"], request=put_back.without_mark(server.request), launched_at=clock.now(),
                        power_state=int(PowerState.RUNNING if ran else PowerState.SHUTDOWN))
        undo.pop_all()


def _is_shared(job: Job) -> bool:
    """Whether the disks are on storage that both hosts share: files of the server are here, and they are not this host's."""
    driver, server_id = job.shop.driver, job.server.id
    return driver.moves().reaches(server_id) and server_id not in driver.guest_files()


def _let_go(job: Job) -> _Departure:
    _step(job, states.RESIZE_MIGRATING, "migrating")
    departure = _Departure(job, job.server.host)
    departure.wait()
    hooks.reached("move.let_go")
    _step(job, states.RESIZE_MIGRATED, "post-migrating")
    return departure


def _copy_aside(job: Job, guest) -> None:
    """On shared storage: as on one host, copies take the place of the disks, which wait. The files stay the other host's until it is for good."""
    _let_go(job)
    job.shop.driver.swap_disks(job.server.id, back=True)
    job.shop.driver.stage_resized(guest)
    hooks.reached("move.copied")
    job.shop.driver.swap_disks(job.server.id)


def _pull(job: Job, guest) -> None:
    shop, server = job.shop, job.server
    # What takes long, or cannot be had now, is found out while the guest still runs.
    shop.driver.moves().copies().prepare(guest, shop.fetch)
    hooks.reached("move.prepared")
    departure = _let_go(job)
    with shop.db.read() as tx:
        key = moves_.open_of(tx, server.id).uuid
    source = Reader(departure.ask, server.id, job.token, shop.channel, departure.beat)
    shop.driver.moves().copies().receive(guest, key, source.files(), source.read, shop.fetch)
    hooks.reached("move.copied")


def _step(job: Job, task_state: str, status: str) -> None:
    with job.shop.db.write() as tx:
        task.step(tx, job.server, job.token, task_state)
        moves_.change_open(tx, job.server.id, status=status)


# ---- back, since it failed there -----------------------------------------------------------------------------------------------
def stay(job: Job) -> None:
    """The destination has failed: the guest starts again here, where its disks are. Ends the task itself."""
    shop, server = job.shop, job.server
    departures.cancel(shop, server.id)
    with shop.db.write() as tx:
        task.step(tx, server, job.token, server.task_state)
        networks = server_ports.bind(tx, server.id, shop.host)
    how = {"started": job.started, "event": "compute_resize_instance"}
    if server.task_state != states.RESIZE_PREP:
        # On shared storage the destination may have put copies in the place of the disks.
        shop.driver.swap_disks(server.id, back=True)
    if server.vm_state == states.ACTIVE:
        try:
            start(job, *job_.description(job))
        except (exception.TaskLost, exception.Unavailable):
            raise
        except Exception as error:
            LOG.exception("server %s could not be started again", server.id)
            how |= {"vm_state": states.STOPPED, "power_state": int(PowerState.SHUTDOWN)}
            job = job_.changed(job, task_detail={**server.task_detail, "undo": f"{server.task_detail['undo']}; then it did not start: {error}"})
    with shop.db.write() as tx:
        moves.undone(tx, job.server, job.token, shop.host, **how)
    if "to" in server.task_detail:
        _clear_away(job, server.task_detail["to"]["host"], networks)


# ---- confirmed -----------------------------------------------------------------------------------------------------------------
def confirm(job: Job, move: Move) -> None:
    """What the host that the server has left keeps of it goes. Ends the task itself."""
    shop, server = job.shop, job.server
    running = shop.driver.guests().get(server.id) == PowerState.RUNNING
    if move.detail.get("shared"):
        shop.driver.trim_disks(job_.description(job)[0])
        shop.driver.moves().keep(server.id)
    with shop.db.write() as tx:
        allocations.release(tx, server.id, move.source_host)
        moves_.end(tx, server.id, "confirmed")
        task.finish(tx, server, job.token, shop.host, job.started, "compute_confirm_resize",
                    vm_state=states.ACTIVE if running else states.STOPPED)
    hooks.reached("confirm.ended")
    ring(shop.departures.forget, job.ctx, move.source_host, server_id=server.id)


# ---- reverted ------------------------------------------------------------------------------------------------------------------
def bring_back(job: Job) -> None:
    """This host's worker takes its server back, as it was. Ends the task itself; what fails leaves the server where it is."""
    try:
        _bring_back(job)
    except (exception.TaskLost, exception.Unavailable):
        raise
    except Exception as error:
        LOG.exception("server %s could not be brought back", job.server.id)
        with contextlib.suppress(exception.NovaLiteError):
            job.shop.driver.destroy_guest(job.server.id)
        with job.shop.db.write() as tx:
            fresh = moves.hand_home(tx, job.server, job.token, error)
        ring(job.shop.compute.run_task, job.ctx, job.server.host, server_id=job.server.id, token=fresh)


def _bring_back(job: Job) -> None:
    shop, server = job.shop, job.server
    with shop.db.read() as tx:
        move = moves_.open_of(tx, server.id)
    memo = move.detail
    changes = {"flavor": memo["flavor"], "flavorid": memo["flavor"]["flavorid"], "disk_config": memo["disk_config"]}
    guest, nics = job_.description(job_.changed(job, **changes))
    if not (server.task_detail or {}).get("host_is_down"):
        _Departure(job, server.host, at_once=True).wait()
    hooks.reached("revert.let_go")
    with shop.db.write() as tx:
        task.step(tx, server, job.token, server.task_state)
        networks = server_ports.bind(tx, server.id, shop.host)
    _refresh(job, server.host, networks)
    if memo.get("shared"):
        shop.driver.swap_disks(server.id, back=True)
        shop.driver.moves().keep(server.id)
    ran = memo["vm_state"] == states.ACTIVE
    if ran:
        start(job, guest, nics)
    hooks.reached("revert.started")
    with shop.db.write() as tx:
        count(tx, job, server.flavor, memo["flavor"])
        allocations.release(tx, server.id, server.host)
        moves_.end(tx, server.id, "reverted")
        task.finish(tx, server, job.token, shop.host, job.started, "compute_finish_revert_resize", **changes, host=shop.host,
                    node=move.source_node, availability_zone=memo["zone"], vm_state=memo["vm_state"], launched_at=clock.now(),
                    power_state=int(PowerState.RUNNING if ran else PowerState.SHUTDOWN))
    hooks.reached("revert.ended")
    _clear_away(job, server.host, networks)


def remain(job: Job) -> None:
    """The other host could not take its server back: it goes on here, still to be confirmed or reverted. Ends the task itself."""
    shop, server = job.shop, job.server
    departures.cancel(shop, server.id)
    with shop.db.write() as tx:
        task.step(tx, server, job.token, server.task_state)
        server_ports.bind(tx, server.id, shop.host)
        memo = moves_.open_of(tx, server.id).detail
    if memo["vm_state"] == states.ACTIVE:
        start(job, *job_.description(job))
    with shop.db.write() as tx:
        moves_.change_open(tx, server.id, status="finished")
        task.fail(tx, server, job.token, exception.HypervisorError(server.task_detail["undo"]), shop.host, job.started, "compute_revert_resize")


# ---- parts that resizing on one host needs too -------------------------------------------------------------------------------
def resized(job: Job) -> dict:
    """The columns that the server has in its new flavor; none where it only moves."""
    detail = job.server.task_detail
    flavor = detail.get("flavor")
    if flavor is None:
        return {}
    return {"flavor": flavor, "flavorid": flavor["flavorid"], **({"disk_config": detail["disk_config"]} if detail["disk_config"] else {})}


def remember(server) -> dict:
    """What a revert must know."""
    return {"flavor": server.flavor, "vm_state": server.vm_state, "disk_config": server.disk_config, "zone": server.availability_zone}


def start(job: Job, guest, nics: list[dict]) -> None:
    """Start the guest on its networks."""
    job_.prepare_networks(job, nics)
    job.shop.driver.start_guest(guest)


def count(tx, job: Job, before: dict, after: dict) -> None:
    """Have the quota count ``after`` in the place of ``before``."""
    more, less = room.quota_change(before, after)
    if more:
        quota.count(tx, job.server.project_id, more)
    if less:
        quota.give_back(tx, job.server.project_id, less)


def _refresh(job: Job, host: str, networks: list[str]) -> None:
    if networks:
        ring(job.shop.network.refresh, job.ctx, host, network_ids=networks)


def _clear_away(job: Job, host: str, networks: list[str]) -> None:
    _refresh(job, host, networks)
    ring(job.shop.departures.forget, job.ctx, host, server_id=job.server.id)
