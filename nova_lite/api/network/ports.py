"""Ports: list, show, create (one and many), update, delete."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.network import collection
from nova_lite.api.network.collection import COMMON, FLAG, NAME, UUID, flag, optional
from nova_lite.api.network.stamps import OWNER, STAMPS
from nova_lite.api.resource import Request, Route
from nova_lite.api.view import Field, View
from nova_lite.db import ports as db_ports
from nova_lite.network.actions import ports
from nova_lite.network.naming import bridge_name

BINDING = "create_port:binding"
MAC = {"type": "string", "pattern": "^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$"}
FIXED_IPS = {"type": ["array", "null"], "maxItems": 32, "items": {
    "type": "object", "properties": {"subnet_id": UUID, "ip_address": {"type": "string", "format": "ip"}}, "additionalProperties": False}}
EDITABLE = (Param("name", NAME), Param("description", NAME), Param("admin_state_up", FLAG), Param("device_id", NAME), Param("device_owner", NAME),
            Param("fixed_ips", FIXED_IPS), Param("mac_address", MAC), Param("security_groups", {"type": ["array", "null"], "items": UUID}),
            Param("binding:vnic_type", {"enum": ["normal"]}))
CREATE = Body("port", (*EDITABLE, Param("network_id", UUID, required=True), Param("project_id", NAME), Param("tenant_id", NAME)))
UPDATE = Body("port", EDITABLE)
COLUMNS = {"mac_address": "mac", **{name: name for name in ("name", "description", "admin_state_up", "device_id", "device_owner", "fixed_ips",
                                                            "security_groups", "network_id")}}
FILTERS = {**COMMON, "network_id": ("network_id", str), "mac_address": ("mac", str.lower), "status": ("status", str), "device_id": ("device_id", str),
           "device_owner": ("device_owner", str), "admin_state_up": ("admin_state_up", flag), "binding:host_id": ("host", optional)}
ADDRESS_FILTERS = ("ip_address", "ip_address_substr", "subnet_id")

VIEW = View(
    Field("id", "id"), Field("name", "name"), *OWNER, Field("network_id", "network_id"), Field("mac_address", "mac"),
    Field("admin_state_up", "admin_state_up"), Field("status", "status"), Field("device_id", "device_id"), Field("device_owner", "device_owner"),
    Field("security_groups", "security_groups"), Field("binding:vnic_type", lambda row, request: "normal"),
    Field("binding:host_id", lambda row, request: row.host or "", policy=BINDING),
    Field("binding:vif_type", lambda row, request: "bridge" if row.host else "unbound", policy=BINDING),
    Field("binding:vif_details", lambda row, request: {"bridge_name": bridge_name(row.network_id)} if row.host else {}, policy=BINDING),
    Field("binding:profile", lambda row, request: {}, policy=BINDING), *STAMPS)


def _views(request: Request, rows: list) -> list[dict]:
    with request.deps.db.read() as tx:
        held = db_ports.addresses_of(tx, [row.id for row in rows]) if rows else {}
    return [{**VIEW.render(row, request), "fixed_ips": held.get(row.id, [])} for row in rows]


def _view(request: Request, row) -> dict:
    return {"port": collection.chosen(request, _views(request, [row])[0])}


def _address_filters(texts: list[str]) -> list[tuple[str, list[str]]]:
    """``fixed_ips=ip_address=10.0.0.5`` and the like; values of one kind are alternatives."""
    found: dict[str, list[str]] = {}
    for text in texts:
        kind, _, value = text.partition("=")
        if kind not in ADDRESS_FILTERS:
            raise exception.Invalid(f"Invalid filter fixed_ips={text}: {', '.join(ADDRESS_FILTERS)} can be asked for.")
        found.setdefault(kind, []).append(value)
    return list(found.items())


def list_all(request: Request) -> dict:
    page = collection.page_of(request, FILTERS, beside=("fixed_ips", "security_groups"))
    with request.deps.db.read() as tx:
        rows = db_ports.list_ports(tx, request.ctx, page, fixed_ips=_address_filters(request.query.get("fixed_ips", [])),
                                   security_groups=request.query.get("security_groups", []))
    return collection.render(request, "ports", "/v2.0/ports", page, rows, _views(request, rows))


def show(request: Request, port_id: str) -> dict:
    with request.deps.db.read() as tx:
        row = db_ports.get_port(tx, request.ctx, port_id)
    return _view(request, row)


def _columns(request: Request, entry: dict) -> dict:
    if entry.get("device_owner", "").startswith("network:"):
        request.authorize(BINDING)
    columns = collection.columns_of(entry, COLUMNS)
    if "mac" in columns:
        columns["mac"] = columns["mac"].lower()
    return columns


def create(request: Request) -> dict:
    asked, many = collection.entries(request, CREATE, "ports")
    rows = ports.create(request.deps, request.ctx, [{**_columns(request, entry), "project_id": collection.owner_of(request, entry, "create_port")}
                                                    for entry in asked])
    views = _views(request, rows)
    return {"ports": views} if many else {"port": views[0]}


def update(request: Request, port_id: str) -> dict:
    asked = collection.change(request, UPDATE)
    return _view(request, ports.update(request.deps, request.ctx, port_id, _columns(request, asked), collection.guard(request, "update_port")))


def delete(request: Request, port_id: str) -> None:
    ports.delete(request.deps, request.ctx, port_id, collection.guard(request, "delete_port"))


ROUTES = (
    Route("GET", "/v2.0/ports", list_all, "get_port"),
    Route("POST", "/v2.0/ports", create, "create_port", 201),
    Route("GET", "/v2.0/ports/{port_id}", show, "get_port"),
    Route("PUT", "/v2.0/ports/{port_id}", update),
    Route("DELETE", "/v2.0/ports/{port_id}", delete, success=204),
)
