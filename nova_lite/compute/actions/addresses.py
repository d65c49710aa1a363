"""Asking for security groups and addresses of a server to come and go, and for its networks to be set up anew on its host."""
from collections.abc import Callable

from nova_lite import exception
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.network.actions import plugged, server_ports


def add_group(deps: Deps, ctx: RequestContext, server_id: str, name: str) -> None:
    """A group of the caller's project for all ports. Raises ServerNotFound, NotFound, Conflict."""
    _change(deps, ctx, server_id, lambda tx: plugged.add_group(tx, ctx.project_id, server_id, name))


def remove_group(deps: Deps, ctx: RequestContext, server_id: str, name: str) -> None:
    """The other way round. Raises ServerNotFound, NotFound, Conflict."""
    _change(deps, ctx, server_id, lambda tx: plugged.remove_group(tx, ctx.project_id, server_id, name))


def add_address(deps: Deps, ctx: RequestContext, server_id: str, network_id: str, ignore_lock: bool = False) -> None:
    """One address more on a network that the server is on. Raises ServerNotFound, Invalid, ServerLocked."""
    _change(deps, ctx, server_id, lambda tx: plugged.add_address(tx, server_id, network_id), ignore_lock)


def remove_address(deps: Deps, ctx: RequestContext, server_id: str, address: str, ignore_lock: bool = False) -> None:
    """One address less. Raises ServerNotFound, Invalid, ServerLocked."""
    _change(deps, ctx, server_id, lambda tx: plugged.remove_address(tx, server_id, address), ignore_lock)


def _change(deps: Deps, ctx: RequestContext, server_id: str, change: Callable[..., dict], ignore_lock: bool = True) -> None:
    def run(tx):
        _unlocked(servers_.get(tx, ctx, server_id), ignore_lock)
        return change(tx)
    for host, network_ids in deps.db.transact(run).items():
        ring(deps.network.refresh, ctx, host, network_ids=network_ids)


def _unlocked(server, ignore_lock: bool) -> None:
    if server.locked and not ignore_lock:
        raise exception.ServerLocked(server_id=server.id)


def set_up_again(deps: Deps, ctx: RequestContext, server_id: str, ignore_lock: bool = False) -> None:
    """Have the server's host look again at the networks that the server is on. Raises ServerNotFound, ServerLocked."""
    with deps.db.read() as tx:
        server = servers_.get(tx, ctx, server_id)
        _unlocked(server, ignore_lock)
        network_ids = sorted({nic["network_id"] for nic in server_ports.nics(tx, server_id)})
    if server.host and network_ids:
        ring(deps.network.refresh, ctx, server.host, network_ids=network_ids)
