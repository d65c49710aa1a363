"""What is left on a host of servers that are deleted, or elsewhere for good: found by comparing with the database, and removed."""
from collections.abc import Callable, Iterable

from nova_lite import exception, log
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker.job import Workshop
from nova_lite.context import RequestContext
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports

LOG = log.get(__name__)


def remove(shop: Workshop, is_busy: Callable[[str], bool], server_ids: Iterable[str]) -> list[str]:
    """End guests and remove files of those of ``server_ids`` that have no business here; the ids removed.

    A server that moves has its business on both hosts. An id without a row is nobody's that this database knows: it is reported and left alone.
    """
    server_ids = sorted(server_ids)
    if not server_ids:
        return []
    with shop.db.read() as tx:
        known = servers_.known(tx, server_ids)
        moving = moves_.hosts(tx, server_ids)
    removed = []
    for server_id in server_ids:
        if is_busy(server_id):
            continue
        if server_id not in known:
            LOG.warning("guest or files of server %s are here, which is not in the database; they are left alone", server_id)
            continue
        host, deleted = known[server_id]
        if deleted or host != shop.host and shop.host not in moving.get(server_id, ()):
            _remove(shop, server_id)
            removed.append(server_id)
    return removed


def _remove(shop: Workshop, server_id: str) -> None:
    LOG.info("server %s is deleted or elsewhere; what is left of it here is removed", server_id)
    try:
        shop.driver.destroy_guest(server_id)
        shop.driver.delete_disks(server_id)
        with shop.db.read() as tx:
            networks = sorted({nic["network_id"] for nic in server_ports.nics(tx, server_id)})
        if networks:
            ring(shop.network.refresh, RequestContext.for_service(), shop.host, network_ids=networks)
    except exception.NovaLiteError as error:
        LOG.warning("server %s: %s", server_id, error)
