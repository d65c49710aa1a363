"""Asking for another flavor, to confirm it, and to go back. On the server's own host."""
from nova_lite import exception
from nova_lite.compute import quota, room, task
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.db import flavors as flavors_
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server


def resize(deps: Deps, ctx: RequestContext, server_id: str, flavor_id: str, disk_config: str | None = None, ignore_lock: bool = False) -> None:
    """Give the server another flavor, to be confirmed or reverted. The host keeps room for both until then.

    Raises ServerNotFound, Conflict, Invalid (the flavor, or no room), QuotaExceeded.
    """
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        if server.host is None:
            raise exception.Conflict(f"Instance {server_id} is not ready")
        flavor = _flavor(tx, ctx, server, flavor_id)
        more, _ = room.quota_change(server.flavor, flavor)
        if more:
            quota.check(tx, server.project_id, server.user_id, more, deps.quota_defaults)
        token = task.begin(tx, ctx, server, "resize", {"flavor": flavor, "disk_config": disk_config}, ignore_lock)
        host = server.host
        fits = deps.allow_resize_to_same_host and allocations.change(tx, server_id, host, **room.both(server.flavor, flavor))
        if not fits:
            raise exception.Invalid("No valid host was found. The server's own host has no room for the flavor beside what it holds now."
                                    if deps.allow_resize_to_same_host else "No valid host found for resize")
    ring(deps.compute.run_task, ctx, host, server_id=server_id, token=token)


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
    return flavors_.snapshot(flavor)
