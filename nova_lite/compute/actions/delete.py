"""Asking for a server's end. Delete interrupts whatever task the server has."""
from nova_lite import clock
from nova_lite.compute import removal, task
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import hosts as hosts_
from nova_lite.db import servers as servers_


def delete(deps: Deps, ctx: RequestContext, server_id: str, ignore_lock: bool = False) -> None:
    """Delete a server. One without a host, or whose host is down, ends here and now: its guest, if any, goes when the host returns.

    Raises ServerNotFound, ServerLocked.
    """
    with deps.db.write() as tx:
        token = task.begin(tx, ctx, servers_.get(tx, ctx, server_id), "delete", ignore_lock=ignore_lock)
        # Read anew: until the task was ours a scheduler could still give the server a host.
        server = servers_.with_task(tx, server_id, token)
        local = server.host is None or not hosts_.is_host_up(tx, server.host, clock.now(), deps.service_down_time)
        if local:
            removal.remove(tx, server, token, server.host)
    if not local:
        ring(deps.compute.run_task, ctx, server.host, server_id=server_id, token=token)
