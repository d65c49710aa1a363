"""Network cards that come and go while the guest runs."""
import contextlib

from nova_lite import hooks
from nova_lite.compute import task
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.job import Job
from nova_lite.network.actions import server_ports

DETACH_SECONDS = 60


def attach(job: Job) -> dict:
    """Plug in the NIC whose port the server has already; where that fails the port goes again."""
    port_id = job.server.task_detail["port_id"]
    with contextlib.ExitStack() as undo:
        undo.callback(_take_back, job, port_id)
        guest, nics = job_.description(job)
        job_.prepare_networks(job, nics)
        hooks.reached("attach_interface.networks")
        for nic in guest.nics:
            if nic.port_id == port_id:
                job.shop.driver.attach_nic(guest, nic)
        undo.pop_all()
    return {}


def _take_back(job: Job, port_id: str) -> None:
    networks = job.shop.db.transact(lambda tx: server_ports.detach(tx, job.server.id, port_id))
    if networks:
        ring(job.shop.network.refresh, job.ctx, job.shop.host, network_ids=networks)


def detach(job: Job) -> None:
    """Unplug the NIC, then give up its port. Ends the task itself."""
    shop, port_id = job.shop, job.server.task_detail["port_id"]
    guest, _ = job_.description(job)
    for nic in guest.nics:
        if nic.port_id == port_id:
            shop.driver.detach_nic(job.server.id, nic, DETACH_SECONDS)
    hooks.reached("detach_interface.unplugged")
    with shop.db.write() as tx:
        networks = server_ports.detach(tx, job.server.id, port_id)
        task.finish(tx, job.server, job.token, shop.host, job.started, "compute_detach_interface")
    if networks:
        ring(shop.network.refresh, job.ctx, shop.host, network_ids=networks)
