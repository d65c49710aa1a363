"""Asking for network cards of a server to come and go."""
from nova_lite import exception, log
from nova_lite.compute import task
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports

LOG = log.get(__name__)


def attach(deps: Deps, ctx: RequestContext, server_id: str, wanted: dict | None, ignore_lock: bool = False) -> dict:
    """Give the server a NIC and plug it in; the NIC as server_ports.nics tells it. ``wanted``: {"uuid", "port", "fixed_ip", "tag"}, None any.

    Waits for the worker: a NIC that the guest does not take is taken back. Raises ServerNotFound, Conflict, Invalid, HypervisorError.
    """
    with deps.db.write() as tx:
        server = _plugged(tx, ctx, server_id, "attach_interface")
        nic = server_ports.attach(tx, server_id, server.project_id, server.host, _requested(tx, ctx, wanted),
                                  zone=server.availability_zone or "nova")
        token = task.begin(tx, ctx, server, "attach_interface", {"port_id": nic["port_id"]}, ignore_lock)
    try:
        deps.compute.finish_task(ctx, server.host, server_id=server_id, token=token)
    except exception.Unavailable as error:
        LOG.warning("server %s: its new NIC is plugged in by the sweep: %s", server_id, error)
    with deps.db.read() as tx:
        held = server_ports.nics(tx, server_id)
    if not any(present["port_id"] == nic["port_id"] for present in held):
        raise exception.HypervisorError(f"Failed to attach network adapter device to {server_id}")
    return nic


def _requested(tx, ctx: RequestContext, wanted: dict | None) -> dict:
    try:
        found = server_ports.check_requested(tx, ctx, [wanted] if wanted else None)
    except exception.Invalid as error:
        # What a create takes for a bad request is a thing that is not there, here.
        if str(error).endswith("could not be found."):
            raise exception.NotFound(str(error))
        raise
    if not found:
        raise exception.Invalid("No network to attach the interface to.")
    return found[0]


def detach(deps: Deps, ctx: RequestContext, server_id: str, port_id: str, ignore_lock: bool = False) -> None:
    """Unplug a NIC and take its port back. Raises ServerNotFound, PortNotFound, Conflict."""
    with deps.db.write() as tx:
        server = _plugged(tx, ctx, server_id, "detach_interface")
        if not any(nic["port_id"] == port_id for nic in server_ports.nics(tx, server_id)):
            raise exception.NotFound(f"Port id {port_id} could not be found.")
        token = task.begin(tx, ctx, server, "detach_interface", {"port_id": port_id}, ignore_lock)
        host = server.host
    ring(deps.compute.run_task, ctx, host, server_id=server_id, token=token)


def _plugged(tx, ctx: RequestContext, server_id: str, action: str):
    server = servers_.get(tx, ctx, server_id)
    if server.host is None:
        raise exception.Conflict(f"Instance {server_id} is in an invalid state for '{action}'")
    return server
