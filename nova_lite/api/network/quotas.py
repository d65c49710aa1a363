"""Network quotas of a project: limits, defaults, and limits with what is used; set and reset by administrators."""
from nova_lite.api.body import Body, Param
from nova_lite.api.network import collection
from nova_lite.api.resource import Request, Route
from nova_lite.db import networks as db_networks
from nova_lite.db.models import network as models
from nova_lite.network.actions import quotas

# name in this API | resource | what is counted
RESOURCES = (("network", "networks", models.Network), ("subnet", "subnets", models.Subnet), ("port", "ports", models.Port),
             ("security_group", "security_groups", models.SecurityGroup), ("security_group_rule", "security_group_rules", models.SecurityGroupRule))
LIMIT = {"type": ["integer", "string"], "pattern": "^-?[0-9]+$", "minimum": -1, "maximum": 0x7FFFFFFF}
UPDATE = Body("quota", (*(Param(name, LIMIT) for name, _, _ in RESOURCES), Param("check_limit", collection.FLAG), Param("force", collection.FLAG)))


def _authorize(request: Request, project_id: str) -> None:
    request.authorize("get_quota", {"project_id": project_id, "user_id": None})


def show(request: Request, project_id: str) -> dict:
    _authorize(request, project_id)
    with request.deps.db.read() as tx:
        limits = request.deps.limits(tx, project_id)
    return {"quota": {name: limits.get(resource, -1) for name, resource, _ in RESOURCES}}


def defaults(request: Request, project_id: str) -> dict:
    _authorize(request, project_id)
    return {"quota": {name: request.deps.quotas.get(resource, -1) for name, resource, _ in RESOURCES}}


def details(request: Request, project_id: str) -> dict:
    _authorize(request, project_id)
    with request.deps.db.read() as tx:
        limits = request.deps.limits(tx, project_id)
        used = {name: db_networks.count(tx, model, project_id) for name, _, model in RESOURCES}
    return {"quota": {name: {"limit": limits.get(resource, -1), "used": used[name], "reserved": 0} for name, resource, _ in RESOURCES}}


def update(request: Request, project_id: str) -> dict:
    asked = collection.change(request, UPDATE)
    changes = [(resource, int(asked[name]), model) for name, resource, model in RESOURCES if name in asked]
    quotas.update(request.deps, project_id, changes, check=asked.get("check_limit", False))
    return show(request, project_id)


def delete(request: Request, project_id: str) -> None:
    quotas.reset(request.deps, project_id)


ROUTES = (
    Route("GET", "/v2.0/quotas/{project_id}", show),
    Route("PUT", "/v2.0/quotas/{project_id}", update, "update_quota"),
    Route("DELETE", "/v2.0/quotas/{project_id}", delete, "delete_quota", 204),
    Route("GET", "/v2.0/quotas/{project_id}/default", defaults),
    Route("GET", "/v2.0/quotas/{project_id}/details", details),
)
