"""/servers/{id}/topology: the NUMA nodes that the guest sees."""
from nova_lite.api.resource import Route
from nova_lite.db import servers as servers_
from nova_lite.numa import wanted as topologies


def show(request, server_id):
    """No nodes where neither image nor flavor ask for them. The host chooses its own nodes when the guest starts, and pins to those."""
    with request.deps.db.read() as tx:
        server = servers_.get(tx, request.ctx, server_id)
    properties = server.image.get("properties", {})
    topology = topologies.read(server.flavor, properties)
    if topology is None:
        return {"nodes": [], "pagesize_kb": None}
    nodes = [{"vcpu_set": list(cell.cpus), "siblings": [], "memory_mb": cell.memory_mb} for cell in topology.cells]
    return {"nodes": nodes, "pagesize_kb": topology.page if isinstance(topology.page, int) else None}


ROUTES = (Route("GET", "/v2.1/servers/{server_id}/topology", show, "compute:server:topology:index", since="2.78"),)
