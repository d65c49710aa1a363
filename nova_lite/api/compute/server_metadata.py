"""/servers/{id}/metadata: a server's own key-value pairs."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.compute import values
from nova_lite.api.compute.servers import ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import details
from nova_lite.db import servers as servers_

POLICY = "os_compute_api:server-metadata:"
LIST = "/v2.1/servers/{server_id}/metadata"
ITEM = LIST + "/{id}"
ITEMS = Body(None, (Param("metadata", values.METADATA, required=True),))
ONE = Body(None, (Param("meta", {**values.METADATA, "minProperties": 1, "maxProperties": 1}, required=True),))


def _metadata(request, server_id: str) -> dict:
    with request.deps.db.read() as tx:
        return servers_.get(tx, request.ctx, server_id).meta


def index(request, server_id):
    """All items."""
    return {"metadata": _metadata(request, server_id)}


def create(request, server_id):
    """Add items."""
    return _change(request, server_id, replace=False)


def update_all(request, server_id):
    """Replace all items."""
    return _change(request, server_id, replace=True)


def _change(request, server_id: str, replace: bool) -> dict:
    return {"metadata": details.change_metadata(request.deps, request.ctx, server_id, request.body["metadata"], replace, ignores_lock(request))}


def show(request, server_id, id):
    """One item."""
    metadata = _metadata(request, server_id)
    if id not in metadata:
        raise exception.NotFound("Metadata item was not found")
    return {"meta": {id: metadata[id]}}


def update(request, server_id, id):
    """Set one item; the body must name the same key as the URL."""
    if id not in request.body["meta"]:
        raise exception.Invalid("Request body and URI mismatch")
    details.change_metadata(request.deps, request.ctx, server_id, request.body["meta"], False, ignores_lock(request))
    return {"meta": request.body["meta"]}


def delete(request, server_id, id):
    """Remove one item."""
    details.delete_metadata(request.deps, request.ctx, server_id, id, ignores_lock(request))


ROUTES = (
    Route("GET", LIST, index, POLICY + "index"),
    Route("POST", LIST, create, POLICY + "create", body=ITEMS),
    Route("PUT", LIST, update_all, POLICY + "update_all", body=ITEMS),
    Route("GET", ITEM, show, POLICY + "show"),
    Route("PUT", ITEM, update, POLICY + "update", body=ONE),
    Route("DELETE", ITEM, delete, POLICY + "delete", success=204),
)
