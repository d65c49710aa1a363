"""Asking for power changes: reboot, and all those that need no word more than their name."""
from nova_lite import exception
from nova_lite.compute import task
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_


def reboot(deps: Deps, ctx: RequestContext, server_id: str, kind: str, ignore_lock: bool = False) -> None:
    """Restart the guest: SOFT asks it (ACPI), HARD cuts its power. Raises ServerNotFound and Conflict."""
    ask(deps, ctx, server_id, "reboot_hard" if kind == "HARD" else "reboot", ignore_lock)


def ask(deps: Deps, ctx: RequestContext, server_id: str, action: str, ignore_lock: bool = False) -> None:
    """Begin ``action``, a row of compute.states whose worker needs nothing but the server. Raises ServerNotFound and Conflict."""
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        if server.host is None:
            raise exception.Conflict(f"Instance {server_id} is not ready")
        token = task.begin(tx, ctx, server, action, ignore_lock=ignore_lock)
    ring(deps.compute.run_task, ctx, server.host, server_id=server_id, token=token)
