"""The part in a move of the host that a server leaves: it ends the guest, serves the disks, and clears away what is left. Endpoint of
interfaces.departures.
"""
import contextlib
import dataclasses
from collections.abc import Callable

from nova_lite import clock, concurrency, exception, hooks, log
from nova_lite.compute.worker import leftovers, power, put_back
from nova_lite.compute.worker.fence import fenced
from nova_lite.compute.worker.job import Job, Workshop
from nova_lite.compute.worker.transfer import DiskServer
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_

LOG = log.get(__name__)
ANSWER_SECONDS = 10.0
"""After which a caller learns that the guest is still shutting down."""


@dataclasses.dataclass
class _Departure:
    token: str
    task: concurrency.Task | None = None
    ended: concurrency.Event = dataclasses.field(default_factory=concurrency.Event)
    error: Exception | None = None


class Departures:
    """``epoch``: the worker's; ``disks``: where the others read; ``is_busy(server_id)``: whether a task of the server runs here."""

    def __init__(self, shop: Workshop, epoch: int, disks: DiskServer, is_busy: Callable[[str], bool]):
        self._shop, self._epoch, self._disks, self._is_busy = shop, epoch, disks, is_busy

    def let_go(self, ctx: RequestContext, *, server_id: str, token: str, at_once: bool = False) -> str | None:
        """See interfaces.departures. Raises TaskLost, Unavailable (the port for the disks), HypervisorError."""
        present = self._shop.departing.get(server_id)
        if present is None or present.token != token:
            cancel(self._shop, server_id)
            present = self._begin(ctx, server_id, token, at_once)
        if not present.ended.wait(ANSWER_SECONDS):
            return None
        if present.error is not None:
            raise present.error
        return self._disks.url()

    def _begin(self, ctx: RequestContext, server_id: str, token: str, at_once: bool) -> _Departure:
        with self._shop.db.read() as tx:
            server = servers_.with_task(tx, server_id, token)
        if server is None or server.host != self._shop.host or servers_.runs_at(server) == self._shop.host:
            raise exception.TaskLost(token=token, server_id=server_id)
        job = Job(fenced(self._shop, self._epoch, server_id, token), ctx, server, token, clock.now())
        departure = self._shop.departing[server_id] = _Departure(token)
        departure.task = concurrency.spawn(self._end, job, departure, at_once)
        return departure

    def _end(self, job: Job, departure: _Departure, at_once: bool) -> None:
        server_id = job.server.id
        try:
            if not at_once:
                power.stop(job)
            hooks.reached("departure.stopped")
            job.shop.driver.destroy_guest(server_id)
            if put_back.is_marked(self._shop, job.server):
                job.shop.driver.swap_disks(server_id, back=True)
        except Exception as error:
            LOG.exception("the guest of server %s, which moves away, could not be ended", server_id)
            departure.error = error
        finally:
            departure.ended.set()
            if self._shop.departing.get(server_id) is departure:
                del self._shop.departing[server_id]

    def forget(self, ctx: RequestContext, *, server_id: str) -> None:
        """See interfaces.departures."""
        if server_id in {*self._shop.driver.guests(), *self._shop.driver.guest_files()}:
            leftovers.remove(self._shop, self._is_busy, [server_id])


def cancel(shop: Workshop, server_id: str) -> None:
    """The server stays: whatever was ending its guest here must not go on."""
    with contextlib.suppress(KeyError):
        departure = shop.departing.pop(server_id)
        departure.task.cancel()
        departure.ended.wait()
