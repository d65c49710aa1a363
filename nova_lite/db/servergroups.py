"""Server groups: rows, members, and what the schedulers need of them: how many members each host has, at which version of the group.

A server is a member while its ``group_id`` says so and it is not deleted. Called by ``compute.actions``, the Compute API and the schedulers.
"""
import dataclasses
from collections import Counter
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import exception
from nova_lite.context import RequestContext
from nova_lite.db.models.compute import Allocation, Host, Server, ServerGroup


def add(tx: orm.Session, group: ServerGroup) -> None:
    """Store a new group."""
    tx.add(group)
    tx.flush()


def get(tx: orm.Session, ctx: RequestContext, uuid: str, *, hold: bool = False) -> ServerGroup:
    """The group that ``ctx`` may see: its project's, any for administrators. ``hold``: nobody else changes it until the transaction ends.

    Raises ServerGroupNotFound.
    """
    query = sa.select(ServerGroup).where(ServerGroup.uuid == uuid)
    if not ctx.is_admin:
        query = query.where(ServerGroup.project_id == ctx.project_id)
    found = tx.scalar(query.with_for_update() if hold else query)
    if found is None:
        raise exception.ServerGroupNotFound(group_id=uuid)
    return found


def find(tx: orm.Session, project_id: str | None, limit: int, offset: int = 0) -> list[ServerGroup]:
    """A page of a project's groups (None: of all), in the order in which they were made."""
    query = sa.select(ServerGroup).order_by(ServerGroup.id).limit(limit).offset(offset)
    return list(tx.scalars(query if project_id is None else query.where(ServerGroup.project_id == project_id)))


def delete(tx: orm.Session, group: ServerGroup) -> bool:
    """Delete a group; its servers stay, in no group. False when somebody else deleted it."""
    gone = sa.delete(ServerGroup).where(ServerGroup.id == group.id).execution_options(synchronize_session=False)
    return tx.execute(gone).rowcount == 1


def members(tx: orm.Session, group_ids: Iterable[int]) -> dict[int, list[str]]:
    """``{group id: ids of its servers}`` in one statement; a group without servers has no key."""
    ids = list(group_ids)
    found: dict[int, list[str]] = {}
    if ids:
        query = sa.select(Server.group_id, Server.id).where(Server.group_id.in_(ids), Server.deleted.is_(False))
        for group_id, server_id in tx.execute(query.order_by(Server.created_at, Server.launch_index, Server.id)):
            found.setdefault(group_id, []).append(server_id)
    return found


def count_members(tx: orm.Session, group_id: int, user_id: str) -> int:
    """How many servers a user has in a group."""
    return tx.scalar(sa.select(sa.func.count()).select_from(Server).where(
        Server.group_id == group_id, Server.user_id == user_id, Server.deleted.is_(False)))


def uuids(tx: orm.Session, group_ids: Iterable[int]) -> dict[int, str]:
    """``{group id: uuid}`` in one statement."""
    return dict(tx.execute(sa.select(ServerGroup.id, ServerGroup.uuid).where(ServerGroup.id.in_(list(group_ids)))).tuples().all())


@dataclasses.dataclass(frozen=True, slots=True)
class Occupancy:
    """A group as a scheduler sees it at one version. ``hosts``: how many of its servers hold room on each host."""

    id: int
    uuid: str
    policy: str
    rules: dict
    version: int
    hosts: Counter


def occupancies(tx: orm.Session, group_ids: Iterable[int], *, hold: bool = False) -> dict[int, Occupancy]:
    """The groups of these ids that exist, in two statements. ``hold``: nobody else claims for them until the transaction ends."""
    query = sa.select(ServerGroup.id, ServerGroup.uuid, ServerGroup.policy, ServerGroup.rules, ServerGroup.version).where(
        ServerGroup.id.in_(list(group_ids))).order_by(ServerGroup.id)
    # Versions first: a claim that comes between makes the version old, not the hosts.
    found = {row.id: Occupancy(*row, Counter()) for row in tx.execute(query.with_for_update() if hold else query)}
    if found:
        counted = sa.select(Server.group_id, Host.name, sa.func.count()).join(Allocation, Allocation.server_id == Server.id).join(
            Host, Host.id == Allocation.host_id).where(Server.group_id.in_(list(found)), Server.deleted.is_(False))
        for group_id, host, count in tx.execute(counted.group_by(Server.group_id, Host.name)):
            found[group_id].hosts[host] = count
    return found


def bump(tx: orm.Session, group_id: int, version: int) -> bool:
    """Raise the version of a group by one, and hold it, if it still is ``version``: whoever claims for the group calls this first."""
    done = tx.execute(sa.update(ServerGroup).where(ServerGroup.id == group_id, ServerGroup.version == version).values(
        version=version + 1).execution_options(synchronize_session=False))
    return done.rowcount == 1
