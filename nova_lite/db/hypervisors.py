"""What the hypervisor and host lists of the API need beyond ``db.hosts``: guests of many hosts in one statement, and sums."""
import datetime
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite.db.hosts import COMPUTE
from nova_lite.db.models.compute import Host, Server, Service
from nova_lite.db.now import now


def moment(tx: orm.Session) -> datetime.datetime:
    """The database's own time, with which ``last_seen_at`` of services compares."""
    return tx.scalar(sa.select(now()))


def uuid_of(tx: orm.Session, host: str) -> str | None:
    """The UUID of a host; None for one that never told what it has."""
    return tx.scalar(sa.select(Host.uuid).where(Host.name == host))


def servers_of(tx: orm.Session, hosts: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """(id, name) of the living servers of each of these hosts."""
    found: dict[str, list[tuple[str, str]]] = {host: [] for host in hosts}
    query = sa.select(Server.host, Server.id, Server.name).where(Server.host.in_(list(found)), Server.deleted.is_(False))
    for host, server_id, name in tx.execute(query.order_by(Server.created_at, Server.id)):
        found[host].append((server_id, name))
    return found


def count_servers(tx: orm.Session, hosts: Iterable[str]) -> int:
    """Living servers on any of these hosts."""
    return tx.scalar(sa.select(sa.func.count()).select_from(Server).where(Server.host.in_(list(hosts)), Server.deleted.is_(False)))


def promised(tx: orm.Session, host: str) -> list[tuple[str, dict]]:
    """(project id, flavor) of each living server of a host."""
    query = sa.select(Server.project_id, Server.flavor).where(Server.host == host, Server.deleted.is_(False))
    return [(project_id, flavor) for project_id, flavor in tx.execute(query.order_by(Server.project_id))]


SUMS = {
    "vcpus": Host.vcpus, "memory_mb": Host.memory_mb, "local_gb": Host.disk_gb, "vcpus_used": Host.vcpus_used,
    "memory_mb_used": Host.memory_mb_used + Host.memory_mb_reserved, "local_gb_used": Host.disk_gb_used + Host.disk_gb_reserved,
    "free_ram_mb": Host.memory_mb - Host.memory_mb_used - Host.memory_mb_reserved,
    "free_disk_gb": Host.disk_gb - Host.disk_gb_used - Host.disk_gb_reserved,
    "current_workload": Host.builds, "running_vms": Host.servers, "disk_available_least": Host.disk_available_gb,
}


def statistics(tx: orm.Session) -> dict[str, int]:
    """Sums over all hosts whose compute service is enabled, and their ``count``."""
    query = sa.select(sa.func.count(), *[sa.func.coalesce(sa.func.sum(column), 0) for column in SUMS.values()]).select_from(Host).join(
        Service, sa.and_(Service.host == Host.name, Service.binary == COMPUTE, Service.disabled.is_(False)))
    return dict(zip(("count", *SUMS), map(int, tx.execute(query).one()), strict=True))
