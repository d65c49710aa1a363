"""What operators ask of placement: why a server would go where, how many more fit, and how one came to its host."""
from nova_lite.compute.actions import references
from nova_lite.compute.actions.create import Wanted
from nova_lite.context import RequestContext
from nova_lite.db import flavors as flavors_
from nova_lite.db import servers as servers_


def explain(deps, ctx: RequestContext, wanted: Wanted, limit: int) -> dict:
    """Each host's verdict and weights for a create request, which is checked as if it were one; up to ``limit`` hosts. Changes nothing.

    Raises what a create request raises, quota apart, and RpcTimeout when no scheduler answers.
    """
    with deps.db.read() as tx:
        found = references.check(tx, ctx, deps, wanted)
    request = {"availability_zone": wanted.zone, "force_host": wanted.force_host, "force_node": wanted.force_node,
               "destination": wanted.destination, "hints": wanted.hints}
    return deps.scheduler.explain(ctx, flavor=found.flavor, image=found.image, request=request, image_id=found.image["id"],
                                  group_id=found.group.id if found.group is not None else None, limit=limit)


def capacity(deps, ctx: RequestContext, flavor_id: str) -> dict:
    """How many more servers of a flavor fit, and what binds. Raises FlavorNotFound, and RpcTimeout when no scheduler answers."""
    with deps.db.read() as tx:
        flavor = flavors_.snapshot(flavors_.get(tx, ctx, flavor_id))
    return {"flavor": flavor_id, **deps.scheduler.capacity(ctx, flavor=flavor)}


def decision(deps, ctx: RequestContext, server_id: str) -> dict | None:
    """How the scheduler came to a server's host, or why it found none; None for one that it has not decided on. Raises ServerNotFound."""
    with deps.db.read() as tx:
        return servers_.get(tx, ctx, server_id, deleted=ctx.is_admin).decision
