"""Passwords of servers: made up where the user names none, changed, and those that guests tell, encrypted."""
import secrets
import string

from nova_lite import exception
from nova_lite.compute import task
from nova_lite.compute.actions.deps import Deps
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_

LENGTH = 12
_ALPHABET = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lI")


def make_up() -> str:
    """A password without characters that look alike."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))


def change(deps: Deps, ctx: RequestContext, server_id: str, password: str, ignore_lock: bool = False) -> None:
    """Set the administrator's password in the running guest, and see it done. Raises ServerNotFound, Conflict, Unavailable."""
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        if server.host is None:
            raise exception.Conflict(f"Instance {server_id} is not ready")
        token = task.begin(tx, ctx, server, "change_password", ignore_lock=ignore_lock)
        host = server.host
    deps.compute.change_password(ctx, host, server_id=server_id, token=token, password=password)


def told(deps: Deps, ctx: RequestContext, server_id: str) -> str:
    """The password that the guest has told, encrypted with the server's key; empty where it told none. Raises ServerNotFound."""
    with deps.db.read() as tx:
        return servers_.get(tx, ctx, server_id).told_password or ""


def forget(deps: Deps, ctx: RequestContext, server_id: str) -> None:
    """Forget what the guest has told; its password stays. Raises ServerNotFound."""
    with deps.db.write() as tx:
        servers_.get(tx, ctx, server_id)
        servers_.update(tx, server_id, told_password=None)
