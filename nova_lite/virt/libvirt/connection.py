"""The thin wrapper around one libvirt connection: calls in native threads, with a deadline, over a link that heals itself.

Every function handed to ``call`` takes the virConnect first and makes something true, so it may run a second time after the
link broke. libvirt's errors become ours here.
"""
import contextlib
import dataclasses
import functools

import libvirt

from nova_lite import concurrency, exception, log

LOG = log.get(__name__)

KEEPALIVE_SECONDS = 5
KEEPALIVE_MISSES = 3

_LINK_DOMAINS = (libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE)
_LINK_CODES = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_NO_CONNECT,
               libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_OPERATION_FAILED)


@dataclasses.dataclass(eq=False)
class _Link:
    """One opened virConnect and the ids of its event subscriptions."""

    connect: libvirt.virConnect
    generation: int
    subscriptions: list[int]


class Connection:
    """A libvirt connection that opens at first use and again whenever it broke.

    ``subscribe(virConnect, generation)`` runs in a native thread on each new link and returns the ids of its event subscriptions.
    ``on_lost(generation)`` is told when a link is given up. Of all links only the one numbered ``generation`` counts.
    """

    def __init__(self, uri: str, call_timeout: float, subscribe, on_lost):
        self._uri = uri
        self._timeout = call_timeout
        self._subscribe = subscribe
        self._on_lost = on_lost
        self._opening = concurrency.Lock(1)
        self._link: _Link | None = None
        self._closed = False
        self.generation = 0

    def call(self, function, *args, seconds: float | None = None):
        """``function(virConnect, *args)`` in a native thread. Raises GuestNotFound, or HypervisorError with libvirt's words.

        ``seconds``: after how long it counts as hung, where that is more than for other calls.
        """
        limit = seconds or self._timeout
        for attempt in (1, 2):
            link = self._open()
            try:
                with concurrency.timeout(limit):
                    return concurrency.run_native(function, link.connect, *args)
            except concurrency.Timeout:
                # The native thread stays with the hung call; a new link keeps it from holding up the others.
                self._give_up(link)
                raise exception.HypervisorError(reason=f"libvirt did not answer within {limit} s")
            except libvirt.libvirtError as error:
                if is_missing(error):
                    raise exception.GuestNotFound(server_id=args[0] if args else "?")
                if not self._is_broken(link, error):
                    raise exception.HypervisorError(reason=str(error))
                self._give_up(link)
                if attempt == 2:
                    raise exception.HypervisorError(reason=f"the connection to libvirt at {self._uri} broke: {error}")
                LOG.info("the connection to libvirt at %s broke (%s); opening it again", self._uri, error)

    def drop(self, generation: int) -> None:
        """Give up the link of that number if it is still the present one; the next call opens a new one."""
        if self._link is not None and self._link.generation == generation:
            self._give_up(self._link)

    def ensure_open(self) -> None:
        """Open the link if there is none. Raises HypervisorError."""
        self._open()

    def close(self) -> None:
        """Close the link for good."""
        self._closed = True
        link, self._link = self._link, None
        if link is not None:
            concurrency.run_native(_close, link)

    def _give_up(self, link: _Link) -> None:
        if link is self._link:
            self._link = None
            # In a thread that is nobody else's: closing a hung link may hang.
            concurrency.native_thread(functools.partial(_close, link), "libvirt-close")
            self._on_lost(link.generation)

    def _open(self) -> _Link:
        link = self._link
        if link is not None:
            return link
        with self._opening:
            if self._link is None:
                if self._closed:
                    raise exception.HypervisorError(reason="the driver has stopped")
                self.generation += 1
                self._link = self._open_link()
            return self._link

    def _open_link(self) -> _Link:
        try:
            with concurrency.timeout(self._timeout):
                return concurrency.run_native(_open, self._uri, self._subscribe, self.generation)
        except concurrency.Timeout:
            raise exception.HypervisorError(reason=f"libvirt at {self._uri} did not answer within {self._timeout} s")
        except libvirt.libvirtError as error:
            raise exception.HypervisorError(reason=f"cannot connect to libvirt at {self._uri}: {error}")

    def _is_broken(self, link: _Link, error) -> bool:
        if error.get_error_domain() in _LINK_DOMAINS and error.get_error_code() in _LINK_CODES:
            return True
        return not concurrency.run_native(_is_alive, link.connect)


def is_missing(error: libvirt.libvirtError) -> bool:
    """Whether libvirt says that there is no such domain."""
    return error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN


def _open(uri: str, subscribe, generation: int) -> _Link:
    connect = libvirt.open(uri)
    # Only the remote protocol has a keepalive: an error here means that none is needed.
    with contextlib.suppress(libvirt.libvirtError):
        connect.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_MISSES)
    return _Link(connect, generation, subscribe(connect, generation))


def _is_alive(connect) -> bool:
    try:
        return bool(connect.isAlive())
    except libvirt.libvirtError:
        return False


def _close(link: _Link) -> None:
    # The subscriptions hold on to the virConnect: without these it would never be freed.
    for number in link.subscriptions:
        with contextlib.suppress(libvirt.libvirtError):
            link.connect.domainEventDeregisterAny(number)
    with contextlib.suppress(libvirt.libvirtError):
        link.connect.unregisterCloseCallback()
    with contextlib.suppress(libvirt.libvirtError):
        link.connect.close()


def silence() -> None:
    """Keep libvirt from printing each error to standard error: they are raised anyway."""
    libvirt.registerErrorHandler(lambda *_: None, None)
