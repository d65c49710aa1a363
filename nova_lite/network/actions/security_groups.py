"""What users ask about security groups. A project's default group is made when somebody first looks."""
from nova_lite.db import filtering
from nova_lite.db import securitygroups as db_securitygroups
from nova_lite.db.models.network import SecurityGroup, SecurityGroupRule
from nova_lite.network import errors
from nova_lite.network.actions.deps import Deps


def ensure_default(deps: Deps, project_id: str | None) -> None:
    """Make the project's default group, if it is missing."""
    if project_id is None:
        return
    with deps.db.read() as tx:
        present = db_securitygroups.names(tx, [db_securitygroups.default_id(project_id)])
    if not present:
        with deps.db.write() as tx:
            db_securitygroups.ensure_default(tx, project_id)


def list_all(deps: Deps, ctx, page: filtering.Page) -> tuple[list[SecurityGroup], dict[str, list[SecurityGroupRule]]]:
    """(groups, their rules by group id); the default group of each project asked for is among them."""
    for project_id in page.filters.get("project_id") or [ctx.project_id]:
        if ctx.is_admin or project_id == ctx.project_id:
            ensure_default(deps, project_id)
    with deps.db.read() as tx:
        groups = db_securitygroups.list_groups(tx, ctx, page)
        return groups, db_securitygroups.rules_of(tx, [group.id for group in groups])


def show(deps: Deps, ctx, group_id: str) -> tuple[SecurityGroup, list[SecurityGroupRule]]:
    """(the group, its rules). Raises SecurityGroupNotFound."""
    if ctx.project_id and group_id == db_securitygroups.default_id(ctx.project_id):
        ensure_default(deps, ctx.project_id)
    with deps.db.read() as tx:
        group = db_securitygroups.get_group(tx, ctx, group_id)
        if group is None:
            raise errors.SecurityGroupNotFound(group_id=group_id)
        return group, db_securitygroups.rules_of(tx, [group_id]).get(group_id, [])


def delete(deps: Deps, ctx, group_id: str) -> None:
    """Remove a group. Raises SecurityGroupNotFound, SecurityGroupInUse, SecurityGroupCannotRemoveDefault (not an administrator)."""
    with deps.db.write() as tx:
        group = db_securitygroups.get_group(tx, ctx, group_id)
        if group is None:
            raise errors.SecurityGroupNotFound(group_id=group_id)
        if group.name == db_securitygroups.DEFAULT_NAME and not ctx.is_admin:
            raise errors.SecurityGroupCannotRemoveDefault()
        if db_securitygroups.port_with(tx, group_id) is not None:
            raise errors.SecurityGroupInUse(group_id=group_id)
        db_securitygroups.delete_group(tx, group_id)


def list_rules(deps: Deps, ctx, page: filtering.Page) -> list[SecurityGroupRule]:
    """The rules of the caller's groups (of all, for administrators)."""
    ensure_default(deps, ctx.project_id)
    with deps.db.read() as tx:
        return db_securitygroups.list_rules(tx, ctx, page)


def show_rule(deps: Deps, ctx, rule_id: str) -> SecurityGroupRule:
    """Raises SecurityGroupRuleNotFound."""
    with deps.db.read() as tx:
        rule = db_securitygroups.get_rule(tx, ctx, rule_id)
    if rule is None:
        raise errors.SecurityGroupRuleNotFound(rule_id=rule_id)
    return rule
