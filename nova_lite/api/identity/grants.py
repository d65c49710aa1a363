"""Grants: a user's roles on a project, on the domain and on the system; and the list of all role assignments."""
from nova_lite.api.identity import collection, roles
from nova_lite.api.resource import Request, Route
from nova_lite.db import identity as db
from nova_lite.identity import domains
from nova_lite.identity import roles as implied
from nova_lite.identity.actions import roles as actions
from nova_lite.identity.actions import tokens

# kind of target | its path, with ``{target_id}`` where there is more than one
TARGETS = (
    ("project", "/v3/projects/{target_id}/users/{user_id}/roles"),
    ("domain", "/v3/domains/{target_id}/users/{user_id}/roles"),
    ("system", "/v3/system/users/{user_id}/roles"),
)
FILTERS = {"user.id": "user_id", "role.id": "role_id"}
SCOPES = {"scope.project.id": "project", "scope.domain.id": "domain"}


def _handlers(kind: str) -> dict:
    """The five operations on one kind of target."""
    def put(request: Request, user_id: str, role_id: str, target_id: str = tokens.SYSTEM_TARGET) -> None:
        actions.grant(request.deps, user_id, kind, target_id, role_id)

    def check(request: Request, user_id: str, role_id: str, target_id: str = tokens.SYSTEM_TARGET) -> None:
        actions.check_grant(request.deps, user_id, kind, target_id, role_id)

    def revoke(request: Request, user_id: str, role_id: str, target_id: str = tokens.SYSTEM_TARGET) -> None:
        actions.revoke_grant(request.deps, user_id, kind, target_id, role_id)

    def list_all(request: Request, user_id: str, target_id: str = tokens.SYSTEM_TARGET) -> dict:
        found = actions.list_grants(request.deps, user_id, kind, target_id)
        return collection.render(request, "roles", request.http.path_info, found, roles.view)

    return {"put": put, "check": check, "revoke": revoke, "list": list_all}


def _rows(kind: str, path: str) -> list[Route]:
    do = _handlers(kind)
    return [
        Route("GET", path, do["list"], "identity:list_grants"),
        Route("PUT", path + "/{role_id}", do["put"], "identity:create_grant", 204),
        Route("GET", path + "/{role_id}", do["check"], "identity:check_grant", 204),
        Route("DELETE", path + "/{role_id}", do["revoke"], "identity:revoke_grant", 204),
    ]


# ---- role assignments ------------------------------------------------------------------------------------------------------
def _flag(request: Request, name: str) -> bool:
    return name in request.query and collection.is_true(request.param(name) or "")


def _assignment_filters(request: Request) -> dict[str, str]:
    filters = {column: request.param(name) for name, column in FILTERS.items() if request.param(name)}
    for name, kind in SCOPES.items():
        if request.param(name):
            filters |= {"target_kind": kind, "target_id": request.param(name)}
    if request.param("scope.system"):
        filters |= {"target_kind": "system", "target_id": tokens.SYSTEM_TARGET}
    return filters


def _scope(row, names: bool) -> dict:
    assignment = row[0]
    domain = {"id": domains.DEFAULT_ID} | ({"name": domains.DEFAULT_NAME} if names else {})
    if assignment.target_kind == "system":
        return {"system": {"all": True}}
    if assignment.target_kind == "domain":
        return {"domain": domain}
    return {"project": {"id": assignment.target_id} | ({"name": row[4], "domain": domain} if names else {})}


def _render(row, role_id: str, role_name: str, names: bool, request: Request) -> dict:
    assignment, user_name = row[0], row[1]
    where = {"project": f"projects/{assignment.target_id}", "domain": f"domains/{assignment.target_id}", "system": "system"}
    path = f"{where[assignment.target_kind]}/users/{assignment.user_id}/roles/{assignment.role_id}"
    domain = {"id": row[2], "name": domains.DEFAULT_NAME}
    return {"role": {"id": role_id} | ({"name": role_name} if names else {}),
            "user": {"id": assignment.user_id} | ({"name": user_name, "domain": domain} if names else {}),
            "scope": _scope(row, names), "links": {"assignment": f"{request.base_url}/v3/{path}"}}


def list_assignments(request: Request) -> dict:
    filters, names, effective = _assignment_filters(request), _flag(request, "include_names"), _flag(request, "effective")
    wanted = filters.pop("role_id", None) if effective else None
    found = [] if request.param("group.id") else actions.list_assignments(request.deps, filters)
    if not effective:
        rendered = [_render(row, row[0].role_id, row[3], names, request) for row in found]
    else:
        ids = {role.name: role.id for role in actions.list_all(request.deps, {}, db.Page())}
        rendered = [_render(row, ids[name], name, names, request) for row in found for name in implied.expand([row[3]])
                    if name in ids and wanted in (None, ids[name])]
    return {"role_assignments": rendered, "links": {"self": f"{request.base_url}/v3/role_assignments", "previous": None, "next": None}}


ROUTES = (
    *(route for kind, path in TARGETS for route in _rows(kind, path)),
    Route("GET", "/v3/role_assignments", list_assignments, "identity:list_role_assignments"),
)
