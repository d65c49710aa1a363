"""/servers/{id}/ips: a server's addresses by network."""
from nova_lite import exception
from nova_lite.api.compute import server_view
from nova_lite.api.resource import Route
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports

POLICY = "os_compute_api:ips:"


def _addresses(request, server_id: str) -> dict[str, list[dict]]:
    with request.deps.db.read() as tx:
        server = servers_.get(tx, request.ctx, server_id)
        addresses = server_ports.addresses(tx, [server_id]).get(server_id, [])
    shown = server_view.Shown(server, "", addresses, [], None, "")
    return server_view.addresses_by_network(shown._replace(full_addresses=False))


def index(request, server_id):
    """All networks."""
    return {"addresses": _addresses(request, server_id)}


def show(request, server_id, id):
    """One network, by name."""
    addresses = _addresses(request, server_id)
    if id not in addresses:
        raise exception.NotFound(f"Instance is not a member of specified network {id}" if addresses else "Network not found")
    return {id: addresses[id]}


ROUTES = (
    Route("GET", "/v2.1/servers/{server_id}/ips", index, POLICY + "index"),
    Route("GET", "/v2.1/servers/{server_id}/ips/{id}", show, POLICY + "show"),
)
