"""Subnets: list, show, create (one and many), update, delete."""
from nova_lite.api.body import Body, Param
from nova_lite.api.network import collection
from nova_lite.api.network.collection import COMMON, FLAG, NAME, UUID, flag, optional
from nova_lite.api.network.stamps import OWNER, STAMPS
from nova_lite.api.resource import Request, Route
from nova_lite.api.view import Field, View
from nova_lite.db import networks as db_networks
from nova_lite.network.actions import subnets

ADDRESS = {"type": "string", "format": "ip"}
CIDR = {"type": "string", "format": "cidr"}
POOLS = {"type": ["array", "null"], "items": {
    "type": "object", "properties": {"start": ADDRESS, "end": ADDRESS}, "required": ["start", "end"], "additionalProperties": False}}
ROUTE_LIST = {"type": ["array", "null"], "items": {
    "type": "object", "properties": {"destination": CIDR, "nexthop": ADDRESS}, "required": ["destination", "nexthop"], "additionalProperties": False}}
MODE = {"enum": ["dhcpv6-stateful", None]}
EDITABLE = (Param("name", NAME), Param("description", NAME), Param("enable_dhcp", FLAG), Param("gateway_ip", {"anyOf": [ADDRESS, {"type": "null"}]}),
            Param("allocation_pools", POOLS), Param("host_routes", ROUTE_LIST),
            Param("dns_nameservers", {"type": ["array", "null"], "items": ADDRESS, "uniqueItems": True}))
CREATE = Body("subnet", (*EDITABLE, Param("network_id", UUID, required=True), Param("cidr", CIDR, required=True),
          Param("ip_version", {"type": ["integer", "string"], "enum": [4, 6, "4", "6"]}, required=True), Param("project_id", NAME),
          Param("tenant_id", NAME), Param("ipv6_ra_mode", MODE), Param("ipv6_address_mode", MODE), Param("subnetpool_id", {"type": "null"})))
UPDATE = Body("subnet", EDITABLE)
COLUMNS = {name: name for name in ("name", "description", "enable_dhcp", "gateway_ip", "allocation_pools", "host_routes", "dns_nameservers",
                                   "network_id", "cidr", "ip_version", "ipv6_ra_mode", "ipv6_address_mode")}
FILTERS = {**COMMON, "network_id": ("network_id", str), "cidr": ("cidr", str), "ip_version": ("ip_version", int),
           "gateway_ip": ("gateway_ip", optional), "enable_dhcp": ("enable_dhcp", flag), "ipv6_ra_mode": ("ipv6_ra_mode", optional),
           "ipv6_address_mode": ("ipv6_address_mode", optional)}

VIEW = View(
    Field("id", "id"), Field("name", "name"), *OWNER, Field("network_id", "network_id"), Field("ip_version", "ip_version"), Field("cidr", "cidr"),
    Field("gateway_ip", "gateway_ip"), Field("enable_dhcp", "enable_dhcp"), Field("allocation_pools", "allocation_pools"),
    Field("dns_nameservers", "dns_nameservers"), Field("host_routes", "host_routes"), Field("ipv6_ra_mode", "ipv6_ra_mode"),
    Field("ipv6_address_mode", "ipv6_address_mode"), Field("subnetpool_id", lambda row, request: None), *STAMPS)


def _columns(entry: dict) -> dict:
    columns = {name: value for name, value in collection.columns_of(entry, COLUMNS).items() if value is not None or name == "gateway_ip"}
    if "ip_version" in columns:
        columns["ip_version"] = int(columns["ip_version"])
    return columns


def list_all(request: Request) -> dict:
    page = collection.page_of(request, FILTERS)
    with request.deps.db.read() as tx:
        rows = db_networks.list_subnets(tx, request.ctx, page)
    return collection.render(request, "subnets", "/v2.0/subnets", page, rows, [VIEW.render(row, request) for row in rows])


def show(request: Request, subnet_id: str) -> dict:
    with request.deps.db.read() as tx:
        row = db_networks.get_subnet(tx, request.ctx, subnet_id)
    return {"subnet": collection.chosen(request, VIEW.render(row, request))}


def create(request: Request) -> dict:
    asked, many = collection.entries(request, CREATE, "subnets")
    for entry in asked:
        collection.owner_of(request, entry, "create_subnet")
    rows = subnets.create(request.deps, request.ctx, [_columns(entry) for entry in asked], collection.guard(request, "create_subnet"))
    views = [VIEW.render(row, request) for row in rows]
    return {"subnets": views} if many else {"subnet": views[0]}


def update(request: Request, subnet_id: str) -> dict:
    asked = collection.change(request, UPDATE)
    row = subnets.update(request.deps, request.ctx, subnet_id, _columns(asked), collection.guard(request, "update_subnet"))
    return {"subnet": VIEW.render(row, request)}


def delete(request: Request, subnet_id: str) -> None:
    subnets.delete(request.deps, request.ctx, subnet_id, collection.guard(request, "delete_subnet"))


ROUTES = (
    Route("GET", "/v2.0/subnets", list_all, "get_subnet"),
    Route("POST", "/v2.0/subnets", create, "create_subnet", 201),
    Route("GET", "/v2.0/subnets/{subnet_id}", show, "get_subnet"),
    Route("PUT", "/v2.0/subnets/{subnet_id}", update),
    Route("DELETE", "/v2.0/subnets/{subnet_id}", delete, success=204),
)
