"""The way into this host for consoles: one port, on which a proxy names the console that it was offered and is joined to the guest.

Nothing of a guest listens itself. A connection begins with ``CONNECT <internal_access_path> HTTP/1.1`` and an empty line; the answer is 200 or
404. The port opens when the first console is asked for.
"""
import contextlib
import dataclasses
import socket
import uuid

from nova_lite import clock, concurrency, exception, log
from nova_lite.virt import types
from nova_lite.virt.driver import Driver

LOG = log.get(__name__)
OFFER_SECONDS = 60.0
GREETING_SECONDS = 10.0
GREETING_BYTES = 4096
ALONE = "serial"
"""A terminal gives each byte to one reader only: a newer connection ends the older."""


@dataclasses.dataclass(frozen=True)
class _Offer:
    server_id: str
    console: types.Console
    until: float


class ConsoleRelay:
    """``address`` and ``port`` (0: a free one): where proxies reach this host."""

    def __init__(self, driver: Driver, address: str = "127.0.0.1", port: int = 0):
        self._driver, self._address, self._port = driver, address, port
        self._offers: dict[str, _Offer] = {}
        self._alone: dict[str, socket.socket] = {}
        self._listener: socket.socket | None = None
        self._task: concurrency.Task | None = None

    def offer(self, server_id: str, kind: str) -> dict:
        """See interfaces.compute: get_console. Raises GuestNotFound, ConsoleTypeUnavailable, Unavailable when the port is taken."""
        console = self._driver.console(server_id, kind)
        self._listen()
        now = clock.monotonic()
        self._offers = {path: offer for path, offer in self._offers.items() if offer.until > now}
        path = str(uuid.uuid4())
        self._offers[path] = _Offer(server_id, console, now + OFFER_SECONDS)
        return {"host": self._address, "port": self._listener.getsockname()[1], "internal_access_path": path, "run": console.run}

    def stop(self) -> None:
        """Close the port; connections that are open go on until the process ends."""
        if self._listener is not None:
            self._task.cancel()
            self._listener.close()
            self._listener = None

    def _listen(self) -> None:
        if self._listener is not None:
            return
        try:
            self._listener = concurrency.listen(self._address, self._port)
        except OSError as error:
            raise exception.Unavailable(f"consoles of this host cannot be reached: {self._address}, port {self._port}: {error.strerror or error}")
        self._task = concurrency.spawn_logged(self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            concurrency.spawn_logged(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.closing(connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            offer = self._offers.pop(_asked_for(connection), None)
            stream = _connect(offer) if offer is not None and offer.until > clock.monotonic() else None
            if stream is None:
                connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
                return
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            if offer.console.kind == ALONE:
                self._end_older(offer.server_id)
                self._alone[offer.server_id] = connection
            try:
                concurrency.join_streams(connection, stream)
            finally:
                if self._alone.get(offer.server_id) is connection:
                    del self._alone[offer.server_id]

    def _end_older(self, server_id: str) -> None:
        older = self._alone.pop(server_id, None)
        if older is not None:
            with contextlib.suppress(OSError):
                older.shutdown(socket.SHUT_RDWR)


def _connect(offer: _Offer):
    try:
        return offer.console.connect()
    except (exception.NovaLiteError, OSError) as error:
        LOG.warning("the %s console of server %s cannot be opened: %s", offer.console.kind, offer.server_id, error)
        return None


def _asked_for(connection: socket.socket) -> str:
    """The path of the CONNECT; "" for anything else."""
    head = b""
    with contextlib.suppress(concurrency.Timeout, OSError), concurrency.timeout(GREETING_SECONDS):
        while not head.endswith(b"\r\n\r\n") and len(head) < GREETING_BYTES:
            # Byte by byte: what follows the empty line is the guest's.
            byte = connection.recv(1)
            if not byte:
                break
            head += byte
    words = head.split(b"\r\n", 1)[0].split()
    return words[1].decode("latin-1") if len(words) == 3 and words[0] == b"CONNECT" else ""
