"""/os-server-groups: servers to be kept near to or away from each other."""
from nova_lite.api import body, paging, resource
from nova_lite.api.body import Param
from nova_lite.api.compute import values
from nova_lite.api.view import Field, View
from nova_lite.compute.actions import server_groups as actions
from nova_lite.db import servergroups

POLICY = "os_compute_api:os-server-groups:"
HARD = ["anti-affinity", "affinity"]
ALL_POLICIES = [*HARD, "soft-anti-affinity", "soft-affinity"]
RULES = {"type": "object", "properties": {"max_server_per_host": values.POSITIVE}, "additionalProperties": False}


def _one_of(names: list[str]) -> dict:
    return {"type": "array", "items": [{"type": "string", "enum": names}], "uniqueItems": True, "minItems": 1, "maxItems": 1,
            "additionalItems": False}


CREATE = body.Body("server_group", (
    Param("name", values.NAME, required=True),
    Param("policies", _one_of(HARD), until="2.14", required=True),
    Param("policies", _one_of(ALL_POLICIES), since="2.15", until="2.63", required=True),
    Param("policy", {"type": "string", "enum": ALL_POLICIES}, since="2.64", required=True),
    Param("rules", RULES, since="2.64"),
))
LIST = body.Query((Param("all_projects", values.TEXT), Param("limit", values.NOT_NEGATIVE), Param("offset", values.NOT_NEGATIVE)),
                  strict_since="2.75")
GROUP = View(
    Field("id", lambda shown, _: shown[0].uuid),
    Field("name", lambda shown, _: shown[0].name),
    Field("policies", lambda shown, _: [shown[0].policy], until="2.63"),
    Field("metadata", lambda *_: {}, until="2.63"),
    Field("policy", lambda shown, _: shown[0].policy, since="2.64"),
    Field("rules", lambda shown, _: shown[0].rules, since="2.64"),
    Field("members", lambda shown, _: shown[1]),
    Field("project_id", lambda shown, _: shown[0].project_id, since="2.13"),
    Field("user_id", lambda shown, _: shown[0].user_id, since="2.13"),
)


def index(request) -> dict:
    """The groups of the caller's project; with ``all_projects``, for administrators, those of all."""
    everywhere = "all_projects" in request.query and request.can(POLICY + "index:all_projects")
    limit, offset = paging.limit_of(request, request.deps.max_limit), int(request.param("offset") or 0)
    with request.deps.db.read() as tx:
        found = servergroups.find(tx, None if everywhere else request.ctx.project_id, limit, offset)
        members = servergroups.members(tx, [group.id for group in found])
    return {"server_groups": [GROUP.render((group, members.get(group.id, [])), request) for group in found]}


def show(request, id: str) -> dict:
    """One group."""
    with request.deps.db.read() as tx:
        group = servergroups.get(tx, request.ctx, id)
        members = servergroups.members(tx, [group.id])
    return {"server_group": GROUP.render((group, members.get(group.id, [])), request)}


def create(request) -> dict:
    """A new, empty group."""
    wanted = request.body["server_group"]
    policy = wanted["policy"] if "policy" in wanted else wanted["policies"][0]
    rules = {name: int(value) for name, value in wanted.get("rules", {}).items()}
    return {"server_group": GROUP.render((actions.create(request.deps, request.ctx, wanted["name"], policy, rules), []), request)}


def delete(request, id: str) -> None:
    """Delete a group; its servers stay."""
    actions.delete(request.deps, request.ctx, id)


ALL, ONE = "/v2.1/os-server-groups", "/v2.1/os-server-groups/{id}"
ROUTES = (
    resource.Route("GET", ALL, index, POLICY + "index", query=LIST),
    resource.Route("POST", ALL, create, POLICY + "create", body=CREATE),
    resource.Route("GET", ONE, show, POLICY + "show"),
    resource.Route("DELETE", ONE, delete, POLICY + "delete", 204),
)
