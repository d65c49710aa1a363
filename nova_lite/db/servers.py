"""Servers and what hangs on them: rows, tasks, tags, faults, actions. Ownership is a WHERE clause: a stranger's server is not found."""
import datetime
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import clock, exception
from nova_lite.context import RequestContext
from nova_lite.db.models import Host, Server, ServerAction, ServerFault, ServerTag, Service


# ---- rows --------------------------------------------------------------------------------------------------------------------
def insert(tx, rows: Sequence[dict], tags: Sequence[str] = ()) -> None:
    """Add servers (column → value, one dict a server), each with ``tags``: one statement for all, one more with tags."""
    tx.execute(sa.insert(Server), list(rows))
    if tags:
        tx.execute(sa.insert(ServerTag), [{"server_id": row["id"], "tag": tag} for row in rows for tag in tags])


@functools.cache
def _one(of_project: bool, deleted: bool):
    # Built once: putting a statement together costs more than running it, and nearly every request runs this one.
    query = sa.select(Server).where(Server.id == sa.bindparam("server_id"))
    if of_project:
        query = query.where(Server.project_id == sa.bindparam("project_id"))
    if not deleted:
        query = query.where(Server.deleted.is_(False))
    return query.execution_options(populate_existing=True)


def find(tx, server_id: str, project_id: str | None = None, deleted: bool = False) -> Server | None:
    """The server, or None. ``project_id`` restricts to its servers; ``deleted`` True also finds deleted ones."""
    values = {"server_id": server_id} if project_id is None else {"server_id": server_id, "project_id": project_id}
    return tx.execute(_one(project_id is not None, deleted), values).scalar_one_or_none()


def get(tx, ctx: RequestContext, server_id: str, deleted: bool = False) -> Server:
    """The server that ``ctx`` may see: its project's, any for administrators. Raises ServerNotFound."""
    server = find(tx, server_id, None if ctx.is_admin else ctx.project_id, deleted)
    if server is None:
        raise exception.ServerNotFound(server_id=server_id)
    return server


def update(tx, server_id: str, **changes) -> bool:
    """Change columns of a living server; False when there is none."""
    changes.setdefault("changed_at", clock.now())
    changes.setdefault("updated_at", changes["changed_at"])
    return tx.execute(sa.update(Server).where(Server.id == server_id, Server.deleted.is_(False)).values(**changes)).rowcount == 1


def tell_password(tx, server_id: str, text: str) -> bool:
    """Keep what a guest tells of its password; False when it has told one."""
    query = sa.update(Server).where(Server.id == server_id, Server.deleted.is_(False), Server.told_password.is_(None))
    return tx.execute(query.values(told_password=text, changed_at=clock.now())).rowcount == 1


def of_host(tx, host: str) -> list[Server]:
    """All living servers of a host."""
    return list(tx.execute(sa.select(Server).where(Server.host == host, Server.deleted.is_(False))).scalars())


def marked_deleted(tx, host: str, before: datetime.datetime) -> list[Server]:
    """Servers of a host that were marked as deleted ``before`` and wait to be reclaimed."""
    query = sa.select(Server).where(Server.host == host, Server.deleted.is_(False), Server.vm_state == "soft-delete",
                                    Server.task_id.is_(None), Server.deleted_at <= before)
    return list(tx.execute(query).scalars())


ANY_SCHEDULER = ""
"""As ``task_host``: a scheduler has to find the host that the task needs."""
_RUNS_AT = sa.func.coalesce(Server.task_host, Server.host)
_AT_WORK = sa.and_(Server.task_deadline.is_not(None), Server.deleted.is_(False))
"""Has a task: few servers do, and the index on deadlines finds them."""


def runs_at(server: Server) -> str | None:
    """The host whose worker carries out the server's task."""
    return server.host if server.task_host is None else server.task_host


def known(tx, server_ids: Iterable[str]) -> dict[str, tuple[str | None, bool]]:
    """``{id: (host, deleted)}`` of those of ``server_ids`` that have a row."""
    rows = tx.execute(sa.select(Server.id, Server.host, Server.deleted).where(Server.id.in_(list(server_ids))))
    return {row.id: (row.host, row.deleted) for row in rows}


