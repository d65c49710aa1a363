"""The port of a host for consoles: who is let through to what, and for how long."""
import contextlib
import socket

import pytest

from nova_lite import clock, concurrency, exception
from nova_lite.compute.worker.console import OFFER_SECONDS, ConsoleRelay
from nova_lite.virt import types


class Lines:
    """A driver's consoles, each of which answers with the words it got, and its kind."""

    def __init__(self):
        self.refuses = False

    def console(self, server_id, kind):
        if kind == "spice":
            raise exception.ConsoleTypeUnavailable(console_type=kind)
        return types.Console(kind, "1", lambda: self._connect(kind))

    def _connect(self, kind):
        if self.refuses:
            raise exception.HypervisorError(reason="no")
        visitor, guest = socket.socketpair()

        def answer():
            with contextlib.closing(guest):
                while words := guest.recv(100):
                    guest.sendall(kind.encode() + b":" + words)
        concurrency.spawn_logged(answer)
        return visitor


@pytest.fixture
def lines():
    return Lines()


@pytest.fixture
def relay(lines):
    made = ConsoleRelay(lines)
    yield made
    made.stop()


def visit(offer, greeting=None):
    client = socket.create_connection((offer["host"], offer["port"]), timeout=20)
    client.sendall(greeting or f"CONNECT {offer['internal_access_path']} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return client


def everything(client) -> bytes:
    data = b""
    with contextlib.closing(client):
        while chunk := client.recv(100):
            data += chunk
    return data


def read(client, size) -> bytes:
    data = b""
    while len(data) < size:
        chunk = client.recv(size - len(data))
        assert chunk, data
        data += chunk
    return data


def test_an_offer_is_good_for_one_connection(relay):
    offer = relay.offer("s1", "vnc")
    assert offer["run"] == "1"
    client = visit(offer)
    client.sendall(b"hello")
    assert read(client, 19 + 9) == b"HTTP/1.1 200 OK\r\n\r\nvnc:hello"
    assert everything(visit(offer)).startswith(b"HTTP/1.1 404")
    client.close()


def test_offers_end(relay, monkeypatch):
    offer, now = relay.offer("s1", "vnc"), clock.monotonic()
    monkeypatch.setattr(clock, "monotonic", lambda: now + OFFER_SECONDS + 1)
    assert everything(visit(offer)).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("greeting", [
    b"CONNECT / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"x" * 4096, b"CONNECT \xff HTTP/1.1\r\n\r\n"])
def test_strangers_are_sent_away(relay, greeting):
    assert everything(visit(relay.offer("s1", "vnc"), greeting)).startswith(b"HTTP/1.1 404")


def test_what_the_hypervisor_refuses_is_not_found(relay, lines):
    offer = relay.offer("s1", "vnc")
    lines.refuses = True
    assert everything(visit(offer)).startswith(b"HTTP/1.1 404")
    with pytest.raises(exception.ConsoleTypeUnavailable):
        relay.offer("s1", "spice")


def test_a_newer_reader_of_a_serial_line_ends_the_older(relay):
    first, other = visit(relay.offer("s1", "serial")), visit(relay.offer("s2", "serial"))
    for client in (first, other):
        read(client, 19)
    second = visit(relay.offer("s1", "serial"))
    assert read(second, 19) and everything(first) == b""
    for client in (second, other):
        client.sendall(b"me")
        assert read(client, 9) == b"serial:me"
        client.close()


def test_a_port_that_is_taken_is_said(lines):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(exception.Unavailable, match="port"):
            ConsoleRelay(lines, port=taken.getsockname()[1]).offer("s1", "vnc")
