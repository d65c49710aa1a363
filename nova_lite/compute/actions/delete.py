"""Asking for a server's end, and for its return while it is only marked. Delete interrupts whatever task the server has."""
from nova_lite import clock
from nova_lite.compute import quota, removal, task
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import hosts as hosts_
from nova_lite.db import servers as servers_


def delete(deps: Deps, ctx: RequestContext, server_id: str, ignore_lock: bool = False, at_once: bool = False) -> None:
    """Delete a server. One without a host, or whose host is down, ends here and now: its guest, if any, goes when the host returns.

    Where ``deps.reclaim_interval`` says so, one that ever ran is only marked at first, unless ``at_once``. Raises ServerNotFound, ServerLocked.
    """
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        marks = deps.reclaim_interval > 0 and not at_once and server.host is not None and server.launched_at is not None
        token = task.begin(tx, ctx, server, "soft_delete" if marks else "delete", ignore_lock=ignore_lock)
        # Read anew: until the task was ours a scheduler could still give the server a host.
        server = servers_.with_task(tx, server_id, token)
        local = server.host is None or not hosts_.is_host_up(tx, server.host, clock.now(), deps.service_down_time)
        if local:
            removal.end(tx, server, token, server.host)
    if not local:
        ring(deps.compute.run_task, ctx, server.host, server_id=server_id, token=token)


def restore(deps: Deps, ctx: RequestContext, server_id: str, ignore_lock: bool = False) -> None:
    """Bring back a server that is marked as deleted. Raises ServerNotFound, Conflict, QuotaExceeded."""
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        token = task.begin(tx, ctx, server, "restore", ignore_lock=ignore_lock)
        quota.check(tx, server.project_id, server.user_id, removal.weight(server), deps.quota_defaults)
    ring(deps.compute.run_task, ctx, server.host, server_id=server_id, token=token)
