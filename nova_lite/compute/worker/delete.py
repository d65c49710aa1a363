"""Deleting: the guest ends, its disks go, the row gives back what it held."""
from nova_lite import hooks
from nova_lite.compute import removal
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker.job import Job


def delete(job: Job) -> None:
    """Ends the task itself. Every step may be repeated."""
    shop = job.shop
    shop.driver.destroy_guest(job.server.id)
    hooks.reached("delete.guest")
    shop.driver.delete_disks(job.server.id)
    with shop.db.write() as tx:
        networks = removal.remove(tx, job.server, job.token, shop.host)
    if networks:
        ring(shop.network.refresh, job.ctx, shop.host, network_ids=networks)
