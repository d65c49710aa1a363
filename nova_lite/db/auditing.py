"""Reads for ``compute.audit``: everything that hangs together in the database, looked at without believing that it does."""
import datetime

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite.db.models import Move, Server
from nova_lite.db.models.compute import Allocation, Host
from nova_lite.db.models.network import Port


def living(tx: orm.Session) -> dict[str, Server]:
    """All servers that are not deleted, by id, with the columns that say where they are and what they do."""
    columns = (Server.id, Server.host, Server.node, Server.vm_state, Server.task_state, Server.task_id, Server.task_action, Server.task_host,
               Server.task_deadline, Server.launched_at, Server.request)
    query = sa.select(Server).where(Server.deleted.is_(False)).options(orm.load_only(*columns, raiseload=True))
    return {server.id: server for server in tx.scalars(query)}


def allocations(tx: orm.Session) -> list[tuple[str, str]]:
    """(server id, host) of all allocations."""
    return [tuple(row) for row in tx.execute(sa.select(Allocation.server_id, Host.name).join(Host, Host.id == Allocation.host_id))]


def ports(tx: orm.Session) -> list[tuple[str, str, str | None]]:
    """(port id, server id, host) of all ports that are servers'."""
    return [tuple(row) for row in tx.execute(sa.select(Port.id, Port.device_id, Port.host).where(Port.request_index.is_not(None)))]


def open_moves(tx: orm.Session) -> list[tuple[int, str, str, str, str | None, str | None]]:
    """(id, server id, type, status, source, destination) of all moves that have not ended."""
    query = sa.select(Move.id, Move.server_id, Move.type, Move.status, Move.source_host, Move.dest_host).where(Move.open.is_(True))
    return [tuple(row) for row in tx.execute(query)]


def overdue(tx: orm.Session, before: datetime.datetime) -> set[str]:
    """Servers with a task whose deadline was ``before``."""
    return set(tx.scalars(sa.select(Server.id).where(Server.task_deadline < before, Server.deleted.is_(False))))
