"""Moves of servers: the rows that the API lists as migrations. Beginning, changing and ending one; finding those of a server or a host."""
import datetime
import uuid
from collections.abc import Iterable

import sqlalchemy as sa

from nova_lite import clock, exception
from nova_lite.db.models import Move

MIGRATION, RESIZE, LIVE, EVACUATION = "migration", "resize", "live-migration", "evacuation"
"""Types of moves, in the API's words."""
UNDER_WAY = ("queued", "preparing", "running", "post-migrating")
"""Statuses of live migrations that are not over."""
LOST = "error"
"""The status of a live migration that is open still because nobody can say where the guest is."""
ACCEPTED = "accepted"
"""The status of a move that nobody has begun to carry out."""


def add(tx, server, type_: str, ctx, *, new_flavor_id: int | None = None, detail: dict | None = None) -> int:
    """Record that ``server`` shall move from where it is; the id. ``detail``: what must be known until it has ended."""
    values = {"uuid": str(uuid.uuid4()), "server_id": server.id, "type": type_, "status": ACCEPTED,
              "source_host": server.host, "source_node": server.node, "old_flavor_id": server.flavor.get("id"),
              "new_flavor_id": server.flavor.get("id") if new_flavor_id is None else new_flavor_id, "user_id": ctx.user_id,
              "project_id": ctx.project_id, "detail": detail or {}, "progress": {}}
    return tx.execute(sa.insert(Move).values(**values)).inserted_primary_key[0]


def get(tx, move_id: int) -> Move | None:
    """One move by its number."""
    return tx.execute(sa.select(Move).where(Move.id == move_id).execution_options(populate_existing=True)).scalar_one_or_none()


def open_of(tx, server_id: str) -> Move | None:
    """The move of a server that has not ended: a server has at most one, and while it is being evacuated perhaps one that is lost."""
    query = sa.select(Move).where(Move.server_id == server_id, Move.open.is_(True)).order_by(Move.id.desc()).limit(1)
    return tx.execute(query.execution_options(populate_existing=True)).scalar_one_or_none()


def update(tx, move_id: int, **changes) -> bool:
    """Change columns of a move that has not ended; False when there is none."""
    query = sa.update(Move).where(Move.id == move_id, Move.open.is_(True))
    return tx.execute(query.values(updated_at=clock.now(), **changes)).rowcount == 1


def change_open(tx, server_id: str, **changes) -> None:
    """Change columns of the open move of a server, if it has one."""
    move = open_of(tx, server_id)
    if move is not None:
        update(tx, move.id, **changes)


def end(tx, server_id: str, status: str, lost_too: bool = True) -> None:
    """The open move of a server, if it has one, has ended with ``status``; an older one that is lost, too."""
    now = clock.now()
    query = sa.update(Move).where(Move.server_id == server_id, Move.open.is_(True))
    if not lost_too:
        move = open_of(tx, server_id)
        query = query.where(Move.id == (None if move is None else move.id))
    tx.execute(query.values(open=False, status=status, updated_at=now, ended_at=now))


def lost(tx, host: str) -> list[str]:
    """Servers that were on the way from or to ``host`` when nobody could say any more where they are."""
    either = sa.or_(Move.source_host == host, Move.dest_host == host)
    return list(tx.scalars(sa.select(Move.server_id).where(Move.type == LIVE, Move.status == LOST, Move.open.is_(True), either)))


def listing(tx, filters: dict[str, str], *, since: datetime.datetime | None = None, before: datetime.datetime | None = None,
            limit: int | None = None, marker: str | None = None, newest_first: bool = False) -> list[Move]:
    """Moves, ended ones too. ``filters``: column to value, ``host`` for source or destination. ``since``, ``before``: last changed then.

    ``marker``: UUID of the last one of the page before; Invalid when unknown.
    """
    query = sa.select(Move)
    for name, value in filters.items():
        either = sa.or_(Move.source_host == value, Move.dest_host == value) if name == "host" else getattr(Move, name) == value
        query = query.where(either)
    if since is not None:
        query = query.where(Move.updated_at >= since)
    if before is not None:
        query = query.where(Move.updated_at <= before)
    if marker is not None:
        last = tx.execute(sa.select(Move.created_at, Move.id).where(Move.uuid == marker)).one_or_none()
        if last is None:
            raise exception.Invalid(f"Marker {marker} could not be found.")
        query = query.where(sa.or_(Move.created_at < last.created_at, sa.and_(Move.created_at == last.created_at, Move.id < last.id)))
    order = (Move.created_at.desc(), Move.id.desc()) if newest_first else (Move.id,)
    return list(tx.scalars(query.order_by(*order).limit(limit)))


def finished(tx, host: str, before: datetime.datetime) -> list[str]:
    """Servers that came to ``host`` before then, and whose users have neither confirmed nor reverted that."""
    return list(tx.scalars(sa.select(Move.server_id).where(Move.dest_host == host, Move.open.is_(True), Move.status == "finished",
                                                           Move.updated_at <= before)))


def hosts(tx, server_ids: Iterable[str]) -> dict[str, set[str]]:
    """``{server id: hosts}`` that open moves of these servers take part in: what is there of a server must stay."""
    rows = tx.execute(sa.select(Move.server_id, Move.source_host, Move.dest_host).where(Move.server_id.in_(list(server_ids)), Move.open.is_(True)))
    found: dict[str, set[str]] = {}
    for server_id, *both in rows:
        found.setdefault(server_id, set()).update(host for host in both if host)
    return found
