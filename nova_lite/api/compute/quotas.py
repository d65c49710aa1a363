"""Quota sets: the limits of a project, or with ``?user_id=`` of a user in it, and what is used of them."""
from nova_lite.api import body, resource
from nova_lite.api.body import Param
from nova_lite.api.compute import quota_fields, values
from nova_lite.api.view import View
from nova_lite.compute import quota
from nova_lite.compute.actions import quotas as actions

POLICY = "os_compute_api:os-quota-sets:"
UPDATE = body.Body("quota_set", (*quota_fields.SET_PARAMS, Param("force", values.BOOLEAN)))
OF_USER = body.Query((Param("user_id", values.TEXT),), strict_since="2.75")
SET = View(*quota_fields.SET_FIELDS)


def _authorize(request, verb: str, project_id: str) -> None:
    if project_id != request.ctx.project_id:
        request.authorize(POLICY + verb, {"project_id": project_id, "user_id": request.ctx.user_id})


def _limits(request, project_id: str, user_id: str | None) -> dict[str, int]:
    with request.deps.db.read() as tx:
        return quota.limits(tx, project_id, user_id, quota_fields.defaults(request)).effective


def show(request, project_id: str) -> dict:
    """The limits."""
    _authorize(request, "show", project_id)
    return {"quota_set": {"id": project_id, **SET.render(_limits(request, project_id, request.param("user_id")), request)}}


def detail(request, project_id: str) -> dict:
    """The limits and what is used of them."""
    _authorize(request, "detail", project_id)
    user_id = request.param("user_id")
    with request.deps.db.read() as tx:
        limits = quota.limits(tx, project_id, user_id, quota_fields.defaults(request)).effective
        used = quota.used(tx, project_id, user_id)
    known = {name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0} for name, limit in limits.items()}
    return {"quota_set": {"id": project_id, **SET.render(known, request)}}


def defaults(request, project_id: str) -> dict:
    """The limits of a project that has none of its own."""
    _authorize(request, "defaults", project_id)
    with request.deps.db.read() as tx:
        limits = quota.class_limits(tx, "default", quota_fields.defaults(request))
    return {"quota_set": {"id": project_id, **SET.render(limits, request)}}


def update(request, project_id: str) -> dict:
    """Set limits."""
    _authorize(request, "update", project_id)
    asked, user_id = request.body["quota_set"], request.param("user_id")
    actions.update(request.deps, project_id, user_id, quota_fields.changes(asked), quota_fields.defaults(request),
                   force=values.truth(asked.get("force", False)))
    return {"quota_set": SET.render(_limits(request, project_id, user_id), request)}


def delete(request, project_id: str) -> None:
    """Back to the defaults."""
    _authorize(request, "delete", project_id)
    actions.reset(request.deps, project_id, request.param("user_id"))


ROUTES = (
    resource.Route("GET", "/v2.1/os-quota-sets/{project_id}", show, POLICY + "show", query=OF_USER),
    resource.Route("PUT", "/v2.1/os-quota-sets/{project_id}", update, POLICY + "update", body=UPDATE, query=OF_USER),
    resource.Route("DELETE", "/v2.1/os-quota-sets/{project_id}", delete, POLICY + "delete", 202, query=OF_USER),
    resource.Route("GET", "/v2.1/os-quota-sets/{project_id}/detail", detail, POLICY + "detail", query=OF_USER),
    resource.Route("GET", "/v2.1/os-quota-sets/{project_id}/defaults", defaults, POLICY + "defaults"),
)
