"""A websocket (RFC 6455) as a stream of bytes, over a connection on which the request for it has just come."""
import contextlib
import socket

import wsproto
from wsproto import events

from nova_lite import concurrency, exception

PROTOCOL = "binary"
_HEADER = "HTTP_"


class Handshake:
    """The request of a WSGI ``environ``. Raises Invalid where it asks for no websocket that can be."""

    def __init__(self, environ: dict):
        self._environ = environ
        self._state = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        names = {key[len(_HEADER):].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith(_HEADER)}
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in names.items()]
        try:
            self._state.initiate_upgrade_connection(headers, environ.get("PATH_INFO", "/"))
            request = next(self._state.events())
        except wsproto.utilities.RemoteProtocolError as error:
            raise exception.Invalid(str(error)) from error
        self._chosen = PROTOCOL if PROTOCOL in request.subprotocols else None

    def accept(self) -> "WebSocket":
        """Answer; from now on the connection of the request is a websocket. Raises OSError."""
        connection = concurrency.take_socket(self._environ)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.sendall(self._state.send(events.AcceptConnection(subprotocol=self._chosen)))
        return WebSocket(connection, self._state)

    def refuse(self, status: int) -> None:
        """Answer with an HTTP status, and end the connection."""
        with contextlib.suppress(OSError), contextlib.closing(concurrency.take_socket(self._environ)) as connection:
            connection.sendall(self._state.send(events.RejectConnection(status_code=status, headers=[(b"content-length", b"0")])))
            connection.shutdown(socket.SHUT_RDWR)


class WebSocket:
    """``recv``, ``sendall`` and ``close`` as sockets have them. One green thread may receive while another sends."""

    def __init__(self, connection: socket.socket, state: wsproto.WSConnection):
        self._connection, self._state = connection, state
        self._sending = concurrency.Lock()
        self._received = b""
        self._ended = False

    def recv(self, size: int) -> bytes:
        """At most ``size`` bytes, once there are any; empty when the other side has ended. Raises OSError."""
        while not self._received and not self._ended:
            try:
                self._state.receive_data(self._connection.recv(65536) or None)
                for event in self._state.events():
                    self._take(event)
            except wsproto.utilities.RemoteProtocolError:
                self._ended = True
        data, self._received = self._received[:size], self._received[size:]
        return data

    def _take(self, event: events.Event) -> None:
        if isinstance(event, events.BytesMessage):
            self._received += bytes(event.data)
        elif isinstance(event, events.TextMessage):
            self._received += event.data.encode()
        elif isinstance(event, events.Ping):
            self._send(event.response())
        elif isinstance(event, events.CloseConnection):
            self._ended = True

    def sendall(self, data: bytes) -> None:
        """Send ``data`` as one message. Raises OSError."""
        self._send(events.BytesMessage(data))

    def _send(self, event: events.Event) -> None:
        with self._sending:
            self._connection.sendall(self._state.send(event))

    def close(self) -> None:
        """Say that it is the end, and close the connection."""
        with contextlib.suppress(OSError, wsproto.utilities.LocalProtocolError):
            self._send(events.CloseConnection(code=1000))
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
