"""Networks: list, show, create (one and many), update, delete."""
from nova_lite.api.body import Body, Param
from nova_lite.api.network import collection
from nova_lite.api.network.collection import COMMON, FLAG, NAME, flag
from nova_lite.api.network.stamps import OWNER, STAMPS
from nova_lite.api.resource import Request, Route
from nova_lite.api.view import Field, View
from nova_lite.db import networks as db_networks
from nova_lite.network.actions import networks

SHARE, PROVIDER, SEE_PROVIDER = "create_network:shared", "create_network:provider", "get_network:provider"
MTU = {"type": "integer", "minimum": 576, "maximum": 65535}
EDITABLE = (Param("name", NAME), Param("description", NAME), Param("admin_state_up", FLAG), Param("shared", FLAG), Param("router:external", FLAG),
            Param("mtu", {"anyOf": [MTU, {"type": "integer", "enum": [0]}]}))
CREATE = Body("network", (*EDITABLE, Param("project_id", NAME), Param("tenant_id", NAME), Param("provider:network_type", {"enum": ["vxlan", None]}),
          Param("provider:segmentation_id", {"type": ["integer", "null"], "minimum": 1, "maximum": (1 << 24) - 1}),
          Param("provider:physical_network", {"type": "null"}), Param("is_default", {"enum": [False, None]})))
UPDATE = Body("network", EDITABLE)
COLUMNS = {"name": "name", "description": "description", "admin_state_up": "admin_state_up", "shared": "shared", "router:external": "external",
           "mtu": "mtu", "provider:segmentation_id": "vni"}
RESTRICTED = {"shared": SHARE, "router:external": SHARE, "provider:network_type": PROVIDER, "provider:segmentation_id": PROVIDER}
FILTERS = {**COMMON, "admin_state_up": ("admin_state_up", flag), "shared": ("shared", flag), "router:external": ("external", flag),
           "mtu": ("mtu", int), "provider:segmentation_id": ("vni", int)}

VIEW = View(
    Field("id", "id"), Field("name", "name"), *OWNER, Field("admin_state_up", "admin_state_up"), Field("mtu", "mtu"),
    Field("status", lambda row, request: "ACTIVE"), Field("shared", "shared"), Field("router:external", "external"),
    Field("provider:network_type", lambda row, request: "vxlan", policy=SEE_PROVIDER),
    Field("provider:physical_network", lambda row, request: None, policy=SEE_PROVIDER),
    Field("provider:segmentation_id", "vni", policy=SEE_PROVIDER), *STAMPS)


def _views(request: Request, rows: list) -> list[dict]:
    with request.deps.db.read() as tx:
        subnets = db_networks.subnets_of(tx, [row.id for row in rows]) if rows else {}
    return [{**VIEW.render(row, request), "subnets": [subnet.id for subnet in subnets.get(row.id, ())]} for row in rows]


def _view(request: Request, row) -> dict:
    return {"network": collection.chosen(request, _views(request, [row])[0])}


def list_all(request: Request) -> dict:
    page = collection.page_of(request, FILTERS, beside=("status",))
    rows = []
    if not collection.is_empty(request, "status", "ACTIVE"):
        with request.deps.db.read() as tx:
            rows = db_networks.list_networks(tx, request.ctx, page)
    return collection.render(request, "networks", "/v2.0/networks", page, rows, _views(request, rows))


def show(request: Request, network_id: str) -> dict:
    with request.deps.db.read() as tx:
        row = db_networks.get_network(tx, request.ctx, network_id)
    return _view(request, row)


def _columns(request: Request, entry: dict) -> dict:
    for name, rule in RESTRICTED.items():
        if entry.get(name):
            request.authorize(rule)
    return {name: value for name, value in collection.columns_of(entry, COLUMNS).items() if value is not None and (name, value) != ("mtu", 0)}


def create(request: Request) -> dict:
    asked, many = collection.entries(request, CREATE, "networks")
    rows = networks.create(request.deps, [{**_columns(request, entry), "project_id": collection.owner_of(request, entry, "create_network")}
                                          for entry in asked])
    views = _views(request, rows)
    return {"networks": views} if many else {"network": views[0]}


def update(request: Request, network_id: str) -> dict:
    asked = collection.change(request, UPDATE)
    row = networks.update(request.deps, request.ctx, network_id, _columns(request, asked), collection.guard(request, "update_network"))
    return _view(request, row)


def delete(request: Request, network_id: str) -> None:
    networks.delete(request.deps, request.ctx, network_id, collection.guard(request, "delete_network"))


ROUTES = (
    Route("GET", "/v2.0/networks", list_all, "get_network"),
    Route("POST", "/v2.0/networks", create, "create_network", 201),
    Route("GET", "/v2.0/networks/{network_id}", show, "get_network"),
    Route("PUT", "/v2.0/networks/{network_id}", update),
    Route("DELETE", "/v2.0/networks/{network_id}", delete, success=204),
)
