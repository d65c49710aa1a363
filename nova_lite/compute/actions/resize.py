"""Asking for another flavor or another host, and to go back."""
from nova_lite import exception
from nova_lite.compute import moves, quota, room, task
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import flavors as flavors_
from nova_lite.db import hosts as hosts_
from nova_lite.db import hypervisors
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server
from nova_lite.numa import wanted as topologies
from nova_lite.pci import aliases


def resize(deps: Deps, ctx: RequestContext, server_id: str, flavor_id: str, disk_config: str | None = None, ignore_lock: bool = False) -> None:
    """Give the server another flavor, on its own host or another, to be confirmed or reverted. The hosts keep room for both until then.

    Raises ServerNotFound, Conflict, Invalid (the flavor), QuotaExceeded. Where no host has room the server stays as it is.
    """
    with deps.db.write() as tx:
        server = _present(tx, deps, ctx, server_id)
        flavor = _flavor(tx, ctx, server, flavor_id)
        aliases.check(flavor["extra_specs"], server.image.get("properties") or {}, deps.pci_aliases)
        more, _ = room.quota_change(server.flavor, flavor)
        if more:
            quota.check(tx, server.project_id, server.user_id, more, deps.quota_defaults)
        token = moves.begin(tx, ctx, server, "resize", moves_.RESIZE, flavor=flavor, same_host=deps.allow_resize_to_same_host,
                            detail={"flavor": flavor, "disk_config": disk_config}, ignore_lock=ignore_lock)
    ring(deps.scheduler.place_moves, ctx, server_ids=[server_id], tokens=[token])


def migrate(deps: Deps, ctx: RequestContext, server_id: str, host: str | None = None, ignore_lock: bool = False) -> None:
    """Move the server, switched off meanwhile, to another host (``host``: to that one, judged by the filters), to be confirmed or reverted.

    Raises ServerNotFound, Conflict, Invalid (the host).
    """
    with deps.db.write() as tx:
        server = _present(tx, deps, ctx, server_id)
        if host is not None:
            if host == server.host:
                raise exception.Invalid("Cannot migrate to the host where the server exists.")
            if not hosts_.services(tx, host=host, binary=hosts_.COMPUTE):
                raise exception.Invalid(f"Compute host {host} could not be found.")
        token = moves.begin(tx, ctx, server, "migrate", moves_.MIGRATION, destination=host, ignore_lock=ignore_lock)
    ring(deps.scheduler.place_moves, ctx, server_ids=[server_id], tokens=[token])


def revert(deps: Deps, ctx: RequestContext, server_id: str, ignore_lock: bool = False) -> None:
    """The server returns to the flavor and the host that it had. Raises ServerNotFound and Conflict."""
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        move = moves_.open_of(tx, server_id)
        elsewhere = move.source_host if move is not None and move.source_host != server.host else None
        # A host that is down cannot be asked to let go of the guest; when it is back it finds that the server is elsewhere.
        down = elsewhere is not None and not hosts_.is_host_up(tx, server.host, hypervisors.moment(tx), deps.service_down_time)
        token = task.begin(tx, ctx, server, "revert_resize", {"host_is_down": down}, ignore_lock, host=elsewhere)
        host = elsewhere or server.host
    ring(deps.compute.run_task, ctx, host, server_id=server_id, token=token)


def _present(tx, deps: Deps, ctx: RequestContext, server_id: str) -> Server:
    server = servers_.get(tx, ctx, server_id)
    if server.host is None:
        raise exception.Conflict(f"Instance {server_id} is not ready")
    if not hosts_.is_host_up(tx, server.host, hypervisors.moment(tx), deps.service_down_time):
        raise exception.Conflict("Service is unavailable at this time.")
    return server


def _flavor(tx, ctx: RequestContext, server: Server, flavor_id: str) -> dict:
    try:
        flavor = flavors_.get(tx, ctx, flavor_id)
    except exception.FlavorNotFound as error:
        raise exception.Invalid(str(error))
    if flavor.disabled:
        raise exception.Invalid(f"Flavor {flavor_id} could not be found.")
    if flavor.flavorid == server.flavorid:
        raise exception.Invalid("When resizing, instances must change flavor!")
    for column, words in (("root_gb", "root"), ("ephemeral_gb", "ephemeral")):
        if getattr(flavor, column) < server.flavor[column]:
            why = "Resize to zero disk flavor is not allowed." if not getattr(flavor, column) else f"the {words} disk cannot be made smaller."
            raise exception.Invalid(f"Server disk was unable to be resized because: {why}")
    if flavor.memory_mb < (server.image.get("min_ram") or 0):
        raise exception.Invalid("Flavor's memory is too small for requested image.")
    found = flavors_.snapshot(flavor)
    topologies.read(found, server.image.get("properties") or {})
    return found
