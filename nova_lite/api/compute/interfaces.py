"""/servers/{id}/os-interface: the ports of a server (attaching and detaching comes with the action that does it)."""
from nova_lite import exception
from nova_lite.api.resource import Route
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports

POLICY = "os_compute_api:os-attach-interfaces:"
LIST = "/v2.1/servers/{server_id}/os-interface"


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


ROUTES = (
    Route("GET", LIST, index, POLICY + "list"),
    Route("GET", LIST + "/{id}", show, POLICY + "show"),
)
