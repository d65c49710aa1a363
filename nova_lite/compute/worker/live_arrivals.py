"""The destination's part in the moves of guests that run: the endpoint of interfaces.live."""
import dataclasses

from nova_lite import clock, concurrency, exception, hooks, log
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.fence import fenced
from nova_lite.compute.worker.job import Job, Workshop
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports
from nova_lite.virt.live import Presence

LOG = log.get(__name__)
ANSWER_SECONDS = 15.0
"""After which a caller learns that the preparations go on."""


@dataclasses.dataclass
class _Preparation:
    token: str
    ended: concurrency.Event = dataclasses.field(default_factory=concurrency.Event)
    place: dict | None = None
    error: Exception | None = None


class LiveArrivals:
    """Endpoint of LiveInterface on one host. ``epoch``: the worker's."""

    def __init__(self, shop: Workshop, epoch: int):
        self._shop, self._epoch = shop, epoch
        self._preparing: dict[str, _Preparation] = {}

    @property
    def _live(self):
        return self._shop.driver.moves().live()

    def _job(self, ctx: RequestContext, server_id: str, token: str) -> Job:
        with self._shop.db.read() as tx:
            server = servers_.with_task(tx, server_id, token)
        if server is None or server.host == self._shop.host:
            raise exception.TaskLost(token=token, server_id=server_id)
        return Job(fenced(self._shop, self._epoch, server_id, token), ctx, server, token, clock.now())

    def check(self, ctx: RequestContext, *, server_id: str, token: str, offer: dict, block: bool | None, over_commit: bool) -> dict:
        """See interfaces.live."""
        guest, _ = job_.description(self._job(ctx, server_id, token))
        return self._live.check(guest, offer, block, over_commit)

    def receive(self, ctx: RequestContext, *, server_id: str, token: str, offer: dict, plan: dict) -> dict | None:
        """See interfaces.live."""
        job = self._job(ctx, server_id, token)
        present = self._preparing.get(server_id)
        if present is None or present.token != token:
            present = self._preparing[server_id] = _Preparation(token)
            concurrency.spawn_logged(self._prepare, job, present, offer, plan)
        if not present.ended.wait(ANSWER_SECONDS):
            return None
        if self._preparing.get(server_id) is present:
            del self._preparing[server_id]
        if present.error is not None:
            raise present.error
        return present.place

    def _prepare(self, job: Job, mine: _Preparation, offer: dict, plan: dict) -> None:
        try:
            guest, nics = job_.description(job)
            job_.prepare_networks(job, nics)
            mine.place = job.shop.driver.moves().live().receive(guest, offer, plan, self._shop.fetch)
            hooks.reached("live_migration.received")
        except Exception as error:
            LOG.warning("server %s cannot be received here: %s", job.server.id, error)
            mine.error = error
        finally:
            mine.ended.set()

    def presence(self, ctx: RequestContext, *, server_id: str) -> str:
        """See interfaces.live."""
        return str(self._live.presence(server_id))

    def settle(self, ctx: RequestContext, *, server_id: str, luggage: dict) -> None:
        """See interfaces.live."""
        if self._live.presence(server_id) != Presence.NONE:
            self._live.settle(server_id, luggage)

    def discard(self, ctx: RequestContext, *, server_id: str, token: str, plan: dict) -> None:
        """See interfaces.live."""
        discard(self._job(ctx, server_id, token).shop, ctx, server_id, plan)


def discard(shop: Workshop, ctx: RequestContext, server_id: str, plan: dict) -> None:
    """Remove what this host has of a server that is elsewhere, its networks included where no other server needs them."""
    shop.driver.moves().live().discard(server_id, plan)
    refresh_networks(shop, ctx, server_id, shop.host)


def refresh_networks(shop: Workshop, ctx: RequestContext, server_id: str, host: str) -> None:
    """Have a host look whether it still needs the server's networks, and whether other hosts do."""
    with shop.db.read() as tx:
        networks = sorted({nic["network_id"] for nic in server_ports.nics(tx, server_id)})
    if networks:
        ring(shop.network.refresh, ctx, host, network_ids=networks)
