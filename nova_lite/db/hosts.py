"""Services and hosts: starts and heartbeats of daemons, inventories, what changed since a mark, who is up, zones.

``changed_at`` of hosts and ``last_seen_at`` of services carry the database's own time, so that the clocks of many hosts need not agree.
What is claimed of hosts is in ``db.allocations``. Called by ``service.heartbeat``, the compute worker, the scheduler and the APIs.
"""
import collections
import datetime
import functools
import uuid
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import clock, exception
from nova_lite.db import ratios
from nova_lite.db.models.base import Moment
from nova_lite.db.models.compute import Aggregate, AggregateHost, Host, Server, Service
from nova_lite.db.now import now

COMPUTE = "nova-compute"
"""The binary whose service stands for a host's life; the name that clients know."""

INVENTORY = (
    "hypervisor_hostname", "hypervisor_type", "hypervisor_version", "host_ip", "vcpus", "memory_mb", "disk_gb", "disk_available_gb",
    "vcpus_reserved", "memory_mb_reserved", "disk_gb_reserved", "vcpu_ratio", "memory_ratio", "disk_ratio", "cpu_info", "supported", "traits",
    "metrics", "extras",
)


# ---- services ----------------------------------------------------------------------------------------------------------------
def start_service(tx: orm.Session, binary: str, host: str, address: str | None = None) -> int:
    """Note that a daemon starts. Returns its epoch: one more than that of the start before.

    A compute service's epoch goes to its host too.
    """
    mine = (Service.binary == binary, Service.host == host)
    values = {"epoch": Service.epoch + 1, "last_seen_at": now(), "updated_at": now(), "address": address}
    if not tx.execute(sa.update(Service).where(*mine).values(values)).rowcount:
        tx.execute(sa.insert(Service).values(uuid=str(uuid.uuid4()), binary=binary, host=host, epoch=1, address=address, last_seen_at=now()))
    epoch = tx.scalar(sa.select(Service.epoch).where(*mine))
    if binary == COMPUTE:
        tx.execute(sa.update(Host).where(Host.name == host).values(
            epoch=epoch, version=Host.version + 1, changed_at=now()).execution_options(synchronize_session=False))
    return epoch


def report(tx: orm.Session, binary: str, host: str, epoch: int) -> bool:
    """A heartbeat. False when a newer start of the same daemon took over (or the service was deleted): the caller must end."""
    done = tx.execute(sa.update(Service).where(Service.binary == binary, Service.host == host, Service.epoch == epoch).values(last_seen_at=now()))
    return done.rowcount == 1


def is_current(tx: orm.Session, host: str, epoch: int) -> bool:
    """Whether the start ``epoch`` of a host's compute worker is its latest."""
    return tx.scalar(sa.select(Service.epoch).where(Service.binary == COMPUTE, Service.host == host)) == epoch


def holds_task(tx: orm.Session, host: str, epoch: int, server_id: str, token: str) -> bool:
    """``is_current``, and the task ``token`` is the server's still; one statement."""
    task = sa.exists().where(Server.id == server_id, Server.task_id == token)
    return tx.scalar(sa.select(Service.epoch).where(Service.binary == COMPUTE, Service.host == host, task)) == epoch


def services(tx: orm.Session, *, host: str | None = None, binary: str | None = None, service_id: int | str | None = None) -> list[Service]:
    """Services by host, binary and id (number or UUID), in the order in which they first started."""
    query = sa.select(Service).order_by(Service.id)
    if host is not None:
        query = query.where(Service.host == host)
    if binary is not None:
        query = query.where(Service.binary == binary)
    if service_id is not None:
        query = query.where(Service.id == service_id if isinstance(service_id, int) else Service.uuid == service_id)
    return list(tx.scalars(query))


def set_service(tx: orm.Session, binary: str, host: str, *, disabled: bool | None = None, reason: str | None = None,
                forced_down: bool | None = None) -> bool:
    """Enable, disable (with a reason) or force down a service; None leaves as it is. False: there is none."""
    values: dict = {"updated_at": now()}
    if disabled is not None:
        values |= {"disabled": disabled, "disabled_reason": reason if disabled else None}
    if forced_down is not None:
        values["forced_down"] = forced_down
    found = tx.execute(sa.update(Service).where(Service.binary == binary, Service.host == host).values(values)).rowcount == 1
    touch(tx, [host])
    return found