# ---- tasks -------------------------------------------------------------------------------------------------------------------
def begin_task(tx, server_id: str, *, allowed: Iterable[str], interrupts: Iterable[str] | None, **task) -> bool:
    """Store a task if the server is in an ``allowed`` vm_state and has no task, or one of ``interrupts`` (None: any). One UPDATE decides."""
    query = sa.update(Server).where(Server.id == server_id, Server.deleted.is_(False), Server.vm_state.in_(list(allowed)))
    if interrupts is not None:
        free = Server.task_id.is_(None)
        names = list(interrupts)
        query = query.where(sa.or_(free, Server.task_action.in_(names)) if names else free)
    return tx.execute(query.values(changed_at=clock.now(), **task)).rowcount == 1


def update_task(tx, server_id: str, token: str, worker: tuple[str, int] | None = None, **changes) -> bool:
    """Change columns while the task ``token`` is the server's; False when it is not (any more).

    ``worker``: (host, epoch), where the compute worker of that host must not have started anew since either.
    """
    now = clock.now()
    changes = {"changed_at": now, "updated_at": now, **changes}
    query = sa.update(Server).where(Server.id == server_id, Server.task_id == token)
    if worker is not None:
        # What Python cannot evaluate, SQLAlchemy would read back; nobody who ends a task uses the row after it.
        query = query.where(sa.exists().where(Service.binary == "nova-compute", Service.host == worker[0], Service.epoch == worker[1])
                            ).execution_options(synchronize_session=False)
    return tx.execute(query.values(**changes)).rowcount == 1


def with_task(tx, server_id: str, token: str) -> Server | None:
    """The server if ``token`` is its task's."""
    query = sa.select(Server).where(Server.id == server_id, Server.task_id == token)
    return tx.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()


def with_task_at(tx, server_id: str, token: str, host: str) -> tuple[Server | None, int | None, int]:
    """``with_task``, the epoch of the compute worker of ``host`` and how many builds failed there since the last good one; one statement."""
    query = sa.select(Server, Service.epoch, Host.build_failures).select_from(Server).outerjoin(
        Service, sa.and_(Service.binary == "nova-compute", Service.host == host)).outerjoin(Host, Host.name == host)
    query = query.where(Server.id == server_id, Server.task_id == token).execution_options(populate_existing=True)
    found = tx.execute(query).one_or_none()
    return (None, None, 0) if found is None else (found[0], found[1], found[2] or 0)


def tasks_of_host(tx, host: str) -> list[Server]:
    """Servers that have a task which this host carries out, those past claiming included."""
    return list(tx.execute(sa.select(Server).where(_RUNS_AT == host, _AT_WORK)).scalars())


def departing(tx, host: str) -> list[str]:
    """Servers of a host whose task another host carries out."""
    return list(tx.scalars(sa.select(Server.id).where(Server.host == host, Server.task_host.not_in(("", host)), _AT_WORK)))


def overdue(tx, now: datetime.datetime, limit: int = 100) -> list[Server]:
    """Servers whose task is past its deadline."""
    query = sa.select(Server).where(Server.task_deadline < now, Server.deleted.is_(False)).limit(limit)
    return list(tx.execute(query).scalars())


def unplaced(tx, before: datetime.datetime, limit: int = 1000) -> list[tuple[str, str]]:
    """(server id, token) of builds that have no host and were begun before ``before``: their doorbell may be lost."""
    query = sa.select(Server.id, Server.task_id).where(
        Server.host.is_(None), Server.task_action == "create", Server.task_started_at < before, Server.deleted.is_(False))
    return [tuple(row) for row in tx.execute(query.order_by(Server.task_started_at).limit(limit))]


