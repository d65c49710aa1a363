"""The channel for disks between compute workers: HTTP, from any byte on, for whoever holds the token of the task that moves the server.

``GET /<server id>`` lists the files, ``GET /<server id>/<name>`` sends one packed (virt.copies) from where the Range header says. The port is
open while servers leave the host. With a certificate it speaks TLS, and readers check it with the authority that they are given.
"""
import dataclasses
import http.client
import itertools
import json
import re
import ssl
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from nova_lite import clock, concurrency, exception, log
from nova_lite.compute.worker import channel_note
from nova_lite.db import servers as servers_
from nova_lite.db.engine import Database
from nova_lite.virt.copies import DiskFile
from nova_lite.virt.driver import Driver

LOG = log.get(__name__)
READ_BYTES = 1 << 20
QUIET_SECONDS = 600.0
"""How long the source may take before the first byte: it reads anew what a reader that goes on has already."""
RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""How long the other host may be away before a move is given up."""
_RANGE = re.compile(r"bytes=([0-9]{1,18})-")


@dataclasses.dataclass(frozen=True)
class Channel:
    """Where disks are served and how they are read. Files in PEM: ``certificate`` and ``key`` to serve with TLS, ``authority`` to read with it."""

    address: str = "127.0.0.1"
    port: int = 0
    certificate: str | None = None
    key: str | None = None
    authority: str | None = None

    def server_tls(self) -> ssl.SSLContext | None:
        """None: in clear text. Raises ConfigurationError."""
        if self.certificate is None:
            return None
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.certificate, self.key)
            return context
        except OSError as error:
            raise exception.ConfigurationError(reason=f"compute.transfer_certificate and transfer_key cannot be used: {error}")

    def client_tls(self) -> ssl.SSLContext:
        """Raises ConfigurationError."""
        try:
            return ssl.create_default_context(cafile=self.authority)
        except OSError as error:
            raise exception.ConfigurationError(reason=f"compute.transfer_authority cannot be used: {error}")


class DiskServer:
    """Serves the disks of servers that leave ``host``. ``note``: where to write which port is open."""

    def __init__(self, db: Database, driver: Driver, host: str, channel: Channel, note: Path | None = None):
        self._db, self._driver, self._host, self._channel, self._note = db, driver, host, channel, note
        self._tls = channel.server_tls()
        self._listener = None
        self._task: concurrency.Task | None = None

    def url(self) -> str:
        """Where others reach the disks; the port is open from now on. Raises Unavailable when it is taken."""
        if self._listener is None:
            try:
                listener = concurrency.listen(self._channel.address, self._channel.port)
            except OSError as error:
                raise exception.Unavailable(f"disks cannot be served on {self._channel.address}, port {self._channel.port}: {error.strerror}")
            self._listener = listener if self._tls is None else self._tls.wrap_socket(listener, server_side=True)
            self._task = concurrency.spawn_logged(concurrency.serve_wsgi, self._listener, self)
            if self._note is not None:
                channel_note.write(self._note, self._channel.address, self._listener.getsockname()[1])
        name = f"[{self._channel.address}]" if ":" in self._channel.address else self._channel.address
        return f"{'http' if self._tls is None else 'https'}://{name}:{self._listener.getsockname()[1]}"

    def stop(self) -> None:
        """Close the port."""
        if self._listener is not None:
            self._task.cancel()
            self._listener.close()
            self._listener = None
        if self._note is not None:
            channel_note.remove(self._note)

    def rest(self) -> None:
        """Close the port unless servers leave this host. Called from time to time."""
        if self._listener is not None:
            with self._db.read() as tx:
                needed = servers_.departing(tx, self._host)
            if not needed:
                self.stop()

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        server_id, _, name = environ.get("PATH_INFO", "").lstrip("/").partition("/")
        token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
        status, kind = "200 OK", "application/octet-stream"
        try:
            if environ["REQUEST_METHOD"] != "GET" or not self._may_read(server_id, token):
                status, blocks = "403 Forbidden", iter([b"only for the host that takes the server over"])
            elif not name:
                kind = "application/json"
                blocks = iter([json.dumps([file.dump() for file in self._copies.files(server_id)]).encode()])
            else:
                asked = _RANGE.fullmatch(environ.get("HTTP_RANGE", "bytes=0-"))
                stream = self._copies.read(server_id, name, int(asked.group(1)) if asked else 0)
                # Its errors come with the first block, while there is still a status to give.
                blocks = itertools.chain([next(stream)], stream)
                status = "206 Partial Content" if asked and int(asked.group(1)) else status
        except exception.GuestNotFound as error:
            status, blocks = "404 Not Found", iter([str(error).encode()])
        except exception.HypervisorError as error:
            status, blocks = "409 Conflict", iter([str(error).encode()])
        start_response(status, [("Content-Type", kind)])
        return blocks

    @property
    def _copies(self):
        return self._driver.moves().copies()

    def _may_read(self, server_id: str, token: str) -> bool:
        if not token:
            return False
        with self._db.read() as tx:
            server = servers_.with_task(tx, server_id, token)
        return server is not None and server.host == self._host and servers_.runs_at(server) not in (self._host, servers_.ANY_SCHEDULER)


class Reader:
    """The disks of one server on another host. What breaks is asked for again from there on, until the host has been away for ``patience`` seconds.

    ``locate()`` gives the URL, each time anew: a worker that was started again may serve elsewhere; it may raise Unavailable.
    ``beat()`` is called while bytes come; what it raises ends the reading.
    """

    def __init__(self, locate: Callable[[], str], server_id: str, token: str, channel: Channel, beat: Callable[[], None] = lambda: None,
                 patience: float = PATIENCE_SECONDS):
        self._locate, self._server_id, self._token, self._channel = locate, server_id, token, channel
        self._beat, self._patience = beat, patience
        self._packed: dict[str, int] = {}

    def files(self) -> list[DiskFile]:
        """What there is to read. Raises SourceFailed: the other host refuses, or is away for too long."""
        found = [DiskFile.load(each) for each in json.loads(b"".join(self._stream("", 0)))]
        self._packed = {file.name: file.packed for file in found}
        return found

    def read(self, name: str, position: int) -> Iterator[bytes]:
        """As ``virt.copies.Pull``. Raises as ``files``."""
        return self._stream(name, position)

    def _stream(self, name: str, position: int) -> Iterator[bytes]:
        given, heard = 0, clock.monotonic()
        while True:
            try:
                # Inside the seal nothing can be asked for: it comes whole.
                start = min(position + given, self._packed.get(name, 0))
                surplus = position + given - start
                for block in self._request(name, start):
                    self._beat()
                    heard = clock.monotonic()
                    fresh, surplus = block[surplus:], max(0, surplus - len(block))
                    given += len(fresh)
                    if fresh:
                        yield fresh
                return
            except (OSError, http.client.HTTPException, exception.Unavailable) as error:
                if clock.monotonic() - heard > self._patience:
                    raise exception.SourceFailed(reason=f"it cannot be reached: {error}") from error
                LOG.warning("server %s: its disks cannot be read now, trying again: %r", self._server_id, error)
            self._beat()
            concurrency.sleep(RETRY_SECONDS)

    def _request(self, name: str, start: int) -> Iterator[bytes]:
        parts = urllib.parse.urlsplit(self._locate())
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=QUIET_SECONDS, context=self._channel.client_tls())
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=QUIET_SECONDS)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Connection": "close", **({"Range": f"bytes={start}-"} if start else {})}
            connection.request("GET", urllib.parse.quote(f"/{self._server_id}/{name}"), headers=headers)
            response = connection.getresponse()
            if response.status >= 500:
                raise exception.Unavailable(f"the host that the server leaves answered {response.status}")
            if response.status not in (200, 206):
                raise exception.SourceFailed(reason=f"it answered {response.status}: {response.read(500).decode(errors='replace')}")
            while block := response.read(READ_BYTES):
                yield block
        finally:
            connection.close()
