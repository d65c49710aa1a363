"""Another flavor, or the same one elsewhere: on its own host grown copies of the disks take the place of the old ones, which wait until the user
has confirmed; between hosts see ``cold_move``.
"""
import contextlib

from nova_lite import clock, exception, hooks, log
from nova_lite.compute import room, states, task
from nova_lite.compute.worker import cold_move, power
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.cold_move import count, remember, start
from nova_lite.compute.worker.job import Job
from nova_lite.compute.worker.retreat import retreat
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.virt.types import PowerState

LOG = log.get(__name__)


def resize(job: Job) -> None:
    """Ends the task itself. What fails leaves the server as it was, running if it ran."""
    if job.server.host != job.shop.host:
        cold_move.take(job)
        return
    try:
        _resize(job)
    except (exception.TaskLost, exception.Unavailable):
        raise
    except Exception as error:
        retreat(job, error, "compute_resize_instance")


def _resize(job: Job) -> None:
    shop, server = job.shop, job.server
    changes = cold_move.resized(job)
    guest, nics = job_.description(job_.changed(job, **changes))
    before, _ = job_.description(job)
    if server.task_state == states.RESIZE_PREP:
        shop.driver.trim_disks(before)
    else:
        shop.driver.destroy_guest(server.id)
        shop.driver.swap_disks(server.id, back=True)
    ran = server.vm_state == states.ACTIVE
    with contextlib.ExitStack() as undo:
        if ran:
            undo.callback(start, job, before, nics)
        undo.callback(shop.driver.swap_disks, server.id, back=True)
        undo.callback(shop.driver.destroy_guest, server.id)
        power.stop(job)
        shop.driver.stage_resized(guest)
        hooks.reached("resize.staged")
        with shop.db.write() as tx:
            task.step(tx, server, job.token, states.RESIZE_FINISH)
            moves_.change_open(tx, server.id, status="post-migrating")
        shop.driver.destroy_guest(server.id)
        shop.driver.swap_disks(server.id)
        hooks.reached("resize.swapped")
        if ran:
            start(job, guest, nics)
        with shop.db.write() as tx:
            count(tx, job, server.flavor, changes["flavor"])
            moves_.change_open(tx, server.id, status="finished", detail=remember(server))
            task.finish(tx, server, job.token, shop.host, job.started, "compute_finish_resize", **changes, launched_at=clock.now(),
                        power_state=int(PowerState.RUNNING if ran else PowerState.SHUTDOWN))
        undo.pop_all()


def confirm(job: Job) -> None:
    """The old disks and the room for them go. Ends the task itself."""
    shop, server = job.shop, job.server
    move = _begin(job, "confirming")
    if move.source_host != shop.host:
        cold_move.confirm(job, move)
        return
    shop.driver.trim_disks(job_.description(job)[0])
    running = shop.driver.guests().get(server.id) == PowerState.RUNNING
    with shop.db.write() as tx:
        allocations.change(tx, server.id, shop.host, **room.room(server.flavor, server.image), only=server.flavorid)
        moves_.end(tx, server.id, "confirmed")
        task.finish(tx, server, job.token, shop.host, job.started, "compute_confirm_resize",
                    vm_state=states.ACTIVE if running else states.STOPPED)


def revert(job: Job) -> None:
    """The old disks return, and the server is what it was. Ends the task itself."""
    shop, server = job.shop, job.server
    memo = _begin(job, "reverting").detail
    if server.host != shop.host:
        cold_move.bring_back(job)
        return
    changes = {"flavor": memo["flavor"], "flavorid": memo["flavor"]["flavorid"], "disk_config": memo["disk_config"]}
    guest, nics = job_.description(job_.changed(job, **changes))
    shop.driver.destroy_guest(server.id)
    shop.driver.swap_disks(server.id, back=True)
    hooks.reached("revert_resize.swapped")
    ran = memo["vm_state"] == states.ACTIVE
    if ran:
        start(job, guest, nics)
    with shop.db.write() as tx:
        count(tx, job, server.flavor, memo["flavor"])
        allocations.change(tx, server.id, shop.host, **room.room(memo["flavor"], server.image), only=memo["flavor"]["flavorid"])
        moves_.end(tx, server.id, "reverted")
        task.finish(tx, server, job.token, shop.host, job.started, "compute_finish_revert_resize", **changes, vm_state=memo["vm_state"],
                    launched_at=clock.now(), power_state=int(PowerState.RUNNING if ran else PowerState.SHUTDOWN))
    shop.driver.trim_disks(guest)


def _begin(job: Job, status: str):
    with job.shop.db.write() as tx:
        task.step(tx, job.server, job.token, job.server.task_state)
        moves_.change_open(tx, job.server.id, status=status)
        return moves_.open_of(tx, job.server.id)


def confirm_old(worker, window: float) -> list[str]:
    """Confirm the resizes to this host that have waited for ``window`` seconds; the server ids."""
    shop, ctx = worker.shop, RequestContext.for_service()
    with shop.db.read() as tx:
        waiting = moves_.finished(tx, shop.host, clock.now() - clock.seconds(window))
        found = [server for server in (servers_.find(tx, server_id) for server_id in waiting)
                 if server is not None and server.vm_state == states.RESIZED and server.task_id is None]
    for server in found:
        try:
            with shop.db.write() as tx:
                token = task.begin(tx, ctx, server, "confirm_resize", ignore_lock=True)
        except exception.Conflict as error:
            LOG.info("the resize of server %s is not confirmed now: %s", server.id, error)
            continue
        worker.run(ctx, server.id, token)
    return [server.id for server in found]
