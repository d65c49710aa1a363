"""Shelving: a server's root disk becomes an image, the server gives up its host, and comes back anywhere from that image."""
import contextlib
import dataclasses

from nova_lite import clock, exception, hooks, log
from nova_lite.compute import shelving, states, task
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker import build, power
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.job import Job
from nova_lite.compute.worker.retreat import retreat
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.db import servers as servers_
from nova_lite.image.actions import images
from nova_lite.network.actions import server_ports
from nova_lite.virt import types
from nova_lite.virt.types import PowerState

LOG = log.get(__name__)
OFF = int(PowerState.SHUTDOWN)
OF_IMAGE = ("id", "disk_format", "size", "checksum", "os_hash_algo", "os_hash_value", "min_disk")
"""What the image that a server is shelved as says of the root disk; all else is said by the image that the server was once made from."""


# ---- away --------------------------------------------------------------------------------------------------------------------
def shelve(job: Job) -> None:
    """Ends the task itself: SHELVED, or SHELVED_OFFLOADED where servers leave at once; what fails before leaves the server as it was."""
    shop, server = job.shop, job.server
    if server.task_state != states.SHELVING_OFFLOADING:
        try:
            _put_by(job)
        except (exception.TaskLost, exception.Unavailable):
            raise
        except Exception as error:
            LOG.exception("server %s could not be shelved", server.id)
            _back(job, error)
            return
        memo = shelving.remembering(server, shelving.image_of(server))
        with shop.db.write() as tx:
            if shop.shelved_offload_time:
                task.finish(tx, server, job.token, shop.host, job.started, "compute_shelve_instance", power_state=OFF, request=memo)
                return
            task.step(tx, server, job.token, states.SHELVING_OFFLOADING, vm_state=states.SHELVED, power_state=OFF, request=memo)
        hooks.reached("shelve.shelved")
    _leave(job, "compute_shelve_instance")


def _put_by(job: Job) -> None:
    """Switch off, and store the root disk. A guest that is held (paused, suspended) is so until the image is whole."""
    shop, server = job.shop, job.server
    if server.vm_state == states.ACTIVE:
        power.stop(job)
    hooks.reached("shelve.stopped")
    image_id = shelving.image_of(server)
    if not shop.images.is_stored(image_id):
        def take(blocks, size):
            with shop.db.write() as tx:
                task.step(tx, server, job.token, "shelving_image_uploading")
            shop.images.upload(image_id, blocks, size)
        with shop.db.write() as tx:
            task.step(tx, server, job.token, "shelving_image_pending_upload")
        shop.driver.snapshot_root(job_.description(job)[0], take)
    hooks.reached("shelve.stored")
    with contextlib.suppress(exception.GuestNotFound):
        shop.driver.stop_guest(server.id, 0)


def _back(job: Job, error: Exception) -> None:
    shop, server = job.shop, job.server
    if server.vm_state == states.ACTIVE:
        try:
            power.start(job)
        except exception.NovaLiteError as failed:
            LOG.warning("server %s could not be started again: %s", server.id, failed)
    with shop.db.write() as tx:
        task.fail(tx, server, job.token, error, shop.host, job.started, "compute_shelve_instance", request=shelving.forget(tx, server))


def offload(job: Job) -> None:
    """A shelved server leaves its host. Ends the task itself; every step may be repeated."""
    _leave(job, "compute_shelve_offload_instance")


def _leave(job: Job, event: str) -> None:
    shop, server = job.shop, job.server
    shop.driver.destroy_guest(server.id)
    shop.driver.delete_disks(server.id)
    hooks.reached("shelve_offload.gone")
    with shop.db.write() as tx:
        networks = server_ports.unbind(tx, server.id)
        allocations.release(tx, server.id, shop.host)
        task.finish(tx, server, job.token, shop.host, job.started, event, vm_state=states.SHELVED_OFFLOADED, host=None, node=None, power_state=OFF)
    if networks:
        ring(shop.network.refresh, job.ctx, shop.host, network_ids=networks)


def offload_old(worker) -> list[str]:
    """Offload the servers on this host that have been shelved for longer than the options say; the server ids."""
    shop, ctx = worker.shop, RequestContext.for_service()
    before = clock.now() - clock.seconds(shop.shelved_offload_time)
    with shop.db.read() as tx:
        found = [server for server in servers_.of_host(tx, shop.host) if server.vm_state == states.SHELVED and server.task_id is None
                 and shelving.image_of(server) and shelving.since(server) <= before]
    for server in found:
        try:
            with shop.db.write() as tx:
                token = task.begin(tx, ctx, server, "shelve_offload", ignore_lock=True)
        except exception.Conflict as error:
            LOG.info("server %s is not offloaded now: %s", server.id, error)
            continue
        worker.run(ctx, server.id, token)
    return [server.id for server in found]


# ---- back --------------------------------------------------------------------------------------------------------------------
def unshelve(job: Job) -> None:
    """Start the server on its host, or make it anew here where it has none. Ends the task itself; what fails is tried elsewhere, or leaves it."""
    if job.server.host is not None:
        _start(job)
        return
    try:
        _build(job)
    except (exception.TaskLost, *build.AWAY):
        raise
    except Exception as error:
        retreat(job, error, "compute_unshelve_instance")


def _start(job: Job) -> None:
    shop = job.shop
    guest, nics = job_.description(job)
    job_.prepare_networks(job, nics)
    with contextlib.suppress(exception.ImageNotFound):
        # An offload that was cut off may have taken disks.
        shop.driver.create_disks(_from_image(job)[0], shop.fetch)
    shop.driver.start_guest(guest)
    hooks.reached("unshelve.guest")
    with shop.db.write() as tx:
        task.finish(tx, job.server, job.token, shop.host, job.started, "compute_unshelve_instance", power_state=int(PowerState.RUNNING),
                    request=shelving.forget(tx, job.server))


def _build(job: Job) -> None:
    shop, server, to = job.shop, job.server, job.server.task_detail["to"]
    # A worker that is gone may have got as far as a running guest.
    shop.driver.destroy_guest(server.id)
    shop.driver.delete_disks(server.id)
    with shop.db.write() as tx:
        server_ports.bind(tx, server.id, shop.host)
        task.step(tx, server, job.token, states.SPAWNING)
    build.make(job, "unshelve", "compute_unshelve_instance", lambda: _from_image(job_.changed(job, availability_zone=to["zone"])), lambda tx: {
        "host": shop.host, "node": to["node"], "availability_zone": to["zone"], "request": shelving.forget(tx, server)})


def _from_image(job: Job) -> tuple[types.Guest, list[dict]]:
    """The guest with a root disk made of the image that it was shelved as, whole by itself for that image goes; its NICs. Raises ImageNotFound."""
    with job.shop.db.read() as tx:
        image = images.get_for_server(tx, RequestContext.for_service(), shelving.image_of(job.server))
    guest, nics = job_.description(job_.changed(job, image={**job.server.image, **{name: image[name] for name in OF_IMAGE}}))
    return dataclasses.replace(guest, disks=tuple(dataclasses.replace(disk, whole=disk.kind == "root") for disk in guest.disks)), nics
