"""What libvirt says of domains by itself, brought from its native event loop to green threads.

One native thread runs libvirt's event loop for the whole process. Its callbacks only put tuples into a NativeQueue; the watcher's
green thread reads them, tells whoever waits for a change of a guest, and hands LifecycleEvents on. When the link to libvirtd
breaks, the watcher opens it again, subscribes again and reports what changed meanwhile.
"""
import collections
import contextlib
from collections.abc import Callable

import libvirt

from nova_lite import concurrency, exception, log
from nova_lite.virt import types
from nova_lite.virt.libvirt import lifecycle
from nova_lite.virt.libvirt.connection import Connection, silence

LOG = log.get(__name__)

RETRY_SECONDS = 1.0
REBOOTED = "rebooted"
STOPPED = "stopped"

_LIFECYCLE = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: (types.PowerState.RUNNING, "started"),
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: (types.PowerState.PAUSED, "paused"),
    libvirt.VIR_DOMAIN_EVENT_RESUMED: (types.PowerState.RUNNING, "resumed"),
    libvirt.VIR_DOMAIN_EVENT_STOPPED: (types.PowerState.SHUTDOWN, "stopped"),
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: (types.PowerState.SUSPENDED, "suspended"),
    libvirt.VIR_DOMAIN_EVENT_CRASHED: (types.PowerState.CRASHED, "crashed"),
}

# libvirt allows one event loop a process, to be registered before the first connection and never taken back.
_loop_started = False


def start_loop() -> None:
    """Start the process's libvirt event loop, once; before the first connection is opened."""
    global _loop_started
    if not _loop_started:
        _loop_started = True
        silence()
        libvirt.virEventRegisterDefaultImpl()
        concurrency.native_thread(_run_loop, "libvirt-events")


def _run_loop() -> None:
    while True:
        with contextlib.suppress(libvirt.libvirtError):
            libvirt.virEventRunDefaultImpl()


