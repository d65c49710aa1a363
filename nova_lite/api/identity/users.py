"""Users: create, show, list, change, delete; a user's projects and password. Groups are none, and said so."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.identity import collection, projects
from nova_lite.api.resource import Request, Route
from nova_lite.db.models.identity import User
from nova_lite.identity import domains
from nova_lite.identity.actions import users

NAME = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"[\S]+"}
PASSWORD = {"type": ["string", "null"], "minLength": 1, "maxLength": 4096}
REFERENCE = {"type": ["string", "null"], "maxLength": 64}
COLUMNS = ("name", "enabled", "default_project_id")
KNOWN = (*COLUMNS, "id", "domain_id", "password", "links", "options", "password_expires_at", "federated")


def _fields(required: bool) -> tuple[Param, ...]:
    return (Param("name", NAME, required=required), Param("password", PASSWORD), Param("enabled", {"type": "boolean"}),
            Param("domain_id", {"type": "string"}), Param("default_project_id", REFERENCE), Param("description", {"type": ["string", "null"]}),
            Param("email", {"type": ["string", "null"]}), Param("options", {"type": "object"}))


CREATE = Body("user", _fields(required=True), extra=True)
UPDATE = Body("user", _fields(required=False), extra=True)
CHANGE_PASSWORD = Body("user", (Param("original_password", {"type": "string"}, required=True),
                                Param("password", {**PASSWORD, "type": "string"}, required=True)))


def view(user: User, request: Request) -> dict:
    """A user as the API shows it."""
    return {**user.extra, "id": user.id, "name": user.name, "domain_id": user.domain_id, "enabled": user.enabled,
            "default_project_id": user.default_project_id, "password_expires_at": None, "options": {},
            "links": {"self": f"{request.base_url}/v3/users/{user.id}"}}


def _authorize(request: Request, rule: str, user_id: str) -> None:
    request.authorize(rule, {"user_id": user_id, "project_id": None})


def create(request: Request) -> dict:
    asked = request.body["user"]
    columns = {name: asked[name] for name in COLUMNS if name in asked and name != "name"}
    user = users.create(request.deps, asked["name"], asked.get("password"), asked.get("domain_id", domains.DEFAULT_ID),
                        extra=collection.extra_of(asked, KNOWN), **columns)
    return {"user": view(user, request)}


def list_all(request: Request) -> dict:
    filters = collection.filters_of(request, ("name", "domain_id", "enabled"))
    return collection.render(request, "users", "/v3/users", users.list_all(request.deps, filters, collection.page_of(request)), view)


def show(request: Request, user_id: str) -> dict:
    _authorize(request, "identity:get_user", user_id)
    return {"user": view(users.show(request.deps, user_id), request)}


def update(request: Request, user_id: str) -> dict:
    asked = request.body["user"]
    if asked.get("domain_id", domains.DEFAULT_ID) != domains.DEFAULT_ID:
        raise exception.Invalid("Cannot change the domain of a user.")
    columns = {name: asked[name] for name in COLUMNS if name in asked}
    user = users.update(request.deps, user_id, asked.get("password"), collection.extra_of(asked, KNOWN), **columns)
    return {"user": view(user, request)}


def delete(request: Request, user_id: str) -> None:
    users.delete(request.deps, user_id)


def change_password(request: Request, user_id: str) -> None:
    _authorize(request, "identity:change_password", user_id)
    asked = request.body["user"]
    users.change_password(request.deps, user_id, asked["original_password"], asked["password"])


def list_projects(request: Request, user_id: str) -> dict:
    _authorize(request, "identity:list_user_projects", user_id)
    filters = collection.filters_of(request, ("name", "domain_id", "enabled"))
    found = users.list_projects(request.deps, user_id, filters, collection.page_of(request))
    return collection.render(request, "projects", f"/v3/users/{user_id}/projects", found, projects.view)


def list_groups_of(request: Request, user_id: str) -> dict:
    _authorize(request, "identity:get_user", user_id)
    users.show(request.deps, user_id)
    return collection.render(request, "groups", f"/v3/users/{user_id}/groups", [], view)


def list_groups(request: Request) -> dict:
    return collection.render(request, "groups", "/v3/groups", [], view)


def show_group(request: Request, group_id: str) -> dict:
    raise exception.NotFound(f"Could not find group: {group_id}.")


ROUTES = (
    Route("POST", "/v3/users", create, "identity:create_user", 201, CREATE),
    Route("GET", "/v3/users", list_all, "identity:list_users"),
    Route("GET", "/v3/users/{user_id}", show),
    Route("PATCH", "/v3/users/{user_id}", update, "identity:update_user", 200, UPDATE),
    Route("DELETE", "/v3/users/{user_id}", delete, "identity:delete_user", 204),
    Route("POST", "/v3/users/{user_id}/password", change_password, None, 204, CHANGE_PASSWORD),
    Route("GET", "/v3/users/{user_id}/projects", list_projects),
    Route("GET", "/v3/users/{user_id}/groups", list_groups_of),
    Route("GET", "/v3/groups", list_groups, "identity:list_users"),
    Route("GET", "/v3/groups/{group_id}", show_group, "identity:list_users"),
)
