"""Roles: create, show, list, change, delete; and which role implies which (fixed, see ``identity.roles``)."""
from nova_lite.api.body import Body, Param
from nova_lite.api.identity import collection
from nova_lite.api.resource import Request, Route
from nova_lite.db import identity as db
from nova_lite.db.models.identity import Role
from nova_lite.identity import roles as implied
from nova_lite.identity.actions import roles

NAME = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"[\S]+"}
DESCRIPTION = Param("description", {"type": ["string", "null"]})
OPTIONS = Param("options", {"type": "object"})
DOMAIN = Param("domain_id", {"type": "null"})
CREATE = Body("role", (Param("name", NAME, required=True), DESCRIPTION, DOMAIN, OPTIONS))
UPDATE = Body("role", (Param("name", NAME), DESCRIPTION, DOMAIN, OPTIONS))


def view(role: Role, request: Request) -> dict:
    """A role as the API shows it."""
    return {"id": role.id, "name": role.name, "domain_id": None, "description": role.description, "options": {},
            "links": {"self": f"{request.base_url}/v3/roles/{role.id}"}}


def _brief(role: Role, request: Request) -> dict:
    return {"id": role.id, "name": role.name, "links": {"self": f"{request.base_url}/v3/roles/{role.id}"}}


def create(request: Request) -> dict:
    asked = request.body["role"]
    return {"role": view(roles.create(request.deps, asked["name"], asked.get("description")), request)}


def list_all(request: Request) -> dict:
    found = []
    if not request.param("domain_id"):
        found = roles.list_all(request.deps, collection.filters_of(request, ("name",)), collection.page_of(request))
    return collection.render(request, "roles", "/v3/roles", found, view)


def show(request: Request, role_id: str) -> dict:
    return {"role": view(roles.show(request.deps, role_id), request)}


def update(request: Request, role_id: str) -> dict:
    asked = {name: value for name, value in request.body["role"].items() if name in ("name", "description")}
    return {"role": view(roles.update(request.deps, role_id, **asked), request)}


def delete(request: Request, role_id: str) -> None:
    roles.delete(request.deps, role_id)


def _inference(prior: Role, everybody: dict[str, Role], request: Request) -> dict:
    return {"prior_role": _brief(prior, request),
            "implies": [_brief(everybody[name], request) for name in implied.IMPLIES.get(prior.name, ()) if name in everybody]}


def _by_name(request: Request) -> dict[str, Role]:
    return {role.name: role for role in roles.list_all(request.deps, {}, db.Page())}


def list_inferences(request: Request) -> dict:
    everybody = _by_name(request)
    found = [_inference(role, everybody, request) for name, role in sorted(everybody.items()) if name in implied.IMPLIES]
    return {"role_inferences": found, "links": {"self": f"{request.base_url}/v3/role_inferences"}}


def list_implied(request: Request, role_id: str) -> dict:
    prior = roles.show(request.deps, role_id)
    return {"role_inference": _inference(prior, _by_name(request), request),
            "links": {"self": f"{request.base_url}/v3/roles/{role_id}/implies"}}


ROUTES = (
    Route("POST", "/v3/roles", create, "identity:create_role", 201, CREATE),
    Route("GET", "/v3/roles", list_all, "identity:list_roles"),
    Route("GET", "/v3/roles/{role_id}", show, "identity:get_role"),
    Route("PATCH", "/v3/roles/{role_id}", update, "identity:update_role", 200, UPDATE),
    Route("DELETE", "/v3/roles/{role_id}", delete, "identity:delete_role", 204),
    Route("GET", "/v3/roles/{role_id}/implies", list_implied, "identity:get_role"),
    Route("GET", "/v3/role_inferences", list_inferences, "identity:list_roles"),
)
