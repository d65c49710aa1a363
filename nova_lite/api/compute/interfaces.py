"""/servers/{id}/os-interface: the ports of a server, listed, attached, detached."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.compute import values
from nova_lite.api.compute.server_body import TAG
from nova_lite.api.compute.servers import ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import interfaces
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports

POLICY = "os_compute_api:os-attach-interfaces:"
LIST = "/v2.1/servers/{server_id}/os-interface"
_ADDRESS = {"type": "object", "properties": {"ip_address": {"type": "string", "format": "ip"}}, "required": ["ip_address"],
            "additionalProperties": False}
_PROPERTIES = {"net_id": values.UUID, "port_id": {"type": ["string", "null"], "format": "uuid"},
               "fixed_ips": {"type": "array", "minItems": 1, "maxItems": 1, "items": _ADDRESS}}


def _shown(nic: dict, request) -> dict:
    shown = {"port_state": "ACTIVE", "port_id": nic["port_id"], "net_id": nic["network_id"], "mac_addr": nic["mac"],
             "fixed_ips": [{"subnet_id": item["subnet_id"], "ip_address": item["address"]} for item in nic["addresses"]]}
    if request.at_least("2.70"):
        shown["tag"] = nic.get("tag")
    return shown


def _nics(request, server_id: str) -> list[dict]:
    with request.deps.db.read() as tx:
        servers_.get(tx, request.ctx, server_id)
        return server_ports.nics(tx, server_id)


def index(request, server_id):
    """All ports of the server."""
    return {"interfaceAttachments": [_shown(nic, request) for nic in _nics(request, server_id)]}


def show(request, server_id, id):
    """One port of the server."""
    for nic in _nics(request, server_id):
        if nic["port_id"] == id:
            return {"interfaceAttachment": _shown(nic, request)}
    raise exception.NotFound(f"Instance {server_id} does not have interface {id}")


def create(request, server_id):
    """Attach a port: the one named, one on the network named, or one on the only network there is."""
    asked = request.body.get("interfaceAttachment") or {}
    addresses = [item["ip_address"] for item in asked.get("fixed_ips", [])]
    if asked.get("net_id") and asked.get("port_id"):
        raise exception.Invalid("Must not input both network_id and port_id")
    if addresses and not asked.get("net_id"):
        raise exception.Invalid("Must input network_id when request IP address")
    wanted = {"uuid": asked.get("net_id"), "port": asked.get("port_id"), "fixed_ip": addresses[0] if addresses else None, "tag": asked.get("tag")}
    nic = interfaces.attach(request.deps, request.ctx, server_id, wanted if asked.get("net_id") or asked.get("port_id") else None,
                            ignores_lock(request))
    return {"interfaceAttachment": _shown(nic, request)}


def delete(request, server_id, id):
    """Detach a port."""
    interfaces.detach(request.deps, request.ctx, server_id, id, ignores_lock(request))


CREATE = Body(None, (Param("interfaceAttachment", {"type": "object", "additionalProperties": False, "properties": _PROPERTIES}, until="2.48"),
                     Param("interfaceAttachment", {"type": "object", "additionalProperties": False,
                                                   "properties": {**_PROPERTIES, "tag": TAG}}, since="2.49")))
ROUTES = (
    Route("POST", LIST, create, POLICY + "create", body=CREATE),
    Route("DELETE", LIST + "/{id}", delete, POLICY + "delete", success=202),
    Route("GET", LIST, index, POLICY + "list"),
    Route("GET", LIST + "/{id}", show, POLICY + "show"),
)
