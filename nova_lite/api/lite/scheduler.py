"""/v1/scheduler and /v1/servers/{id}/decision: placement explained to operators."""
import dataclasses

from nova_lite.api import body, paging
from nova_lite.api.body import Param
from nova_lite.api.compute import server_body, servers, values
from nova_lite.api.resource import Route
from nova_lite.compute.actions import placement

POLICY = "nova_lite:scheduler:"
EXPLAIN = body.Query((Param("limit", values.NOT_NEGATIVE), Param("project_id", values.TEXT)), strict_since="2.1")
CAPACITY = body.Query((Param("flavor", values.TEXT, required=True),), strict_since="2.1")


def explain(request) -> dict:
    """``POST /v1/scheduler/explain``: a create body; each host's verdict and weights. ``project_id``: for a server of that project."""
    wanted = servers.wanted(request, request.body["server"])
    ctx = dataclasses.replace(request.ctx, project_id=request.param("project_id") or request.ctx.project_id)
    return placement.explain(request.deps, ctx, wanted, paging.limit_of(request, request.deps.max_limit))


def capacity(request) -> dict:
    """``GET /v1/scheduler/capacity?flavor=``: how many more servers of a flavor fit, and what binds."""
    return placement.capacity(request.deps, request.ctx, request.param("flavor"))


def decision(request, id: str) -> dict:
    """``GET /v1/servers/{id}/decision``: how the scheduler came to the server's host."""
    return {"decision": placement.decision(request.deps, request.ctx, id)}


ROUTES = (
    Route("POST", "/v1/scheduler/explain", explain, POLICY + "explain", body=server_body.CREATE, query=EXPLAIN),
    Route("GET", "/v1/scheduler/capacity", capacity, POLICY + "capacity", query=CAPACITY),
    Route("GET", "/v1/servers/{id}/decision", decision, POLICY + "decision"),
)
