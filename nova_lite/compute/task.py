"""Tasks: one compare-and-set begins one, and only the holder of its token can end it.

A task lives in its server's row (``task_*`` columns). The API process begins it in the transaction that writes the audit row; the worker of the
server's host runs it; whoever ends it names the token, so that a late finisher cannot wipe out a newer task (exception.TaskLost).
"""
import datetime
import traceback
import uuid

from nova_lite import clock, exception
from nova_lite.compute import states
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server


def new_token() -> str:
    """A fresh task token."""
    return str(uuid.uuid4())


def begin(tx, ctx: RequestContext, server: Server, action: str, detail: dict | None = None, ignore_lock: bool = False,
          host: str | None = None) -> str:
    """Start ``action`` on the server for ``ctx`` and record it as an instance action; the token.

    ``detail``: what the worker must know besides the row. ``host``: who carries it out where that is not the server's own; for a move
    servers.ANY_SCHEDULER. One UPDATE decides. Raises Conflict, naming action and state: TaskInProgress while
    another task runs, ServerLocked when the server is locked and ``ignore_lock`` is False.
    """
    row = states.ACTIONS[action]
    asked = states.ASKED_AS.get(action, action)
    if server.locked and not ignore_lock and not row.locked_ok:
        raise exception.ServerLocked(server_id=server.id)
    now = clock.now()
    token = new_token()
    won = servers_.begin_task(tx, server.id, allowed=row.allowed, interrupts=row.interrupts, task_id=token, task_action=action,
                              task_state=row.task_state, task_started_at=now, task_deadline=deadline(action, now),
                              task_request_id=ctx.request_id, task_detail=detail, task_host=host)
    if not won:
        raise _refusal(tx, server.id, asked)
    servers_.add_action(tx, server.id, states.RECORDED_AS.get(action, asked), ctx, now)
    return token


def deadline(action: str, now: datetime.datetime) -> datetime.datetime:
    """When the sweep may take a task begun ``now`` for dead."""
    return now + clock.seconds(states.ACTIONS[action].deadline)


def _refusal(tx, server_id: str, asked: str) -> exception.NovaLiteError:
    server = servers_.find(tx, server_id)
    if server is None:
        return exception.ServerNotFound(server_id=server_id)
    if server.task_state is not None:
        return exception.TaskInProgress(action=asked, server_id=server_id, task_state=server.task_state)
    return exception.Conflict(f"Cannot '{asked}' instance {server_id} while it is in vm_state {server.vm_state}")


def finish(tx, server: Server, token: str, done_by: str | None, started: datetime.datetime, event: str, epoch: int | None = None,
           **changes) -> None:
    """End the task with success: the table's vm_state, ``changes`` to other columns, the action's end and its event.

    ``done_by``: the host whose worker did it. Raises TaskLost, with ``epoch`` also where that is not the worker's latest start.
    """
    row = states.ACTIONS[server.task_action]
    if row.success != states.KEEP:
        changes.setdefault("vm_state", row.success)
    request_id = server.task_request_id
    _end(tx, server, token, changes, None if epoch is None else (done_by, epoch))
    servers_.end_action(tx, server.id, request_id, event, started, done_by, "Success")


def fail(tx, server: Server, token: str, error: BaseException | str, done_by: str | None = None, started: datetime.datetime | None = None,
         event: str | None = None, code: int | None = None, **changes) -> None:
    """End the task with failure: the table's vm_state, a fault in words for the user, traceback for the operator. Raises TaskLost."""
    row = states.ACTIONS[server.task_action]
    if row.failure != states.KEEP:
        changes.setdefault("vm_state", row.failure)
    # A row of this very transaction forgets them with its task.
    request_id, event = server.task_request_id, event or f"compute_{server.task_action}_instance"
    _end(tx, server, token, changes)
    text = str(error)
    trace = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else None
    code = code or (500 if not isinstance(error, exception.NovaLiteError) or error.status < 500 else error.status)
    servers_.add_fault(tx, server.id, code=code, message=text[:255] or type(error).__name__, details=trace if trace is not None else text)
    servers_.end_action(tx, server.id, request_id, event, started or clock.now(), done_by, "Error", message=text[:255], traceback=trace, details=text)


def step(tx, server: Server, token: str, task_state: str, **changes) -> None:
    """Show another task_state while the same task goes on. Raises TaskLost."""
    if not servers_.update_task(tx, server.id, token, task_state=task_state, **changes):
        raise exception.TaskLost(token=token, server_id=server.id)


def extend(tx, server: Server, token: str) -> None:
    """Put off the deadline of a task that makes progress. Raises TaskLost."""
    if not servers_.update_task(tx, server.id, token, task_deadline=deadline(server.task_action, clock.now())):
        raise exception.TaskLost(token=token, server_id=server.id)


def take_over(tx, server: Server, token: str) -> str:
    """Give a task whose worker is gone a new token, so that the old worker can no longer end it; the new token. Raises TaskLost."""
    fresh = new_token()
    now = clock.now()
    if not servers_.update_task(tx, server.id, token, task_id=fresh, task_started_at=now, task_deadline=deadline(server.task_action, now)):
        raise exception.TaskLost(token=token, server_id=server.id)
    return fresh


def hand_over(tx, server: Server, token: str, host: str | None, **changes) -> str:
    """Let the worker of ``host`` go on with the task (None: the server's own), under a new token that the present holder has not; the token.

    Raises TaskLost.
    """
    fresh = new_token()
    now = clock.now()
    changes = {"task_deadline": deadline(server.task_action, now), **changes}
    if not servers_.update_task(tx, server.id, token, task_id=fresh, task_host=host, task_started_at=now, **changes):
        raise exception.TaskLost(token=token, server_id=server.id)
    return fresh


def _end(tx, server: Server, token: str, changes: dict, worker: tuple[str, int] | None = None) -> None:
    cleared = dict.fromkeys(("task_id", "task_action", "task_state", "task_started_at", "task_deadline", "task_request_id", "task_detail",
                             "task_host"))
    if not servers_.update_task(tx, server.id, token, worker, **{**cleared, **changes}):
        raise exception.TaskLost(token=token, server_id=server.id)