def undirected(tx, before: datetime.datetime, limit: int = 1000) -> list[tuple[str, str]]:
    """(server id, token) of moves that were begun before ``before`` and have no destination: their doorbell may be lost."""
    query = sa.select(Server.id, Server.task_id).where(
        Server.task_host == ANY_SCHEDULER, Server.task_started_at < before, _AT_WORK)
    return [tuple(row) for row in tx.execute(query.order_by(Server.task_started_at).limit(limit))]


def tasks_on_hosts(tx, hosts: Iterable[str]) -> list[Server]:
    """Servers that have a task which one of these hosts carries out: what to take over when the hosts are down."""
    query = sa.select(Server).where(_RUNS_AT.in_(list(hosts)), _AT_WORK)
    return list(tx.execute(query).scalars())


# ---- tags --------------------------------------------------------------------------------------------------------------------
_TAGS = (sa.select(ServerTag.server_id, ServerTag.tag).where(ServerTag.server_id.in_(sa.bindparam("ids", expanding=True)))
         .order_by(ServerTag.tag))


def tags(tx, server_ids: Iterable[str]) -> dict[str, list[str]]:
    """``{server id: [tags in order]}`` in one statement."""
    found: dict[str, list[str]] = {}
    ids = list(server_ids)
    for server_id, tag in tx.execute(_TAGS, {"ids": ids}) if ids else ():
        found.setdefault(server_id, []).append(tag)
    return found


def set_tags(tx, server_id: str, names: Sequence[str]) -> None:
    """Replace all tags of a server."""
    tx.execute(sa.delete(ServerTag).where(ServerTag.server_id == server_id))
    if names:
        tx.execute(sa.insert(ServerTag), [{"server_id": server_id, "tag": name} for name in names])


def delete_tag(tx, server_id: str, name: str) -> bool:
    """False when the server did not have it."""
    return tx.execute(sa.delete(ServerTag).where(ServerTag.server_id == server_id, ServerTag.tag == name)).rowcount == 1


# ---- faults ------------------------------------------------------------------------------------------------------------------
def add_fault(tx, server_id: str, *, code: int, message: str, details: str | None) -> None:
    """Record why the server is in ERROR."""
    tx.execute(sa.insert(ServerFault).values(server_id=server_id, code=code, message=message, details=details, created_at=clock.now()))


def faults(tx, server_ids: Iterable[str]) -> dict[str, ServerFault]:
    """The latest fault of each of ``server_ids`` that has one, in one statement."""
    ids = list(server_ids)
    if not ids:
        return {}
    latest = sa.select(sa.func.max(ServerFault.id)).where(ServerFault.server_id.in_(ids)).group_by(ServerFault.server_id)
    return {fault.server_id: fault for fault in tx.execute(sa.select(ServerFault).where(ServerFault.id.in_(latest))).scalars()}


# ---- actions -----------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ActionEvent:
    """A step of an action, done by one worker on ``host``. ``result``: Success or Error."""

    event: str
    start_time: datetime.datetime
    finish_time: datetime.datetime
    result: str
    host: str | None
    details: str | None
    traceback: str | None


def add_action(tx, server_id: str, action: str, ctx: RequestContext, now: datetime.datetime, finished: bool = False) -> None:
    """The audit row of a request; ``finished`` for one that is done at once."""
    add_actions(tx, [server_id], action, ctx, now, finished)


def add_actions(tx, server_ids: Iterable[str], action: str, ctx: RequestContext, now: datetime.datetime, finished: bool = False) -> None:
    """The same for several servers, in one statement."""
    tx.execute(sa.insert(ServerAction), [
        {"server_id": server_id, "action": action, "request_id": ctx.request_id, "user_id": ctx.user_id, "project_id": ctx.project_id,
         "start_time": now, "updated_at": now, "finish_time": now if finished else None} for server_id in server_ids])


