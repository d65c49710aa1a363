"""/servers/{id}/tags: words that users mark their servers with (2.26 and later)."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.compute.server_body import TAG
from nova_lite.api.resource import Route
from nova_lite.compute.actions import details
from nova_lite.db import servers as servers_

POLICY = "os_compute_api:os-server-tags:"
LIST = "/v2.1/servers/{server_id}/tags"
ITEM = LIST + "/{id}"
TAGS = Body(None, (Param("tags", {"type": "array", "items": TAG, "maxItems": details.MAX_TAGS}, required=True),))
ONE_TAG = Body(None, schema=TAG)


def _tags(request, server_id: str) -> list[str]:
    with request.deps.db.read() as tx:
        servers_.get(tx, request.ctx, server_id)
        return servers_.tags(tx, [server_id]).get(server_id, [])


def index(request, server_id):
    """All tags."""
    return {"tags": _tags(request, server_id)}


def show(request, server_id, id):
    """204 when the server has the tag."""
    if id not in _tags(request, server_id):
        raise exception.NotFound(f"Server {server_id} has no tag '{id}'")


def update(request, server_id, id):
    """Add one tag: 201 with its URL, or 204 when the server had it."""
    ONE_TAG.validate(id, request.version)
    if details.add_tag(request.deps, request.ctx, server_id, id):
        request.status = 201
        request.headers["Location"] = f"{request.base_url}/v2.1/servers/{server_id}/tags/{id}"


def update_all(request, server_id):
    """Replace all tags."""
    return {"tags": details.replace_tags(request.deps, request.ctx, server_id, request.body["tags"])}


def delete(request, server_id, id):
    """Remove one tag."""
    details.remove_tag(request.deps, request.ctx, server_id, id)


def delete_all(request, server_id):
    """Remove all tags."""
    details.replace_tags(request.deps, request.ctx, server_id, [])


ROUTES = (
    Route("GET", LIST, index, POLICY + "index", since="2.26"),
    Route("PUT", LIST, update_all, POLICY + "update_all", body=TAGS, since="2.26"),
    Route("DELETE", LIST, delete_all, POLICY + "delete_all", success=204, since="2.26"),
    Route("GET", ITEM, show, POLICY + "show", success=204, since="2.26"),
    Route("PUT", ITEM, update, POLICY + "update", success=204, since="2.26"),
    Route("DELETE", ITEM, delete, POLICY + "delete", success=204, since="2.26"),
)