def delete_service(tx: orm.Session, service_id: int) -> None:
    """Forget a service, and the host of a compute service if nothing is claimed on it (else the host stays, down)."""
    service = tx.get(Service, service_id)
    if service is None:
        return
    tx.execute(sa.delete(Service).where(Service.id == service_id))
    if service.binary == COMPUTE:
        tx.execute(sa.delete(Host).where(Host.name == service.host, Host.servers == 0))
        touch(tx, [service.host])


def is_up(service: Service, moment: datetime.datetime, down_time: float) -> bool:
    """Whether a service was heard within ``down_time`` seconds before ``moment`` and is not forced down."""
    return not service.forced_down and service.last_seen_at is not None and moment - service.last_seen_at <= clock.seconds(down_time)


def is_host_up(tx: orm.Session, host: str, moment: datetime.datetime, down_time: float) -> bool:
    """Whether a host's compute service is up; False for a host without one."""
    return any(is_up(service, moment, down_time) for service in services(tx, host=host, binary=COMPUTE))


_STATUSES = (sa.select(Service.host, Service.forced_down, Service.disabled, Service.last_seen_at)
             .where(Service.binary == COMPUTE, Service.host.in_(sa.bindparam("hosts", expanding=True))))


def host_statuses(tx: orm.Session, hosts: Iterable[str], moment: datetime.datetime, down_time: float) -> dict[str, str]:
    """``{host: UP, DOWN (forced), UNKNOWN (not heard) or MAINTENANCE (disabled)}``, the Compute API's host_status; one statement."""
    names = list(hosts)
    if not names:
        return {}
    found = tx.execute(_STATUSES, {"hosts": names})
    return {service.host: "DOWN" if service.forced_down else "MAINTENANCE" if service.disabled
            else "UP" if is_up(service, moment, down_time) else "UNKNOWN" for service in found}


def heard_since(tx: orm.Session, mark: datetime.datetime | None) -> list[tuple]:
    """(host, last_seen_at, disabled, forced_down) of compute services heard at or after ``mark`` (None: all)."""
    query = sa.select(Service.host, Service.last_seen_at, Service.disabled, Service.forced_down).where(Service.binary == COMPUTE)
    return list(tx.execute(query if mark is None else query.where(Service.last_seen_at >= mark)))


# ---- hosts -------------------------------------------------------------------------------------------------------------------
def put_inventory(tx: orm.Session, host: str, epoch: int, **values) -> bool:
    """Note what a host has; ``values`` are those of ``INVENTORY`` (missing ones keep what was, or the default).

    Written, and its version raised, only where something differs. Ratios hold where its aggregates say no others (db.ratios). False: a newer
    start of the host's worker took over.
    Raises TypeError for a name that is not in INVENTORY.
    """
    unknown = set(values) - set(INVENTORY)
    if unknown:
        raise TypeError(f"put_inventory: {', '.join(sorted(unknown))}")
    values = {name: _plain(value) for name, value in values.items()}
    own = {name: values.pop(name) for name in ratios.KEYS.values() if name in values}
    known = tx.execute(sa.select(Host).where(Host.name == host)).scalar_one_or_none()
    if known is None:
        tx.add(Host(uuid=str(uuid.uuid4()), name=host, epoch=epoch, changed_at=now(), own_ratios=own, **own, **values))
        ratios.apply(tx, [host])
        return True
    values["own_ratios"] = {**known.own_ratios, **own}
    if known.epoch > epoch:
        return False
    if known.epoch == epoch and all(getattr(known, name) == value for name, value in values.items()):
        return True
    done = tx.execute(sa.update(Host).where(Host.id == known.id, Host.epoch <= epoch).values(
        **values, epoch=epoch, version=Host.version + 1, facts_version=Host.facts_version + 1,
        changed_at=now()).execution_options(synchronize_session=False))
    tx.expire(known)
    if done.rowcount == 1:
        ratios.apply(tx, [host])
    return done.rowcount == 1


