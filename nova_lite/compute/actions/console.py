"""Reading a server's console."""
from nova_lite import exception
from nova_lite.compute.actions.deps import Deps
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_

MAX_CONSOLE_BYTES = 102400
"""What Nova's libvirt driver answers at most."""


def console_output(deps: Deps, ctx: RequestContext, server_id: str, lines: int | None) -> str:
    """The last ``lines`` lines (None: all that is kept). Raises ServerNotFound, and Conflict before the server has a guest."""
    with deps.db.read() as tx:
        server = servers_.get(tx, ctx, server_id)
    if server.host is None or server.vm_state == "building":
        raise exception.Conflict(f"Instance {server_id} is not ready")
    if lines == 0:
        return ""
    try:
        text = deps.compute.get_console_output(ctx, server.host, server_id=server_id, max_bytes=MAX_CONSOLE_BYTES)
    except exception.GuestNotFound:
        raise exception.ServerNotFound(server_id=server_id)
    if lines is None or lines < 0:
        return text
    return "\n".join(text.split("\n")[-lines:])
