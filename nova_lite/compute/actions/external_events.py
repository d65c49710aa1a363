"""What other services say has happened to servers: a port was plugged, a volume has grown."""
from nova_lite import exception
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports

NEED_TAG = frozenset({"volume-extended", "power-update", "accelerator-request-bound"})
ACCEPTED, NO_TAG, NO_SERVER, NO_HOST = 200, 400, 404, 422


def accept(deps: Deps, ctx: RequestContext, events: list[dict]) -> list[int]:
    """The verdict on each of the events, in their order. What concerns the network makes the host look at the server's ports again.

    Nothing here waits for an event: whoever plugs a port waits for the worker's own answer.
    """
    verdicts, touched = [], {}
    with deps.db.read() as tx:
        for event in events:
            server = _server(tx, event["server_uuid"])
            verdicts.append(_verdict(event, server))
            if verdicts[-1] == ACCEPTED and event["name"].startswith("network-"):
                touched[server.id] = (server.host, sorted({nic["network_id"] for nic in server_ports.nics(tx, server.id)}))
    for host, networks in touched.values():
        if networks:
            ring(deps.network.refresh, ctx, host, network_ids=networks)
    return verdicts


def _server(tx, server_id: str):
    try:
        return servers_.get(tx, RequestContext.for_service(), server_id)
    except exception.ServerNotFound:
        return None


def _verdict(event: dict, server) -> int:
    if server is None:
        return NO_SERVER
    if event["name"] in NEED_TAG and event.get("tag") is None:
        return NO_TAG
    return ACCEPTED if server.host else NO_HOST