def _plain(value):
    # JSON knows lists only: compare and store what will be read back.
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def get(tx: orm.Session, name: str) -> Host:
    """The host of that name. Raises HostNotFound."""
    found = tx.scalar(sa.select(Host).where(Host.name == name))
    if found is None:
        raise exception.HostNotFound(host=name)
    return found


def touch(tx: orm.Session, names: Iterable[str]) -> None:
    """Tell the schedulers, through the rows, that what they know of these hosts is old: their service or aggregates changed."""
    names = list(names)
    if names:
        tx.execute(sa.update(Host).where(Host.name.in_(names)).values(
            version=Host.version + 1, facts_version=Host.facts_version + 1, changed_at=now()).execution_options(synchronize_session=False))


def hypervisors(tx: orm.Session, *, name: str | None = None, hypervisor_id: int | str | None = None, pattern: str | None = None,
                limit: int | None = None, after: int | None = None) -> list[tuple[Host, Service | None]]:
    """Hosts with their compute services, in order of id; by host name, id (number or UUID) or a part of the hypervisor's host name.

    ``after`` and ``limit`` page by id.
    """
    query = sa.select(Host, Service).outerjoin(Service, sa.and_(Service.host == Host.name, Service.binary == COMPUTE)).order_by(Host.id)
    query = query.options(orm.undefer(Host.builds))
    if name is not None:
        query = query.where(Host.name == name)
    if hypervisor_id is not None:
        query = query.where(Host.id == hypervisor_id if isinstance(hypervisor_id, int) else Host.uuid == hypervisor_id)
    if pattern is not None:
        query = query.where(Host.hypervisor_hostname.contains(pattern, autoescape=True))
    if after is not None:
        query = query.where(Host.id > after)
    return [tuple(row) for row in tx.execute(query.limit(limit))]


MOST_NAMES = 1000

SCHEDULED = (
    Host.id, Host.name, Host.hypervisor_hostname, Host.vcpus, Host.memory_mb, Host.disk_gb, Host.vcpus_used, Host.memory_mb_used,
    Host.disk_gb_used, Host.vcpus_reserved, Host.memory_mb_reserved, Host.disk_gb_reserved, Host.vcpu_ratio, Host.memory_ratio,
    Host.disk_ratio, Host.servers, Host.build_failures, Host.hypervisor_type, Host.hypervisor_version, Host.host_ip,
    sa.type_coerce(Host.supported, sa.Text).label("supported"), sa.type_coerce(Host.traits, sa.Text).label("traits"),
    sa.type_coerce(Host.cpu_info, sa.Text).label("cpu_info"), sa.type_coerce(Host.metrics, sa.Text).label("metrics"),
    sa.type_coerce(Host.extras, sa.Text).label("extras"), sa.type_coerce(Host.extras_used, sa.Text).label("extras_used"),
    Host.version, Host.facts_version, Host.changed_at,
    Service.disabled, Service.forced_down, Service.last_seen_at, AggregateHost.aggregate_id,
    sa.func.coalesce(Aggregate.updated_at, Aggregate.created_at).label("aggregate_changed_at"),
)
_WITH_ALL = (
    sa.select(*SCHEDULED)
    .outerjoin(Service, sa.and_(Service.host == Host.name, Service.binary == COMPUTE))
    .outerjoin(AggregateHost, AggregateHost.host == Host.name)
    .outerjoin(Aggregate, Aggregate.id == AggregateHost.aggregate_id)
    .order_by(Host.id)
)


def scheduled_hosts(tx: orm.Session, names: Iterable[str] | None = None) -> list:
    """Rows of ``SCHEDULED`` for the hosts of ``names`` (all hosts where these are many, or None).

    A host in several aggregates has a row for each of them, next to each other. JSON columns come as text.
    """
    names = None if names is None else list(names)
    return list(tx.execute(_WITH_ALL if names is None or len(names) > MOST_NAMES else _WITH_ALL.where(Host.name.in_(names))))


