"""One connection to the broker, through kombu: RabbitMQ for ``amqp://``, this process for ``memory://``. Opened by link.py.

kombu's transport interface is used directly (establish, channel, drain, close): its retry and pooling layers assume threads
of their own, and reconnecting is link.py's.
"""
import socket

import kombu
from kombu.transport import pyamqp

from nova_lite.rpc import memory


class _AmqpConnection(pyamqp.Connection):
    # With this capability py-amqp reads from the socket before each publish, and so takes bytes away from the green thread
    # that reads. A broker that blocks publishers is noticed by its missing confirmations.
    negotiate_capabilities = {**pyamqp.Connection.negotiate_capabilities, "connection.blocked": False}


class _AmqpTransport(pyamqp.Transport):
    Connection = _AmqpConnection


class _AmqpsTransport(pyamqp.SSLTransport):
    Connection = _AmqpConnection


_TRANSPORTS = {"memory": memory.MemoryTransport, "amqp": _AmqpTransport, "pyamqp": _AmqpTransport, "amqps": _AmqpsTransport}


class Connection:
    """An open connection. One green thread may ``drain``; writers of one connection must take turns (link.py's lock)."""

    def __init__(self, url: str, connect_timeout: float, heartbeat: int):
        """``heartbeat``: seconds of silence after which RabbitMQ gives this client up; 0 for never.

        Raises what the socket or the broker's refusal raises.
        """
        scheme = url.partition("://")[0]
        options = {"broker": memory.broker(url)} if scheme == "memory" else {}
        client = kombu.Connection(url, transport=transport_class(url), connect_timeout=connect_timeout, heartbeat=heartbeat,
                                  transport_options=options)
        self._transport = client.transport
        self._raw = self._transport.establish_connection()
        self.confirms = scheme != "memory"

    def channel(self):
        """A new kombu channel."""
        return self._transport.create_channel(self._raw)

    def drain(self) -> None:
        """Wait for something from the broker and hand it to its callback. Raises when the connection is lost."""
        self._transport.drain_events(self._raw)

    def beat(self) -> None:
        """Tell RabbitMQ that this client lives."""
        if self.confirms:
            self._raw.send_heartbeat()

    def interrupt(self) -> None:
        """Make ``drain`` and any writer fail now. The socket is closed by the one who drains: closing it here would leave
        a green thread waiting for a file number that is no longer its own.
        """
        if not self.confirms:
            self._transport.interrupt()
            return
        sock = getattr(getattr(self._raw, "_transport", None), "sock", None)
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        """Say goodbye and close. Waits for the broker's answer; nobody else may drain. Raises when the link is broken."""
        self._transport.close_connection(self._raw)

    def drop(self) -> None:
        """Close without a word."""
        if self.confirms:
            self._raw.collect()
        else:
            self._transport.close_connection(self._raw)


def transport_class(url: str) -> type:
    """The kombu transport of a URL. Raises ValueError naming what can be used."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _TRANSPORTS:
        raise ValueError(f"{scheme!r} is no message broker that can be used; use one of {', '.join(sorted(_TRANSPORTS))}")
    return _TRANSPORTS[scheme]


def publish(channel, body: bytes, exchange: str, routing_key: str, properties: dict) -> None:
    """Write one message to ``channel``."""
    message = channel.prepare_message(body, content_type="application/json", content_encoding="utf-8", properties=properties)
    channel.basic_publish(message, exchange=exchange, routing_key=routing_key)
