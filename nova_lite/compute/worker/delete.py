"""Deleting: the guest ends, its disks go, the row gives back what it held; or all of it only sleeps until it is reclaimed."""
from nova_lite import clock, exception, hooks, log
from nova_lite.compute import quota, removal, shelving, task
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker import power
from nova_lite.compute.worker.job import Job
from nova_lite.context import RequestContext
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.virt.types import PowerState

LOG = log.get(__name__)


def delete(job: Job) -> None:
    """Ends the task itself. Every step may be repeated."""
    shop = job.shop
    shop.driver.destroy_guest(job.server.id)
    hooks.reached("delete.guest")
    shop.driver.delete_disks(job.server.id)
    with shop.db.write() as tx:
        others = moves_.hosts(tx, [job.server.id]).get(job.server.id, set()) - {shop.host}
        networks = removal.remove(tx, job.server, job.token, shop.host)
    for host in others:
        ring(shop.departures.forget, job.ctx, host, server_id=job.server.id)
    if networks:
        ring(shop.network.refresh, job.ctx, shop.host, network_ids=networks)


def soft_delete(job: Job) -> None:
    """Switch the guest off; what is suspended stays so. Ends the task itself: the quota goes with it."""
    state = PowerState.SHUTDOWN
    try:
        if job.shop.driver.power_state(job.server.id) == PowerState.SUSPENDED:
            state = PowerState.SUSPENDED
        else:
            power.stop(job)
    except exception.GuestNotFound:
        LOG.info("server %s has no guest to switch off", job.server.id)
    with job.shop.db.write() as tx:
        removal.mark(tx, job.server, job.token, job.shop.host, int(state))


def restore(job: Job) -> None:
    """Start what was marked as deleted. Ends the task itself: it counts against the quota from then on."""
    guest, nics = job_.description(job)
    job_.prepare_networks(job, nics)
    job.shop.driver.start_guest(guest)
    with job.shop.db.write() as tx:
        quota.count(tx, job.server.project_id, removal.weight(job.server))
        task.finish(tx, job.server, job.token, job.shop.host, job.started, "compute_restore_instance", power_state=int(PowerState.RUNNING),
                    deleted_at=None, request=shelving.forget(tx, job.server))


def reclaim(worker, interval: float) -> list[str]:
    """Delete for good what was marked as deleted on this host ``interval`` seconds ago or earlier; the server ids."""
    shop, ctx = worker.shop, RequestContext.for_service()
    with shop.db.read() as tx:
        found = servers_.marked_deleted(tx, shop.host, clock.now() - clock.seconds(interval))
    for server in found:
        try:
            with shop.db.write() as tx:
                token = task.begin(tx, ctx, server, "delete", ignore_lock=True)
        except exception.Conflict as error:
            LOG.info("server %s is not reclaimed now: %s", server.id, error)
            continue
        worker.run(ctx, server.id, token)
    return [server.id for server in found]