_HOSTS, _SERVERS = Host.__table__, Server.__table__
_SINCE = sa.bindparam("since", type_=Moment)
_USED = ("name", "version", "facts_version", "changed_at", "vcpus_used", "memory_mb_used", "disk_gb_used", "servers", "build_failures")
_USAGE = sa.select(*(_HOSTS.c[name] for name in _USED), sa.type_coerce(_HOSTS.c.extras_used, sa.Text).label("extras_used"))
# One row a build, with its host alone. Not counted by the database: SQLite would walk over all servers in order of their hosts for that.
_BUILDS = sa.select(_SERVERS.c.host, *(sa.null() for _ in _USED)).where(_SERVERS.c.task_deadline >= _SINCE, _SERVERS.c.task_action == "create")


@functools.cache
def _changed(some: bool, builds: bool):
    changed = _HOSTS.c.changed_at >= _SINCE
    query = _USAGE.where(sa.or_(changed, _HOSTS.c.name.in_(sa.bindparam("names", expanding=True))) if some else changed)
    return query.union_all(_BUILDS) if builds else query


def changed_usage(tx: orm.Session, since: datetime.datetime, names: Iterable[str] = ()) -> list:
    """What is used of the hosts changed at or after ``since`` and of those of ``names``, at which versions: much cheaper than ``scheduled_hosts``."""
    names = list(names)
    return tx.execute(_changed(bool(names), False), {"since": since, **({"names": names} if names else {})}).all()


def changed_usage_and_builds(tx: orm.Session, since: datetime.datetime, names: Iterable[str] = ()) -> tuple[list, collections.Counter]:
    """``changed_usage``, and {host: builds under way there whose deadline is not before ``since``}; one statement for both."""
    names = list(names)
    found = tx.execute(_changed(bool(names), True), {"since": since, **({"names": names} if names else {})}).all()
    return ([row for row in found if row.version is not None],
            collections.Counter(row.name for row in found if row.version is None and row.name is not None))


def images_on(tx: orm.Session, names: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """(host, image as JSON text) of each living server of the hosts of ``names`` (of all where these are many, or None)."""
    names = None if names is None else list(names)
    query = sa.select(_SERVERS.c.host, sa.type_coerce(_SERVERS.c.image, sa.Text)).where(_SERVERS.c.host.is_not(None), _SERVERS.c.deleted.is_(False))
    return [tuple(row) for row in tx.execute(query if names is None or len(names) > MOST_NAMES else query.where(_SERVERS.c.host.in_(names)))]


def host_versions(tx: orm.Session) -> list[tuple[str, int]]:
    """(name, version) of all hosts."""
    return [tuple(row) for row in tx.execute(sa.select(Host.name, Host.version))]


# ---- zones -------------------------------------------------------------------------------------------------------------------
def aggregates(tx: orm.Session) -> list[tuple[int, str, str | None, dict, datetime.datetime]]:
    """(id, name, availability zone, metadata, changed at) of all aggregates, in order of id."""
    changed = sa.func.coalesce(Aggregate.updated_at, Aggregate.created_at)
    return [tuple(row) for row in tx.execute(
        sa.select(Aggregate.id, Aggregate.name, Aggregate.availability_zone, Aggregate.meta, changed).order_by(Aggregate.id))]


def zone_of_hosts(tx: orm.Session, default_zone: str = "nova") -> dict[str, str]:
    """``{host: availability zone}`` of all hosts; those in no zone aggregate are in ``default_zone``."""
    in_zone = sa.select(AggregateHost.host, Aggregate.availability_zone, Aggregate.id).join(
        Aggregate, sa.and_(Aggregate.id == AggregateHost.aggregate_id, Aggregate.availability_zone.is_not(None))).subquery()
    query = sa.select(Host.name, in_zone.c.availability_zone).outerjoin(in_zone, in_zone.c.host == Host.name).order_by(in_zone.c.id)
    zones: dict[str, str] = {}
    for host, zone in tx.execute(query):
        zones.setdefault(host, zone or default_zone)
    return zones
