"""A client of console proxies: websockets, and the RFB protocol far enough to see a screen."""
import contextlib
import socket
import struct
from urllib import parse

import wsproto
from wsproto import events
from wsproto.utilities import RemoteProtocolError

SECONDS = 30


class Refused(Exception):
    """The proxy's answer was not a websocket; the text is its status."""


def websocket_path(url: str) -> str:
    """What noVNC makes of the URL of its page: the path of its websocket."""
    query = parse.parse_qs(parse.urlsplit(url).query)
    return "/" + query["path"][0] if "path" in query else "/?" + parse.urlencode({"token": query["token"][0]})


class WebSocket:
    """``with``: connected to the console that ``url`` opens, as its page or a client would. Raises Refused.

    ``text``: whole messages of text instead of a stream of bytes.
    """

    def __init__(self, url: str, headers: dict[str, str] | None = None, path: str | None = None, subprotocols=("binary",), text: bool = False):
        self._message = events.TextMessage if text else events.BytesMessage
        self._subprotocols = list(subprotocols)
        self._messages: list[str] = []
        self._parts: list[str] = []
        place = parse.urlsplit(url)
        self._socket = socket.create_connection((place.hostname, place.port), timeout=SECONDS)
        self._state = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        more = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        self._buffer, self.ended = b"", False
        try:
            self._socket.sendall(self._state.send(events.Request(
                host=place.netloc, target=path or websocket_path(url), subprotocols=self._subprotocols, extra_headers=more)))
            self._take(self._socket.recv(65536))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "WebSocket":
        return self

    def __exit__(self, *exc_info) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()

    def _take(self, data: bytes) -> None:
        try:
            self._state.receive_data(data or None)
        except RemoteProtocolError:
            self.ended = True
        for event in self._state.events():
            if isinstance(event, events.RejectConnection):
                raise Refused(event.status_code)
            if isinstance(event, events.AcceptConnection):
                assert event.subprotocol in (self._subprotocols or [None])
            if isinstance(event, events.TextMessage):
                self._parts.append(event.data)
                if event.message_finished:
                    self._messages.append("".join(self._parts))
                    self._parts.clear()
            if isinstance(event, events.BytesMessage):
                self._buffer += bytes(event.data)
            if isinstance(event, events.CloseConnection):
                self.ended = True

    def send(self, data) -> None:
        """Send one message."""
        self._socket.sendall(self._state.send(self._message(data)))

    def read_message(self) -> str:
        """The next message of text; EOFError when there is none any more."""
        while not self._messages:
            if self.ended:
                raise EOFError
            self._take(self._socket.recv(65536))
        return self._messages.pop(0)

    def read_until(self, enough) -> bytes:
        """All that came, once ``enough(it)``; EOFError when the connection ends or is silent before."""
        while not enough(self._buffer):
            if self.ended:
                raise EOFError(self._buffer[-200:])
            try:
                self._take(self._socket.recv(65536))
            except TimeoutError:
                raise EOFError(f"silent for {SECONDS} s after", self._buffer[-200:])
        data, self._buffer = self._buffer, b""
        return data

    def read(self, size: int) -> bytes:
        """So many bytes."""
        data = self.read_until(lambda found: len(found) >= size)
        self._buffer = data[size:]
        return data[:size]

    def wait_for_end(self) -> None:
        """Until the other side ends the connection."""
        with contextlib.suppress(EOFError):
            self.read_until(lambda found: False)


def screen(url: str, **options) -> tuple[int, int, bytes]:
    """(width, height, pixels of four bytes) of the screen that ``url`` opens."""
    with WebSocket(url, **options) as viewer:
        assert viewer.read(12) == b"RFB 003.008\n"
        viewer.send(b"RFB 003.008\n")
        assert 1 in viewer.read(viewer.read(1)[0])
        viewer.send(b"\1")
        assert viewer.read(4) == bytes(4)
        viewer.send(b"\1")
        width, height, name = struct.unpack(">HH16xI", viewer.read(24))
        viewer.read(name)
        viewer.send(struct.pack(">BxHi", 2, 1, 0))
        viewer.send(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
        pixels = bytearray(width * height * 4)
        missing = len(pixels)
        while missing > 0:
            kind, count = struct.unpack(">BxH", viewer.read(4))
            assert kind == 0
            for _ in range(count):
                left, top, wide, high, encoding = struct.unpack(">HHHHi", viewer.read(12))
                assert encoding == 0
                rows = viewer.read(wide * high * 4)
                for row in range(high):
                    at = ((top + row) * width + left) * 4
                    pixels[at:at + wide * 4] = rows[row * wide * 4:(row + 1) * wide * 4]
                missing -= len(rows)
        return width, height, bytes(pixels)
