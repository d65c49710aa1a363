"""Evacuation, carried out by the destination: the guest of a dead host is made anew here, with the addresses that it had."""
import contextlib

from nova_lite import clock, exception, hooks, log
from nova_lite.compute import moves, states, task
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.job import Job
from nova_lite.compute.worker.retreat import retreat
from nova_lite.db import allocations
from nova_lite.db import moves as moves_
from nova_lite.network.actions import server_ports
from nova_lite.virt.types import PowerState

LOG = log.get(__name__)
EVENT = "compute_rebuild_instance"
AWAY = (exception.RpcUnavailable, exception.DatabaseUnavailable)
"""Neither this host's fault nor the image's: the sweep begins again once the broker or the database is back."""


def evacuate(job: Job) -> None:
    """Ends the task itself. What fails here is tried on another host; else the server stays on its dead one, in ERROR with the reason."""
    try:
        _evacuate(job)
    except (exception.TaskLost, *AWAY):
        raise
    except Exception as error:
        with job.shop.db.read() as tx:
            networks = sorted({nic["network_id"] for nic in server_ports.nics(tx, job.server.id)})
        retreat(job, error, EVENT, "failed")
        ring(job.shop.network.refresh, job.ctx, job.shop.host, network_ids=networks)


def _evacuate(job: Job) -> None:
    shop, server, detail = job.shop, job.server, job.server.task_detail
    to = detail["to"]
    here = {"host": shop.host, "node": to["node"], "availability_zone": to["zone"]}
    shop.driver.destroy_guest(server.id)
    kept = _keeps_disks(job)
    if not kept:
        # What an earlier try, or an earlier stay of the server, left here.
        shop.driver.delete_disks(server.id)
    with shop.db.write() as tx:
        task.step(tx, server, job.token, states.REBUILDING, task_detail={**detail, "kept": kept})
        moves_.change_open(tx, server.id, status="pre-migrating")
        server_ports.bind(tx, server.id, shop.host)
    guest, nics = job_.description(job_.changed(job, **here, request={**server.request, "admin_pass": detail["admin_pass"]}))
    hooks.reached("evacuate.addresses")
    stays_off = detail["stays_off"] or server.vm_state == states.STOPPED
    with contextlib.ExitStack() as undo:
        job_.prepare_networks(job, nics)
        if not kept:
            undo.callback(shop.driver.delete_disks, server.id)
            shop.driver.create_disks(guest, shop.fetch)
        hooks.reached("evacuate.disks")
        with shop.db.write() as tx:
            task.step(tx, server, job.token, states.REBUILD_SPAWNING)
        undo.callback(shop.driver.destroy_guest, server.id)
        if not stays_off:
            shop.driver.start_guest(guest)
        if kept:
            undo.callback(shop.driver.delete_disks, server.id)
            shop.driver.moves().borrow(server.id, server.host)
        hooks.reached("evacuate.guest")
        with shop.db.write() as tx:
            task.finish(tx, server, job.token, shop.host, job.started, EVENT, **here, launched_at=clock.now(), progress=100,
                        request=moves.without_lost(server.request), vm_state=states.STOPPED if stays_off else states.ACTIVE,
                        power_state=int(PowerState.SHUTDOWN if stays_off else PowerState.RUNNING))
            for host in {server.host, server.request.get(moves.LOST, {"to": {}})["to"].get("host")} - {None}:
                allocations.release(tx, server.id, host)
            moves_.end(tx, server.id, "done")
        undo.pop_all()
    hooks.reached("evacuate.ended")
    if kept:
        shop.driver.moves().keep(server.id)


def _keeps_disks(job: Job) -> bool:
    """Whether the server's disks are on storage that this host shares with the dead one. Raises HypervisorError where who asked knows otherwise."""
    server, detail = job.server, job.server.task_detail
    if "kept" in detail:
        # An earlier try knew; since then they may be this host's own.
        return detail["kept"]
    try:
        reached = job.shop.driver.moves().reaches(server.id)
    except exception.HypervisorError:
        reached = False
    found = reached and server.id not in job.shop.driver.guest_files()
    if detail["shared"] and not found:
        raise exception.HypervisorError("The disks of the server are not on storage that this host shares.")
    if detail["shared"] is False and found:
        raise exception.HypervisorError("The disks of the server are on storage that this host shares.")
    return found
