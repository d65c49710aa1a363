"""Aggregates: named sets of hosts with metadata, of which ``availability_zone`` makes a zone."""
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import clock, exception
from nova_lite.db import engine
from nova_lite.db.models.compute import Aggregate, AggregateHost, Host
from nova_lite.db.unless_taken import insert_unless_taken

WITH_HOSTS = orm.selectinload(Aggregate.hosts)


def find(tx: orm.Session) -> list[Aggregate]:
    """All aggregates with their hosts, in two statements."""
    return list(tx.scalars(sa.select(Aggregate).options(WITH_HOSTS).order_by(Aggregate.id)))


def get(tx: orm.Session, aggregate_id: int) -> Aggregate:
    """An aggregate with its hosts. Raises NotFound."""
    found = tx.scalar(sa.select(Aggregate).where(Aggregate.id == aggregate_id).options(WITH_HOSTS).execution_options(populate_existing=True))
    if found is None:
        raise exception.NotFound(f"Aggregate {aggregate_id} could not be found.")
    return found


def add(tx: orm.Session, aggregate: Aggregate) -> None:
    """Store a new aggregate. Raises Conflict when its name is taken."""
    tx.add(aggregate)
    _flush(tx, aggregate.name)


def rename(tx: orm.Session, aggregate: Aggregate, name: str) -> None:
    """Raises Conflict when the name is taken."""
    aggregate.name = name
    _flush(tx, name)


def _flush(tx: orm.Session, name: str) -> None:
    try:
        tx.flush()
    except sa.exc.IntegrityError as error:
        if not engine.is_duplicate(error):
            raise
        raise exception.Conflict(f"Aggregate {name} already exists.") from error


def set_metadata(aggregate: Aggregate, changes: dict[str, str | None]) -> None:
    """Add, replace, and for None remove metadata; the zone follows its key."""
    meta = {**aggregate.meta, **changes}
    aggregate.meta = {key: value for key, value in meta.items() if value is not None}
    aggregate.availability_zone = aggregate.meta.get("availability_zone")
    aggregate.updated_at = clock.now()


def delete(tx: orm.Session, aggregate: Aggregate) -> None:
    """Delete an aggregate."""
    tx.delete(aggregate)
    tx.flush()


def is_host(tx: orm.Session, name: str) -> bool:
    """Whether there is a compute host of that name."""
    return tx.scalar(sa.select(Host.id).where(Host.name == name)) is not None


def add_host(tx: orm.Session, aggregate_id: int, host: str) -> bool:
    """False when the host is in the aggregate already."""
    return insert_unless_taken(tx, AggregateHost, [{"aggregate_id": aggregate_id, "host": host, "created_at": clock.now()}]) == 1


def remove_host(tx: orm.Session, aggregate_id: int, host: str) -> bool:
    """False when the host is not in the aggregate."""
    gone = sa.delete(AggregateHost).where(AggregateHost.aggregate_id == aggregate_id, AggregateHost.host == host)
    return tx.execute(gone).rowcount == 1


def remove_everywhere(tx: orm.Session, host: str) -> None:
    """Take a host out of all aggregates."""
    tx.execute(sa.delete(AggregateHost).where(AggregateHost.host == host))


def zones_of(tx: orm.Session, hosts: Iterable[str], besides: int) -> list[str]:
    """The zones that aggregates other than ``besides`` put any of these hosts in."""
    query = sa.select(Aggregate.availability_zone).join(AggregateHost, AggregateHost.aggregate_id == Aggregate.id).where(
        AggregateHost.host.in_(list(hosts)), Aggregate.id != besides, Aggregate.availability_zone.is_not(None)).distinct()
    return sorted(tx.scalars(query))