class Watcher:
    """Owns the driver's connection. ``on_event`` is called in a green thread, one event after the other.

    ``on_boot(server_id)`` is called in a green thread of its own for each guest that starts, restarts, or is found running.
    """

    def __init__(self, uri: str, call_timeout: float, domains: lifecycle.Domains, on_boot: Callable[[str], None] | None = None):
        self._uri = uri
        self._call_timeout = call_timeout
        self._queue: concurrency.NativeQueue | None = None
        self._connection: Connection | None = None
        self._on_event = None
        self._task = None
        self._waiters = collections.defaultdict(set)
        self._asked = set()
        self._states: dict[str, types.PowerState] = {}
        self._domains = domains
        self._on_boot = on_boot

    # ---- for the driver ------------------------------------------------------------------------------------------
    def start(self, on_event, check: Callable = lambda link: None) -> None:
        """Connect and report from now on. Raises HypervisorError when libvirt cannot be reached, and what ``check`` raises of the first link."""
        start_loop()
        self._on_event = on_event
        self._queue = concurrency.NativeQueue()
        self._connection = Connection(self._uri, self._call_timeout, self._subscribe, self._lost)
        self._connection.call(check)
        self._states = self.guests()
        self._task = concurrency.spawn_logged(self._watch)

    def stop(self) -> None:
        """Stop reporting and disconnect."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def connection(self) -> Connection:
        """The present connection. Raises HypervisorError before ``start`` and after ``stop``."""
        if self._connection is None:
            raise exception.HypervisorError(reason="the driver has not been started")
        return self._connection

    def guests(self) -> dict[str, types.PowerState]:
        """Our guests and their states, by server id."""
        return self.connection.call(self._domains.states)

    @contextlib.contextmanager
    def asked(self, server_id: str):
        """While it lasts, a shutdown of the guest is our doing and not its own."""
        self._asked.add(server_id)
        try:
            yield
        finally:
            self._asked.discard(server_id)

    @contextlib.contextmanager
    def changes(self, server_id: str):
        """Yields a queue that receives STOPPED and REBOOTED as they happen to the guest."""
        queue = concurrency.Queue()
        self._waiters[server_id].add(queue)
        try:
            yield queue
        finally:
            self._waiters[server_id].discard(queue)
            if not self._waiters[server_id]:
                del self._waiters[server_id]

    # ---- native threads: no logging, no waiting ------------------------------------------------------------------
    def _subscribe(self, link, generation: int) -> list[int]:
        queue = self._queue

        def lifecycle_event(_link, domain, event, detail, _opaque):
            queue.put((generation, "lifecycle", domain.UUIDString(), event, detail))

        def reboot_event(_link, domain, _opaque):
            queue.put((generation, "reboot", domain.UUIDString(), 0, 0))

        def closed(_link, reason, _opaque):
            queue.put((generation, "closed", "", reason, 0))

        numbers = [link.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle_event, None),
                   link.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, reboot_event, None)]
        link.registerCloseCallback(closed, None)
        queue.put((generation, "opened", "", 0, 0))
        return numbers

    def _lost(self, generation: int) -> None:
        self._queue.put((generation, "closed", "", 0, 0))

    # ---- the green thread ----------------------------------------------------------------------------------------
    def _watch(self) -> None:
        while True:
            generation, kind, server_id, event, detail = self._queue.get()
            if generation != self.connection.generation:
                continue
            try:
                if kind == "closed":
                    self._reconnect(generation)
                elif kind == "opened":
                    self._catch_up()
                elif kind == "reboot":
                    self._booted(server_id)
                    self._tell(server_id, REBOOTED)
                else:
                    self._take(server_id, event, detail)
            except exception.NovaLiteError as error:
                LOG.warning("an event of guest %s could not be handled: %s", server_id or "-", error)
            except Exception:
                LOG.exception("an event of guest %s could not be handled", server_id or "-")

    def _take(self, server_id: str, event: int, detail: int) -> None:
        if event not in _LIFECYCLE or not self._is_ours(server_id):
            return
        state, text = _LIFECYCLE[event]
        by_itself = False
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            self._booted(server_id)
        if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            self._tell(server_id, STOPPED)
            if detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED:
                state = types.PowerState.SUSPENDED
            by_itself = detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN and server_id not in self._asked
            text = {libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "crashed",
                    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "failed"}.get(detail, text)
        self._report(server_id, state, text, by_itself)

    def _is_ours(self, server_id: str) -> bool:
        known = self._domains.verdict(server_id)
        if known is None:
            known = self.connection.call(self._domains.is_ours, server_id)
        return known

    def _booted(self, server_id: str) -> None:
        if self._on_boot is not None and self._is_ours(server_id):
            concurrency.spawn_logged(self._on_boot, server_id)

    def _tell(self, server_id: str, what: str) -> None:
        for queue in list(self._waiters.get(server_id, ())):
            queue.put(what)

    def _report(self, server_id: str, state: types.PowerState, detail: str, guest_initiated: bool = False) -> None:
        self._states[server_id] = state
        self._on_event(types.LifecycleEvent(server_id, state, detail, guest_initiated))

    def _reconnect(self, generation: int) -> None:
        """Open the link again, however long libvirtd is away."""
        LOG.warning("the connection to libvirt is lost; opening it again")
        self.connection.drop(generation)
        while True:
            try:
                self.connection.ensure_open()
                LOG.info("connected to libvirt again")
                return
            except exception.HypervisorError:
                concurrency.sleep(RETRY_SECONDS)

    def _catch_up(self) -> None:
        """Report the guests that changed while no link was there to tell."""
        before, now = self._states, self.guests()
        for server_id, state in now.items():
            if state in (types.PowerState.RUNNING, types.PowerState.PAUSED):
                self._booted(server_id)
            if before.get(server_id) != state:
                if state == types.PowerState.SHUTDOWN:
                    self._tell(server_id, STOPPED)
                self._report(server_id, state, "found after a lost connection")
        self._states = now
