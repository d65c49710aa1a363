"""Consoles: reading a server's log, URLs that open its screen or serial line, and where those lead."""
from nova_lite import exception
from nova_lite.compute.actions.deps import Deps
from nova_lite.compute.console_access import UNKNOWN, Claim
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


def open_console(deps: Deps, ctx: RequestContext, server_id: str, protocol: str, name: str) -> str:
    """A URL that shows a console of the guest for some minutes.

    Raises ServerNotFound, ConsoleTypeUnavailable, ConsoleTypeInvalid, and Conflict while the server has no guest that runs.
    """
    with deps.db.read() as tx:
        server = servers_.get(tx, ctx, server_id)
    deps.consoles.check(protocol, name)
    if server.host is None:
        raise exception.Conflict(f"Instance {server_id} is not ready")
    try:
        found = deps.compute.get_console(ctx, server.host, server_id=server_id, kind=protocol)
    except exception.GuestNotFound:
        raise exception.Conflict(f"Instance {server_id} is not ready")
    return deps.consoles.url(Claim(server_id, server.host, protocol, found["run"]))


def find_console(deps: Deps, ctx: RequestContext, token: str) -> tuple[Claim, dict]:
    """What a token says, and where the console is: host, port, internal_access_path, which holds for one connection within a minute.

    Raises NotFound for a token that does not hold: not ours, too old, or the server was deleted, moved, or its guest stopped since.
    """
    claim = deps.consoles.open(token)
    with deps.db.read() as tx:
        server = servers_.find(tx, claim.server_id)
    if server is None or server.host != claim.host:
        raise exception.NotFound(UNKNOWN)
    try:
        found = deps.compute.get_console(ctx, claim.host, server_id=claim.server_id, kind=claim.kind)
    except (exception.GuestNotFound, exception.ConsoleTypeUnavailable) as error:
        raise exception.NotFound(UNKNOWN) from error
    if found["run"] != claim.run:
        raise exception.NotFound(UNKNOWN)
    return claim, found
