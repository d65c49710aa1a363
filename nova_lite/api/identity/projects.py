"""Projects: create, show, list, change, delete. Projects have no children: their parent is the domain."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.identity import collection
from nova_lite.api.resource import Request, Route
from nova_lite.db.models.identity import Project
from nova_lite.identity import domains
from nova_lite.identity.actions import projects

COLUMNS = ("name", "description", "enabled", "tags")
TEXT = {"type": ["string", "null"]}
KNOWN = (*COLUMNS, "id", "domain_id", "parent_id", "is_domain", "links", "options")


def _fields(required: bool) -> tuple[Param, ...]:
    return (Param("name", {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"[\S]+"}, required=required),
            Param("description", TEXT), Param("enabled", {"type": "boolean"}), Param("domain_id", TEXT), Param("parent_id", TEXT),
            Param("is_domain", {"type": "boolean"}), Param("options", {"type": "object"}),
            Param("tags", {"type": "array", "maxItems": 80, "uniqueItems": True,
                           "items": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,/]*$"}}))


CREATE = Body("project", _fields(required=True), extra=True)
UPDATE = Body("project", _fields(required=False), extra=True)


def view(project: Project, request: Request) -> dict:
    """A project as the API shows it."""
    return {**project.extra, "id": project.id, "name": project.name, "domain_id": project.domain_id, "description": project.description,
            "enabled": project.enabled, "parent_id": project.domain_id, "is_domain": False, "tags": project.tags, "options": {},
            "links": {"self": f"{request.base_url}/v3/projects/{project.id}"}}


def _columns(asked: dict) -> dict:
    if asked.get("is_domain"):
        raise exception.Forbidden(domains_refusal())
    domain_id = asked.get("domain_id") or domains.DEFAULT_ID
    if asked.get("parent_id") not in (None, domain_id):
        raise exception.Invalid("Projects inside projects are not supported: parent_id must be the domain's id.")
    columns = {name: asked[name] for name in COLUMNS if name in asked}
    if "description" in columns:
        columns["description"] = columns["description"] or ""
    return columns


def domains_refusal() -> str:
    """Why no domain is made."""
    return f"This cloud has the one domain {domains.DEFAULT_NAME}; domains cannot be created, changed or deleted."


def create(request: Request) -> dict:
    asked = request.body["project"]
    project = projects.create(request.deps, domain_id=asked.get("domain_id") or domains.DEFAULT_ID,
                              extra=collection.extra_of(asked, KNOWN), **_columns(asked))
    return {"project": view(project, request)}


def list_all(request: Request) -> dict:
    filters = collection.filters_of(request, ("name", "domain_id", "enabled"))
    parent = request.param("parent_id")
    found = []
    if parent in (None, domains.DEFAULT_ID) and not collection.is_true(request.param("is_domain", "false")):
        found = projects.list_all(request.deps, filters, collection.page_of(request))
    return collection.render(request, "projects", "/v3/projects", found, view)


def show(request: Request, project_id: str) -> dict:
    request.authorize("identity:get_project", {"project_id": project_id, "user_id": None})
    return {"project": view(projects.show(request.deps, project_id), request)}


def update(request: Request, project_id: str) -> dict:
    asked = request.body["project"]
    if asked.get("domain_id") not in (None, domains.DEFAULT_ID):
        raise exception.Invalid("Cannot change the domain of a project.")
    project = projects.update(request.deps, project_id, collection.extra_of(asked, KNOWN), **_columns(asked))
    return {"project": view(project, request)}


def delete(request: Request, project_id: str) -> None:
    projects.delete(request.deps, project_id)


ROUTES = (
    Route("POST", "/v3/projects", create, "identity:create_project", 201, CREATE),
    Route("GET", "/v3/projects", list_all, "identity:list_projects"),
    Route("GET", "/v3/projects/{project_id}", show),
    Route("PATCH", "/v3/projects/{project_id}", update, "identity:update_project", 200, UPDATE),
    Route("DELETE", "/v3/projects/{project_id}", delete, "identity:delete_project", 204),
)