def end_action(tx, server_id: str, request_id: str | None, event: str, started: datetime.datetime, host: str | None, result: str, *,
               message: str | None = None, traceback: str | None = None, details: str | None = None) -> None:
    """The end of the action that ``request_id`` asked for, with the event of the step that ended it. One that ended before only gets the event."""
    now = clock.now()
    line = orjson.dumps(ActionEvent(event, started, now, result, host, details, traceback)).decode() + "\n"
    ends_it = ServerAction.finish_time.is_(None)
    # MariaDB computes each value from those to its left, so finish_time comes last.
    change = sa.update(ServerAction).where(ServerAction.server_id == server_id, ServerAction.request_id == request_id).ordered_values(
        (ServerAction.events, sa.func.coalesce(ServerAction.events, "") + line), (ServerAction.updated_at, now),
        (ServerAction.message, sa.case((ends_it, sa.literal(message, ServerAction.message.type)), else_=ServerAction.message)),
        (ServerAction.finish_time, sa.func.coalesce(ServerAction.finish_time, now)))
    tx.execute(change.execution_options(synchronize_session=False))


def actions(tx, server_id: str, *, limit: int, marker: str | None = None, since: datetime.datetime | None = None,
            before: datetime.datetime | None = None) -> list[ServerAction]:
    """A server's actions, newest first. ``marker``: the request id of the last one of the page before; Invalid when unknown."""
    query = sa.select(ServerAction).where(ServerAction.server_id == server_id).options(orm.defer(ServerAction.events, raiseload=True))
    if since is not None:
        query = query.where(ServerAction.updated_at >= since)
    if before is not None:
        query = query.where(ServerAction.updated_at <= before)
    if marker is not None:
        last = tx.execute(sa.select(ServerAction.id).where(ServerAction.server_id == server_id, ServerAction.request_id == marker)).scalar()
        if last is None:
            raise exception.Invalid(f"Marker {marker} could not be found.")
        query = query.where(ServerAction.id < last)
    return list(tx.execute(query.order_by(ServerAction.id.desc()).limit(limit)).scalars())


def action_events(tx, server_id: str, request_id: str) -> tuple[ServerAction | None, list[ActionEvent]]:
    """One action of a server with its events, newest first."""
    action = tx.execute(sa.select(ServerAction).where(ServerAction.server_id == server_id, ServerAction.request_id == request_id)
                        .order_by(ServerAction.id.desc()).limit(1)).scalar_one_or_none()
    lines = action.events.split("\n")[:-1] if action is not None and action.events else []
    return action, [_event(line) for line in reversed(lines)]


def _event(line: str) -> ActionEvent:
    values = orjson.loads(line)
    return ActionEvent(**{**values, **{name: datetime.datetime.fromisoformat(values[name]) for name in ("start_time", "finish_time")}})


def mark_deleted(tx, server_id: str, token: str, **changes) -> bool:
    """The row of a server that is gone: kept for the audit, seen only by administrators who ask for deleted ones."""
    now = clock.now()
    return update_task(tx, server_id, token, deleted=True, deleted_at=now, terminated_at=now, vm_state="deleted", task_state=None, task_id=None,
                       task_action=None, task_deadline=None, task_started_at=None, task_detail=None, task_host=None, power_state=0, **changes)


def power_of(tx, server_id: str) -> sa.Row | None:
    """(vm_state, power_state, changed_at) of a living server; None when there is none."""
    return tx.execute(sa.select(Server.vm_state, Server.power_state, Server.changed_at).where(
        Server.id == server_id, Server.deleted.is_(False))).one_or_none()


def settle_power(tx, server_id: str, host: str, power_state: int, vm_state: str, follows: Iterable[str], seen: datetime.datetime) -> bool:
    """Record what the hypervisor says of a server of ``host`` that has no task and whose vm_state is one of ``follows``; False: nothing to say.

    ``seen``: its ``changed_at`` before the guest was looked at. A row that changed since knows better than that look.
    """
    now = clock.now()
    query = sa.update(Server).where(
        Server.id == server_id, Server.host == host, Server.deleted.is_(False), Server.task_id.is_(None), Server.vm_state.in_(list(follows)),
        Server.changed_at == seen, sa.or_(Server.power_state != power_state, Server.vm_state != vm_state))
    return tx.execute(query.values(power_state=power_state, vm_state=vm_state, changed_at=now, updated_at=now)).rowcount == 1
