"""SQL of security groups and their rules. A project's default group comes into being when somebody first looks."""
import functools
import uuid
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import context as context_
from nova_lite.db import filtering
from nova_lite.db.models.network import Port, SecurityGroup, SecurityGroupRule
from nova_lite.db.unless_taken import insert_unless_taken

DEFAULT_NAME = "default"
NAMESPACE = uuid.UUID("6f3f2f8e-6f0c-4b53-9f1c-0f5d2f1c7c11")
# direction | ethertype | only from members of the group itself
DEFAULT_RULES = (("egress", "IPv4", False), ("egress", "IPv6", False), ("ingress", "IPv4", True), ("ingress", "IPv6", True))


@functools.lru_cache(maxsize=4096)
@functools.lru_cache(4096)
def default_id(project_id: str) -> str:
    """The id of a project's default group: it follows from the project's, so that ports can name it before it exists."""
    return str(uuid.uuid5(NAMESPACE, project_id))


def ensure_default(tx: orm.Session, project_id: str) -> None:
    """Make the project's default group with its four rules, if it is missing."""
    group_id = default_id(project_id)
    if tx.scalar(sa.select(SecurityGroup.id).where(SecurityGroup.id == group_id)) is not None:
        return
    made = insert_unless_taken(tx, SecurityGroup, [{"id": group_id, "project_id": project_id, "name": DEFAULT_NAME,
                                                    "description": "Default security group"}])
    if made:
        insert_unless_taken(tx, SecurityGroupRule, [
            {"id": str(uuid.uuid5(uuid.UUID(group_id), f"{direction} {ethertype}")), "security_group_id": group_id, "project_id": project_id,
             "direction": direction, "ethertype": ethertype, "remote_group_id": group_id if members else None}
            for direction, ethertype, members in DEFAULT_RULES])


def _own(ctx: context_.RequestContext, model):
    return sa.true() if ctx.is_admin else model.project_id == ctx.project_id


def get_group(tx: orm.Session, ctx: context_.RequestContext, group_id: str) -> SecurityGroup | None:
    """The group, if it is the caller's (or any, for admins)."""
    return tx.scalar(sa.select(SecurityGroup).where(SecurityGroup.id == group_id, _own(ctx, SecurityGroup)))


def list_groups(tx: orm.Session, ctx: context_.RequestContext, page: filtering.Page) -> list[SecurityGroup]:
    """The caller's groups; all for admins."""
    return filtering.select_page(tx, SecurityGroup, page, _own(ctx, SecurityGroup))


def get_rule(tx: orm.Session, ctx: context_.RequestContext, rule_id: str) -> SecurityGroupRule | None:
    """The rule, if it is the caller's (or any, for admins)."""
    return tx.scalar(sa.select(SecurityGroupRule).where(SecurityGroupRule.id == rule_id, _own(ctx, SecurityGroupRule)))


def list_rules(tx: orm.Session, ctx: context_.RequestContext, page: filtering.Page) -> list[SecurityGroupRule]:
    """The caller's rules; all for admins."""
    return filtering.select_page(tx, SecurityGroupRule, page, _own(ctx, SecurityGroupRule))


def rules_of(tx: orm.Session, group_ids: Iterable[str]) -> dict[str, list[SecurityGroupRule]]:
    """{group id: its rules}."""
    found: dict[str, list[SecurityGroupRule]] = {}
    query = sa.select(SecurityGroupRule).where(SecurityGroupRule.security_group_id.in_(list(group_ids)))
    for rule in tx.scalars(query.order_by(SecurityGroupRule.created_at, SecurityGroupRule.id)):
        found.setdefault(rule.security_group_id, []).append(rule)
    return found


def groups(tx: orm.Session, group_ids: Iterable[str]) -> list[SecurityGroup]:
    """Those of the groups that exist, by name."""
    return list(tx.scalars(sa.select(SecurityGroup).where(SecurityGroup.id.in_(set(group_ids))).order_by(SecurityGroup.name, SecurityGroup.id)))


def names(tx: orm.Session, group_ids: Iterable[str]) -> dict[str, str]:
    """{group id: name} of those that exist."""
    query = sa.select(SecurityGroup.id, SecurityGroup.name).where(SecurityGroup.id.in_(set(group_ids)))
    return {row.id: row.name for row in tx.execute(query)}


def port_with(tx: orm.Session, group_id: str) -> str | None:
    """The id of a port that has the group."""
    text = sa.cast(sa.type_coerce(Port.security_groups, sa.Text), sa.Text)
    return tx.scalar(sa.select(Port.id).where(text.contains(f'"{group_id}"')).limit(1))


def named(tx: orm.Session, project_id: str, references: Iterable[str]) -> dict[str, list[str]]:
    """{reference: ids of the project's groups with that id or name}; those that match none are left out."""
    wanted = set(references)
    found: dict[str, list[str]] = {}
    query = sa.select(SecurityGroup.id, SecurityGroup.name).where(
        SecurityGroup.project_id == project_id, sa.or_(SecurityGroup.id.in_(wanted), SecurityGroup.name.in_(wanted)))
    for row in tx.execute(query) if wanted else ():
        for reference in wanted & {row.id, row.name}:
            found.setdefault(reference, []).append(row.id)
    return found


def missing(tx: orm.Session, project_id: str, group_ids: Iterable[str]) -> str | None:
    """The first of the groups that is not the project's (its default group always is)."""
    wanted = [group_id for group_id in group_ids if group_id != default_id(project_id)]
    query = sa.select(SecurityGroup.id).where(SecurityGroup.id.in_(wanted), SecurityGroup.project_id == project_id)
    present = set(tx.scalars(query)) if wanted else set()
    return next((group_id for group_id in wanted if group_id not in present), None)


def delete_group(tx: orm.Session, group_id: str) -> None:
    """Remove the group with its rules."""
    tx.execute(sa.delete(SecurityGroup).where(SecurityGroup.id == group_id))
