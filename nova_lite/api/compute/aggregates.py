"""Aggregates: sets of hosts that administrators make, with metadata; one with ``availability_zone`` is a zone."""
from nova_lite import clock
from nova_lite.api import body, resource
from nova_lite.api.body import Param
from nova_lite.api.compute import values
from nova_lite.api.view import Field, View
from nova_lite.compute.actions import aggregates as actions
from nova_lite.db import aggregates

POLICY = "os_compute_api:os-aggregates:"
ZONE = {"oneOf": [values.ZONE_NAME, {"type": "null"}]}
HOST = (Param("host", values.HOST_NAME, required=True),)
CREATE = body.Body("aggregate", (Param("name", values.NAME, required=True), Param("availability_zone", ZONE)))
UPDATE = body.Body("aggregate", (Param("name", {**values.NAME, "format": "name_with_spaces"}), Param("availability_zone", ZONE)),
                   rules={"anyOf": [{"required": ["name"]}, {"required": ["availability_zone"]}]})
ADD_HOST = body.Body("add_host", HOST)
REMOVE_HOST = body.Body("remove_host", HOST)
SET_METADATA = body.Body("set_metadata", (Param("metadata", values.METADATA_WITH_NULL, required=True),))

COLUMNS = (
    Field("id", "id"),
    Field("uuid", "uuid", since="2.41"),
    Field("name", "name"),
    Field("availability_zone", "availability_zone"),
    Field("created_at", lambda aggregate, _: clock.isoformat_micro(aggregate.created_at)),
    Field("updated_at", lambda aggregate, _: clock.isoformat_micro(aggregate.updated_at)),
    Field("deleted", lambda *_: False),
    Field("deleted_at", lambda *_: None),
)
NEW = View(*COLUMNS)
FULL = View(
    *COLUMNS,
    Field("metadata", "meta"),
    Field("hosts", lambda aggregate, _: sorted(row.host for row in aggregate.hosts)),
)


def _number(aggregate_id: str) -> int:
    return values.number(aggregate_id, "id")


def _full(request, aggregate) -> dict:
    return {"aggregate": FULL.render(aggregate, request)}


def index(request) -> dict:
    """All aggregates."""
    with request.deps.db.read() as tx:
        return {"aggregates": [FULL.render(aggregate, request) for aggregate in aggregates.find(tx)]}


def show(request, aggregate_id: str) -> dict:
    """One aggregate."""
    number = _number(aggregate_id)
    with request.deps.db.read() as tx:
        return _full(request, aggregates.get(tx, number))


def create(request) -> dict:
    """A new, empty aggregate."""
    wanted = request.body["aggregate"]
    return {"aggregate": NEW.render(actions.create(request.deps, wanted["name"], wanted.get("availability_zone")), request)}


def update(request, aggregate_id: str) -> dict:
    """Change name and zone."""
    changes = dict(request.body["aggregate"])
    if "name" in changes:
        changes["name"] = changes["name"].strip()
    return _full(request, actions.update(request.deps, request.ctx, _number(aggregate_id), changes))


def delete(request, aggregate_id: str) -> None:
    """Delete an empty aggregate."""
    actions.delete(request.deps, _number(aggregate_id))


def add_host(request, aggregate_id: str) -> dict:
    """Put a host in."""
    return _full(request, actions.add_host(request.deps, request.ctx, _number(aggregate_id), request.body["add_host"]["host"]))


def remove_host(request, aggregate_id: str) -> dict:
    """Take a host out."""
    return _full(request, actions.remove_host(request.deps, request.ctx, _number(aggregate_id), request.body["remove_host"]["host"]))


def set_metadata(request, aggregate_id: str) -> dict:
    """Change metadata; null removes a key."""
    return _full(request, actions.set_metadata(request.deps, request.ctx, _number(aggregate_id), request.body["set_metadata"]["metadata"]))


ALL, ONE = "/v2.1/os-aggregates", "/v2.1/os-aggregates/{aggregate_id}"
ROUTES = (
    resource.Route("GET", ALL, index, POLICY + "index"),
    resource.Route("POST", ALL, create, POLICY + "create", body=CREATE),
    resource.Route("GET", ONE, show, POLICY + "show"),
    resource.Route("PUT", ONE, update, POLICY + "update", body=UPDATE),
    resource.Route("DELETE", ONE, delete, POLICY + "delete"),
    resource.Route("POST", f"{ONE}/action", add_host, POLICY + "add_host", body=ADD_HOST, action="add_host"),
    resource.Route("POST", f"{ONE}/action", remove_host, POLICY + "remove_host", body=REMOVE_HOST, action="remove_host"),
    resource.Route("POST", f"{ONE}/action", set_metadata, POLICY + "set_metadata", body=SET_METADATA, action="set_metadata"),
)
