"""Making and deleting server groups, each with its quota in the same transaction."""
import uuid

from nova_lite import exception
from nova_lite.compute import quota
from nova_lite.context import RequestContext
from nova_lite.db import servergroups
from nova_lite.db.models import ServerGroup

ANTI_AFFINITY = "anti-affinity"


def create(deps, ctx: RequestContext, name: str, policy: str, rules: dict) -> ServerGroup:
    """A new group of the caller's project. Raises Invalid for rules that the policy does not have, and QuotaExceeded."""
    if rules and policy != ANTI_AFFINITY:
        raise exception.Invalid("Only anti-affinity policy supports rules.")
    group = ServerGroup(uuid=str(uuid.uuid4()), project_id=ctx.project_id, user_id=ctx.user_id, name=name, policy=policy, rules=rules)
    with deps.db.write() as tx:
        quota.take_server_group(tx, ctx.project_id, ctx.user_id, deps.quota_defaults)
        servergroups.add(tx, group)
    return group


def delete(deps, ctx: RequestContext, group_id: str) -> None:
    """Delete a group; its servers stay. Raises ServerGroupNotFound."""
    with deps.db.write() as tx:
        group = servergroups.get(tx, ctx, group_id)
        if not servergroups.delete(tx, group):
            raise exception.ServerGroupNotFound(group_id=group_id)
        quota.give_back(tx, group.project_id, {"server_groups": 1})
