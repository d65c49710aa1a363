"""Moves of running guests that ended without anybody knowing which of the two hosts has the guest (``compute.moves.lose``): settled once one says.

Both hosts' workers look when they start, when they return, and from time to time; until then nothing starts the guest anywhere.
"""
from nova_lite import exception, log
from nova_lite.compute import moves
from nova_lite.compute.worker import peers
from nova_lite.compute.worker.job import Job, Workshop
from nova_lite.context import RequestContext
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.virt.live import Presence

LOG = log.get(__name__)
HAS_IT = (Presence.HERE, Presence.OFF)
"""What a destination has of a guest that has arrived; a definition alone it gets at the switch, too."""


def refuse(job: Job) -> None:
    """Raises HypervisorError where the job's server may run on another host."""
    lost = job.server.request.get(moves.LOST)
    if lost is not None:
        raise exception.HypervisorError(moves.why_lost(job.server.host, lost["to"]["host"]))


def settle(worker) -> list[str]:
    """End the lost moves of this host of which is known by now where the guest is; the server ids."""
    shop, ctx, settled = worker.shop, RequestContext.for_service(), []
    with shop.db.read() as tx:
        found = [server for server in map(lambda server_id: servers_.find(tx, server_id), moves_.lost(tx, shop.host))
                 if server is not None and server.task_id is None and moves.LOST in server.request]
    for server in found:
        try:
            if not _is_known(shop, ctx, server):
                continue
            with shop.db.write() as tx:
                token = moves.seek(tx, server, shop.host)
        except exception.NovaLiteError as error:
            LOG.warning("where the guest of server %s is, is not known yet: %s", server.id, error)
            continue
        worker.run(ctx, server.id, token)
        settled.append(server.id)
    return settled


def _is_known(shop: Workshop, ctx: RequestContext, server) -> bool:
    here, to = shop.driver.moves().live().presence(server.id), server.request[moves.LOST]["to"]["host"]
    if shop.host == to:
        return here in HAS_IT or not peers.is_up(shop, server.host)
    return here == Presence.HERE or peers.ask(shop, ctx, to, "presence", server_id=server.id) is not None
