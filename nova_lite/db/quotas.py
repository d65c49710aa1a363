"""Quota limits that differ from the configured ones, and the counters of what is used.

A counter belongs to an owner: a project, or for key pairs a user. It changes in the transaction that adds or removes what it counts.
"""
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite.db.insert_or_add import insert_or_add
from nova_lite.db.models.compute import KeyPair, QuotaLimit, QuotaUsage, Server, ServerGroup
from nova_lite.db.unless_taken import insert_unless_taken


def list_limits(tx: orm.Session, scopes: Iterable[str]) -> dict[str, dict[str, int]]:
    """Stored limits: scope → resource → limit. Scopes as in QuotaLimit."""
    found: dict[str, dict[str, int]] = {scope: {} for scope in scopes}
    rows = tx.execute(sa.select(QuotaLimit.scope, QuotaLimit.resource, QuotaLimit.hard_limit).where(QuotaLimit.scope.in_(list(found))))
    for scope, resource, limit in rows:
        found[scope][resource] = limit
    return found


def sum_user_limits(tx: orm.Session, project_id: str) -> dict[str, int]:
    """What the limits that the project's users have of their own add up to, by resource; unlimited ones count for nothing."""
    query = sa.select(QuotaLimit.resource, sa.func.sum(QuotaLimit.hard_limit)).where(
        QuotaLimit.scope.startswith(f"{project_id}/", autoescape=True), QuotaLimit.hard_limit > 0).group_by(QuotaLimit.resource)
    return {resource: int(total) for resource, total in tx.execute(query)}


def set_limit(tx: orm.Session, scope: str, resource: str, limit: int) -> None:
    """Store a limit, replacing an older one."""
    change = sa.update(QuotaLimit).where(QuotaLimit.scope == scope, QuotaLimit.resource == resource).values(hard_limit=limit)
    if tx.execute(change).rowcount == 0 and insert_unless_taken(tx, QuotaLimit, [{"scope": scope, "resource": resource, "hard_limit": limit}]) == 0:
        tx.execute(change)


def delete_limits(tx: orm.Session, scope: str) -> None:
    """Forget the limits of a scope; a project's users lose theirs too."""
    tx.execute(sa.delete(QuotaLimit).where(sa.or_(QuotaLimit.scope == scope, QuotaLimit.scope.startswith(f"{scope}/", autoescape=True))))


def usage(tx: orm.Session, owner: str) -> dict[str, int]:
    """What the owner uses, by resource; no row, no key."""
    rows = tx.execute(sa.select(QuotaUsage.resource, QuotaUsage.in_use).where(QuotaUsage.project_id == owner))
    return {resource: int(in_use) for resource, in_use in rows}


def take(tx: orm.Session, owner: str, amounts: dict[str, int], scopes: Iterable[str]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Add ``amounts`` (resource → count) to the owner's counters, made where they are missing and held until the transaction ends.

    Returns the counters as they were before, and the stored limits of these resources by scope. One statement.
    """
    scopes = list(scopes)
    # In one order, so that two who take never wait for each other crosswise.
    rows = [{"project_id": owner, "resource": resource, "in_use": amount} for resource, amount in sorted(amounts.items())]
    found = insert_or_add(tx, QuotaUsage, rows, "in_use", [QuotaUsage.resource, QuotaUsage.in_use, *(
        sa.select(QuotaLimit.hard_limit).where(QuotaLimit.scope == scope, QuotaLimit.resource == sa.literal_column("quota_usages.resource"))
        .scalar_subquery() for scope in scopes)])
    used = {resource: int(in_use) - amounts[resource] for resource, in_use, *_ in found}
    return used, {scope: {row[0]: row[2 + index] for row in found if row[2 + index] is not None} for index, scope in enumerate(scopes)}


def give_back(tx: orm.Session, owner: str, amounts: dict[str, int]) -> None:
    """Take ``amounts`` off the owner's counters, never below 0."""
    amount = _amount_of(amounts)
    left = sa.case((QuotaUsage.in_use > amount, QuotaUsage.in_use - amount), else_=0)
    change = sa.update(QuotaUsage).where(QuotaUsage.project_id == owner, QuotaUsage.resource.in_(list(amounts))).values(in_use=left)
    tx.execute(change.execution_options(synchronize_session=False))


def _amount_of(amounts: dict[str, int]):
    return sa.case(*[(QuotaUsage.resource == resource, amount) for resource, amount in amounts.items()], else_=0)


def count_servers(tx: orm.Session, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """Living servers of a project (of one user in it), their vCPUs and MB of RAM, counted one by one."""
    query = sa.select(Server.flavor).where(Server.project_id == project_id, Server.deleted.is_(False), Server.vm_state != "soft-delete")
    if user_id is not None:
        query = query.where(Server.user_id == user_id)
    flavors = list(tx.scalars(query))
    return {"instances": len(flavors), "cores": sum(flavor["vcpus"] for flavor in flavors), "ram": sum(flavor["memory_mb"] for flavor in flavors)}


def count_server_groups(tx: orm.Session, project_id: str, user_id: str | None = None) -> int:
    """Server groups of a project, or those that one user made in it."""
    query = sa.select(sa.func.count()).select_from(ServerGroup).where(ServerGroup.project_id == project_id)
    return tx.scalar(query if user_id is None else query.where(ServerGroup.user_id == user_id))


def count_key_pairs(tx: orm.Session, user_id: str) -> int:
    """Key pairs of a user."""
    return tx.scalar(sa.select(sa.func.count()).select_from(KeyPair).where(KeyPair.user_id == user_id))


def list_owners(tx: orm.Session) -> tuple[set[str], set[str]]:
    """(projects with servers, server groups or counters of them, users with key pairs or key pair counters)."""
    of_servers = set(tx.scalars(sa.select(Server.project_id).where(Server.deleted.is_(False)).distinct()))
    of_servers |= set(tx.scalars(sa.select(ServerGroup.project_id).distinct()))
    of_keys = set(tx.scalars(sa.select(KeyPair.user_id).distinct()))
    counted = tx.execute(sa.select(QuotaUsage.project_id, QuotaUsage.resource))
    for owner, resource in counted:
        if resource in ("instances", "cores", "ram", "server_groups"):
            of_servers.add(owner)
        elif resource == "key_pairs":
            of_keys.add(owner)
    return of_servers, of_keys


def set_counter(tx: orm.Session, owner: str, resource: str, in_use: int) -> None:
    """Overwrite a counter."""
    tx.execute(sa.update(QuotaUsage).where(QuotaUsage.project_id == owner, QuotaUsage.resource == resource).values(in_use=in_use)
               .execution_options(synchronize_session=False))
