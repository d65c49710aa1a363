"""Watching the hypervisor: guests that change by themselves are told to the database, and what is no server's is removed."""
import datetime
from collections.abc import Callable

from nova_lite import concurrency, exception, log
from nova_lite.compute import states, task
from nova_lite.compute.worker import leftovers
from nova_lite.compute.worker.manager import ComputeWorker
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.virt.types import LifecycleEvent, PowerState

LOG = log.get(__name__)

SETTLED = {
    PowerState.RUNNING: states.ACTIVE, PowerState.PAUSED: states.PAUSED, PowerState.SHUTDOWN: states.STOPPED,
    PowerState.CRASHED: states.STOPPED, PowerState.SUSPENDED: states.SUSPENDED,
}
"""What a server whose guest is in a power state, with no task under way, is in."""
FOLLOWS = (states.ACTIVE, states.STOPPED, states.PAUSED, states.SUSPENDED)
"""vm_states that follow the guest; the others mean more than its power."""
ON = (PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED)
RESUMED_AT_ONCE = 4


class Watcher:
    """Compares this host's guests with its servers, on events and from time to time."""

    def __init__(self, worker: ComputeWorker):
        self._worker, self._shop = worker, worker.shop
        self._resuming: set[str] = set()

    def on_event(self, event: LifecycleEvent) -> None:
        """A guest changed. A change made by a task of ours is that task's to record.

        What the guest is now counts, not what it was when the event was sent: the event may be of a task that has ended since. A task may
        also begin and end between a look at the guest and the note of it, so a look counts only if the row is still as it was before.
        """
        known = None
        while not self._worker.is_busy(event.server_id) and event.server_id not in self._resuming:
            with self._shop.db.read() as tx:
                before, known = known, servers_.power_of(tx, event.server_id)
            if known is None or known == before:
                return
            try:
                state = self._shop.driver.power_state(event.server_id)
            except exception.GuestNotFound:
                state = event.state
            if not _differs(known, PowerState.SHUTDOWN if state == PowerState.NOSTATE else state):
                return
            self._settle(event.server_id, state, known.changed_at)

    def sync(self) -> None:
        """Compare every server of this host with its guest."""
        guests = self._shop.driver.guests()
        with self._shop.db.read() as tx:
            servers = servers_.of_host(tx, self._shop.host)
        self._give_way(servers, guests)
        if guests.keys() - {server.id for server in servers}:
            self.remove_leftovers()
        for server in servers:
            state = guests.get(server.id, PowerState.SHUTDOWN if server.vm_state == states.STOPPED else PowerState.NOSTATE)
            if server.task_id is not None or self._worker.is_busy(server.id) or server.id in self._resuming:
                continue
            if _differs(server, state):
                # The guests were looked at before the rows: a task may have ended between the two.
                self.on_event(LifecycleEvent(server.id, state))
            elif server.vm_state == states.SOFT_DELETED and state in (PowerState.RUNNING, PowerState.PAUSED):
                # It was marked while this host was down, and started by whatever starts guests with the host.
                LOG.warning("server %s is marked as deleted; its guest is switched off", server.id)
                self._shop.driver.stop_guest(server.id, 0)

    def _settle(self, server_id: str, state: PowerState, seen: datetime.datetime) -> None:
        if state == PowerState.NOSTATE:
            state = PowerState.SHUTDOWN
        with self._shop.db.write() as tx:
            changed = servers_.settle_power(tx, server_id, self._shop.host, int(state), SETTLED[state], FOLLOWS, seen)
        if changed:
            LOG.info("server %s is %s now: its guest changed by itself", server_id, SETTLED[state])

    def come_back(self) -> None:
        """This host was down, or others may have thought so: end what went elsewhere meanwhile. Before anything is started, or the host is told up.

        Raises HypervisorError, Unavailable.
        """
        guests = self._shop.driver.guests()
        with self._shop.db.read() as tx:
            servers = servers_.of_host(tx, self._shop.host)
        self._give_way(servers, guests)
        self.remove_leftovers()
        files = self._shop.driver.guest_files()
        for server in servers:
            if server.task_id is None and server.id in files:
                # The worker before may have ended between the evacuation and this.
                self._shop.driver.moves().keep(server.id)

    def _give_way(self, servers, guests) -> None:
        """End the guests of servers that are being evacuated from here. Their files stay until that has ended well."""
        for server in servers:
            if server.task_action == "evacuate" and server.task_host != servers_.ANY_SCHEDULER and server.id in guests:
                LOG.warning("server %s is being evacuated to %s; its guest here ends", server.id, server.task_host)
                self._shop.driver.destroy_guest(server.id)

    def resume_guests(self, then: Callable[[], None] = lambda: None) -> list[str]:
        """Start the guests that the database says run and that are off: the host was booted. Returns their ids; they start a few at a time.

        ``then()`` is called when all have been tried.
        """
        guests = self._shop.driver.guests()
        with self._shop.db.read() as tx:
            servers = servers_.of_host(tx, self._shop.host)
        off = [server for server in servers if server.vm_state == states.ACTIVE and server.task_id is None and guests.get(server.id) not in ON]
        self._resuming.update(server.id for server in off)
        concurrency.spawn_logged(self._resume_all, off, then)
        return [server.id for server in off]

    def _resume_all(self, servers, then: Callable[[], None]) -> None:
        concurrency.map_parallel(self._resume, servers, limit=RESUMED_AT_ONCE)
        then()

    def _resume(self, server) -> None:
        ctx = RequestContext.for_service()
        try:
            with self._shop.db.write() as tx:
                token = task.begin(tx, ctx, server, "reboot_hard", ignore_lock=True)
            self._worker.run(ctx, server.id, token)
        except exception.NovaLiteError as error:
            LOG.warning("server %s is not started with its host: %s", server.id, error)
        finally:
            self._resuming.discard(server.id)

    def remove_leftovers(self) -> list[str]:
        """End guests and remove files of servers that are deleted or moved to another host for good; the ids removed."""
        return leftovers.remove(self._shop, self._worker.is_busy, {*self._shop.driver.guests(), *self._shop.driver.guest_files()})


def _differs(server, state: PowerState) -> bool:
    """Whether a guest is in another state than its server's row says; only of those that follow their guests."""
    if server.vm_state not in FOLLOWS:
        return False
    return server.power_state != int(state) or SETTLED.get(state, states.STOPPED) != server.vm_state
