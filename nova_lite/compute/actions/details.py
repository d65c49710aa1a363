"""Changing what describes a server: name, addresses for access, metadata, tags, lock. No worker is needed for these."""
from collections.abc import Sequence

from nova_lite import clock, exception
from nova_lite.compute import moves, quota, removal, states
from nova_lite.compute.actions.deps import Deps
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server

MAX_TAGS = 50


def update(deps: Deps, ctx: RequestContext, server_id: str, **changes) -> Server:
    """Change columns that describe the server; the server as it is then. Raises ServerNotFound."""
    with deps.db.write() as tx:
        servers_.get(tx, ctx, server_id)
        servers_.update(tx, server_id, **changes)
        return servers_.get(tx, ctx, server_id)


def change_metadata(deps: Deps, ctx: RequestContext, server_id: str, items: dict[str, str], replace: bool, ignore_lock: bool = False) -> dict:
    """Add ``items`` to the server's metadata, or put them in its place; the metadata then.

    Raises ServerNotFound, Conflict while a task holds the server or it is locked, QuotaExceeded above ``metadata_items``.
    """
    with deps.db.write() as tx:
        server = _changeable(tx, ctx, server_id, "update metadata", ignore_lock)
        meta = dict(items) if replace else {**server.meta, **items}
        limit = deps.quota_defaults["metadata_items"]
        if 0 <= limit < len(meta):
            raise exception.QuotaExceeded(f"Maximum number of metadata items exceeds {limit}")
        servers_.update(tx, server_id, meta=meta)
    return meta


def delete_metadata(deps: Deps, ctx: RequestContext, server_id: str, key: str, ignore_lock: bool = False) -> None:
    """Remove one item. Raises NotFound when the server lacks it, and as change_metadata."""
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        if key not in server.meta:
            raise exception.NotFound("Metadata item was not found")
        _changeable(tx, ctx, server_id, "delete metadata", ignore_lock)
        servers_.update(tx, server_id, meta={name: value for name, value in server.meta.items() if name != key})


def _changeable(tx, ctx: RequestContext, server_id: str, action: str, ignore_lock: bool) -> Server:
    server = servers_.get(tx, ctx, server_id)
    if server.locked and not ignore_lock:
        raise exception.ServerLocked(server_id=server_id)
    if server.vm_state not in ("active", "paused", "suspended", "stopped"):
        raise exception.Conflict(f"Cannot '{action}' instance {server_id} while it is in vm_state {server.vm_state}")
    if server.task_state is not None:
        raise exception.TaskInProgress(action=action, server_id=server_id, task_state=server.task_state)
    return server


def replace_tags(deps: Deps, ctx: RequestContext, server_id: str, tags: Sequence[str]) -> list[str]:
    """Replace all tags. Raises ServerNotFound, Conflict in a state without tags."""
    with deps.db.write() as tx:
        _taggable(tx, ctx, server_id)
        servers_.set_tags(tx, server_id, sorted(set(tags)))
        servers_.update(tx, server_id)
    return sorted(set(tags))


def add_tag(deps: Deps, ctx: RequestContext, server_id: str, tag: str) -> bool:
    """Add one tag; False when the server had it. Raises Invalid above 50 tags."""
    with deps.db.write() as tx:
        _taggable(tx, ctx, server_id)
        present = servers_.tags(tx, [server_id]).get(server_id, [])
        if tag in present:
            return False
        if len(present) >= MAX_TAGS:
            raise exception.Invalid(f"The number of tags exceeded the per-server limit {MAX_TAGS}")
        servers_.set_tags(tx, server_id, sorted([*present, tag]))
        servers_.update(tx, server_id)
    return True


def remove_tag(deps: Deps, ctx: RequestContext, server_id: str, tag: str) -> None:
    """Remove one tag. Raises NotFound when the server lacks it."""
    with deps.db.write() as tx:
        _taggable(tx, ctx, server_id)
        if not servers_.delete_tag(tx, server_id, tag):
            raise exception.NotFound(f"Server {server_id} has no tag '{tag}'")
        servers_.update(tx, server_id)


def _taggable(tx, ctx: RequestContext, server_id: str) -> Server:
    server = servers_.get(tx, ctx, server_id)
    if server.vm_state not in ("active", "paused", "suspended", "stopped"):
        raise exception.Conflict(f"Server '{server_id}' is in vm_state '{server.vm_state}': its tags cannot be changed")
    return server


def lock(deps: Deps, ctx: RequestContext, server_id: str, reason: str | None) -> None:
    """Refuse actions on the server to those who may not override a lock."""
    _lock(deps, ctx, server_id, "lock", locked=True, locked_reason=reason)


def unlock(deps: Deps, ctx: RequestContext, server_id: str) -> None:
    """Take the lock away."""
    _lock(deps, ctx, server_id, "unlock", locked=False, locked_reason=None)


def _lock(deps: Deps, ctx: RequestContext, server_id: str, action: str, **changes) -> None:
    with deps.db.write() as tx:
        servers_.get(tx, ctx, server_id)
        servers_.update(tx, server_id, **changes)
        servers_.add_action(tx, server_id, action, ctx, clock.now(), finished=True)


def reset_state(deps: Deps, ctx: RequestContext, server_id: str, vm_state: str) -> None:
    """Set the state that an administrator knows to be true, ending any task."""
    cleared = dict.fromkeys(("task_id", "task_action", "task_state", "task_started_at", "task_deadline", "task_request_id", "task_detail",
                             "task_host"))
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        if server.vm_state == states.SOFT_DELETED:
            quota.take(tx, server.project_id, server.user_id, removal.weight(server), deps.quota_defaults)
        moves.settle(tx, server, vm_state)
        servers_.update(tx, server_id, vm_state=vm_state, deleted_at=None, **cleared)
        if server.host is None:
            # What a scheduler took for it goes with its task.
            allocations.release(tx, server_id)
        servers_.add_action(tx, server_id, "resetState", ctx, clock.now(), finished=True)
