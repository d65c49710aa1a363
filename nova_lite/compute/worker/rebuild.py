"""Rebuilding and rescuing: other disks for the same server, its present ones kept until the new guest runs."""
import contextlib

from nova_lite import clock, hooks
from nova_lite.compute import states, task
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker import power
from nova_lite.compute.worker.job import Job
from nova_lite.virt.types import PowerState

KEPT = "ephemeral"


def rebuild(job: Job) -> None:
    """New disks are made while the old guest runs, then they take their place; whatever fails puts the old ones back. Ends the task itself."""
    shop, server, detail = job.shop, job.server, job.server.task_detail
    request = {**server.request, "personality": detail["personality"], "admin_pass": detail["admin_pass"]}
    future = job_.changed(job, **detail["changes"], request=request)
    guest, nics = job_.description(future)
    _start_clean(job)
    keep = (KEPT,) if detail["preserve_ephemeral"] else ()
    with contextlib.ExitStack() as undo:
        undo.callback(shop.driver.swap_disks, server.id, back=True)
        shop.driver.stage_disks(guest, shop.fetch, keep)
        hooks.reached("rebuild.staged")
        with shop.db.write() as tx:
            task.step(tx, server, job.token, states.REBUILD_SPAWNING)
        undo.callback(shop.driver.destroy_guest, server.id)
        if keep:
            power.stop(job)
        shop.driver.destroy_guest(server.id)
        shop.driver.swap_disks(server.id)
        hooks.reached("rebuild.swapped")
        job_.prepare_networks(job, nics)
        stopped = server.vm_state == states.STOPPED
        if not stopped:
            shop.driver.start_guest(guest)
        hooks.reached("rebuild.guest")
        with shop.db.write() as tx:
            task.finish(tx, server, job.token, shop.host, job.started, "compute_rebuild_instance", **detail["changes"], launched_at=clock.now(),
                        vm_state=states.STOPPED if stopped else states.ACTIVE, progress=100,
                        power_state=int(PowerState.SHUTDOWN if stopped else PowerState.RUNNING))
        undo.pop_all()
    shop.driver.trim_disks(guest)


def _start_clean(job: Job) -> None:
    driver = job.shop.driver
    if job.server.task_state == states.REBUILDING:
        # What waits aside is an earlier rebuild's, which has ended well.
        driver.trim_disks(job_.description(job)[0])
    else:
        # A worker that is gone got as far as this; what waits aside is the original.
        driver.destroy_guest(job.server.id)
        driver.swap_disks(job.server.id, back=True)


def rescue(job: Job) -> dict:
    """Shut the guest down and start one with a disk of the rescue image before its own. What fails leaves the server as it was, switched off."""
    shop, server = job.shop, job.server
    guest, nics = job_.description(rescuing(job))
    with contextlib.ExitStack() as undo:
        power.stop(job)
        shop.driver.destroy_guest(server.id)
        undo.callback(shop.driver.trim_disks, job_.description(job)[0])
        shop.driver.create_disks(guest, shop.fetch)
        hooks.reached("rescue.disks")
        job_.prepare_networks(job, nics)
        undo.callback(shop.driver.destroy_guest, server.id)
        shop.driver.start_guest(guest)
        undo.pop_all()
    return {"power_state": int(PowerState.RUNNING), "launched_at": clock.now()}


def rescuing(job: Job) -> Job:
    """The job with the server as the rescue sees it: with another image and password."""
    detail = job.server.task_detail
    return job_.changed(job, request={**job.server.request, "rescue_image": detail["image"], "admin_pass": detail["admin_pass"]})


def unrescue(job: Job) -> dict:
    """Start the server from its own disk again."""
    shop = job.shop
    guest, nics = job_.description(job)
    shop.driver.destroy_guest(job.server.id)
    shop.driver.trim_disks(guest)
    job_.prepare_networks(job, nics)
    shop.driver.start_guest(guest)
    return {"power_state": int(PowerState.RUNNING)}
