"""Another flavor on the same host: grown copies of the disks take the place of the old ones, which wait until the user has confirmed."""
import contextlib

from nova_lite import clock, exception, hooks, log
from nova_lite.compute import quota, room, states, task
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker import power
from nova_lite.compute.worker.job import Job
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.db import servers as servers_
from nova_lite.virt.types import PowerState

LOG = log.get(__name__)
MEMO = "resize"
"""The key in ``server.request`` under which the way back stands until the resize is confirmed."""


def resize(job: Job) -> None:
    """Ends the task itself. What fails leaves the server as it was, running if it ran."""
    try:
        _resize(job)
    except (exception.TaskLost, exception.Unavailable):
        raise
    except Exception as error:
        LOG.exception("server %s could not be resized", job.server.id)
        with job.shop.db.write() as tx:
            allocations.change(tx, job.server.id, job.shop.host, **room.room(job.server.flavor))
            task.fail(tx, job.server, job.token, error, job.shop.host, job.started, "compute_resize_instance")


def _resize(job: Job) -> None:
    shop, server, detail = job.shop, job.server, job.server.task_detail
    flavor = detail["flavor"]
    changes = {"flavor": flavor, "flavorid": flavor["flavorid"], **({"disk_config": detail["disk_config"]} if detail["disk_config"] else {})}
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
            undo.callback(_start_again, job, before, nics)
        undo.callback(shop.driver.swap_disks, server.id, back=True)
        undo.callback(shop.driver.destroy_guest, server.id)
        power.stop(job)
        shop.driver.stage_resized(guest)
        hooks.reached("resize.staged")
        with shop.db.write() as tx:
            task.step(tx, server, job.token, states.RESIZE_FINISH)
        shop.driver.destroy_guest(server.id)
        shop.driver.swap_disks(server.id)
        hooks.reached("resize.swapped")
        if ran:
            _start_again(job, guest, nics)
        memo = {"flavor": server.flavor, "vm_state": server.vm_state, "disk_config": server.disk_config, "at": clock.isoformat(clock.now())}
        with shop.db.write() as tx:
            _count(tx, job, server.flavor, flavor)
            task.finish(tx, server, job.token, shop.host, job.started, "compute_finish_resize", **changes, launched_at=clock.now(),
                        request={**server.request, MEMO: memo}, power_state=int(PowerState.RUNNING if ran else PowerState.SHUTDOWN))
        undo.pop_all()


def _start_again(job: Job, guest, nics: list[dict]) -> None:
    job_.prepare_networks(job, nics)
    job.shop.driver.start_guest(guest)


def _count(tx, job: Job, before: dict, after: dict) -> None:
    more, less = room.quota_change(before, after)
    if more:
        quota.count(tx, job.server.project_id, more)
    if less:
        quota.give_back(tx, job.server.project_id, less)


def confirm(job: Job) -> None:
    """The old disks and the room for them go. Ends the task itself."""
    shop, server = job.shop, job.server
    shop.driver.trim_disks(job_.description(job)[0])
    running = shop.driver.guests().get(server.id) == PowerState.RUNNING
    with shop.db.write() as tx:
        allocations.change(tx, server.id, shop.host, **room.room(server.flavor))
        task.finish(tx, server, job.token, shop.host, job.started, "compute_confirm_resize", request=_without_memo(server),
                    vm_state=states.ACTIVE if running else states.STOPPED)


def revert(job: Job) -> None:
    """The old disks return, and the server is what it was. Ends the task itself."""
    shop, server = job.shop, job.server
    memo = server.request[MEMO]
    changes = {"flavor": memo["flavor"], "flavorid": memo["flavor"]["flavorid"], "disk_config": memo["disk_config"]}
    guest, nics = job_.description(job_.changed(job, **changes))
    shop.driver.destroy_guest(server.id)
    shop.driver.swap_disks(server.id, back=True)
    hooks.reached("revert_resize.swapped")
    ran = memo["vm_state"] == states.ACTIVE
    if ran:
        _start_again(job, guest, nics)
    with shop.db.write() as tx:
        _count(tx, job, server.flavor, memo["flavor"])
        allocations.change(tx, server.id, shop.host, **room.room(memo["flavor"]))
        task.finish(tx, server, job.token, shop.host, job.started, "compute_finish_revert_resize", **changes, vm_state=memo["vm_state"],
                    request=_without_memo(server), launched_at=clock.now(),
                    power_state=int(PowerState.RUNNING if ran else PowerState.SHUTDOWN))
    shop.driver.trim_disks(guest)


def _without_memo(server) -> dict:
    return {key: value for key, value in server.request.items() if key != MEMO}


def confirm_old(worker, window: float) -> list[str]:
    """Confirm the resizes on this host that have waited for ``window`` seconds; the server ids."""
    shop, ctx = worker.shop, RequestContext.for_service()
    before = clock.now() - clock.seconds(window)
    with shop.db.read() as tx:
        found = [server for server in servers_.of_host(tx, shop.host) if server.vm_state == states.RESIZED and server.task_id is None
                 and clock.parse(server.request[MEMO]["at"]) <= before]
    for server in found:
        try:
            with shop.db.write() as tx:
                token = task.begin(tx, ctx, server, "confirm_resize", ignore_lock=True)
        except exception.Conflict as error:
            LOG.info("the resize of server %s is not confirmed now: %s", server.id, error)
            continue
        worker.run(ctx, server.id, token)
    return [server.id for server in found]
