"""/servers/{id}/topology: the NUMA nodes that the guest sees."""
from nova_lite.api.resource import Route
from nova_lite.compute import numa
from nova_lite.db import servers as servers_


def show(request, server_id):
    """No nodes where neither image nor flavor ask for them. The host chooses its own nodes when the guest starts, and pins to those."""
    with request.deps.db.read() as tx:
        server = servers_.get(tx, request.ctx, server_id)
    properties = server.image.get("properties", {})
    nodes = [{"vcpu_set": list(node.cpus), "siblings": [], "memory_mb": node.memory_mb} for node in numa.nodes(server.flavor, properties)]
    return {"nodes": nodes, "pagesize_kb": numa.page_kib(server.flavor, properties)}


ROUTES = (Route("GET", "/v2.1/servers/{server_id}/topology", show, "compute:server:topology:index", since="2.78"),)
