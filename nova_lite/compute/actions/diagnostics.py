"""Reading what a server's guest has used."""
from nova_lite import exception
from nova_lite.compute.actions.deps import Deps
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server

POWER_WORDS = {0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}
"""What the Compute API calls the numbers of power_state."""
RUNNING = 1


def diagnostics(deps: Deps, ctx: RequestContext, server_id: str) -> tuple[Server, dict]:
    """The server, and its guest's virt.types.Diagnostics as a dict. Raises ServerNotFound, and Conflict unless the guest runs."""
    with deps.db.read() as tx:
        server = servers_.get(tx, ctx, server_id)
    if server.host is None or server.vm_state == "building":
        raise exception.Conflict(f"Instance {server_id} is not ready")
    try:
        found = deps.compute.get_diagnostics(ctx, server.host, server_id=server_id)
    except exception.GuestNotFound:
        raise _not_running(server_id, server.power_state)
    if found["state"] != RUNNING:
        raise _not_running(server_id, found["state"])
    return server, found


def _not_running(server_id: str, state: int) -> exception.Conflict:
    return exception.Conflict(f"Cannot 'get_diagnostics' instance {server_id} while it is in power state {POWER_WORDS.get(state, 'pending')}")
