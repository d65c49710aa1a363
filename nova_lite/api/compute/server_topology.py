"""/servers/{id}/topology: the NUMA nodes that the guest sees, and for administrators where on its host they lie."""
from nova_lite.api.resource import Route
from nova_lite.db import extras
from nova_lite.db import servers as servers_
from nova_lite.numa import cells
from nova_lite.numa import wanted as topologies


def show(request, server_id):
    """No nodes where neither image nor flavor ask for them. A server that is on no host has none of its CPUs and pages."""
    with request.deps.db.read() as tx:
        server = servers_.get(tx, request.ctx, server_id)
        topology = topologies.read(server.flavor, server.image.get("properties", {}))
        holds = extras.of_server(tx, server.id, server.host) if topology is not None and server.host else {}
    if topology is None:
        return {"nodes": [], "pagesize_kb": None}
    nodes = [{"vcpu_set": list(cell.cpus), "siblings": [], "memory_mb": cell.memory_mb} for cell in topology.cells]
    page = topology.page if isinstance(topology.page, int) else None
    promised = holds.get(server.flavorid, {}).get("guest", {}).get("numa")
    if promised is not None:
        lying = cells.read_assignment(promised)
        page = next((cell.page_kib for cell in lying.cells if cell.page_kib is not None), None)
        if request.can("compute:server:topology:host:index"):
            for node, cell in zip(nodes, lying.cells, strict=True):
                node |= {"host_node": cell.host, "cpu_pinning": {str(cpu): on for cpu, on in sorted(cell.pins.items())}}
    return {"nodes": nodes, "pagesize_kb": page}


ROUTES = (Route("GET", "/v2.1/servers/{server_id}/topology", show, "compute:server:topology:index", since="2.78"),)
