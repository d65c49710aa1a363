"""The other end of a fake guest's consoles: an RFB server with a picture that does not change, and a serial line that answers in capitals."""
import contextlib
import socket
import struct

from nova_lite import concurrency

WIDTH, HEIGHT = 64, 48
_LITTLE_ENDIAN_RGB = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
# Bytes that follow the first one of each message of a client; a list's length stands where the second number says, times the third.
_MESSAGES = {0: (19, None, 0), 2: (3, slice(1, 3), 4), 3: (9, None, 0), 4: (7, None, 0), 5: (5, None, 0), 6: (7, slice(3, 7), 1)}
_UPDATE_REQUEST = 3


def connect(kind: str, name: str) -> tuple[socket.socket, socket.socket]:
    """(the visitor's end, the guest's end) of a new connection; the guest answers until either is closed. ``name``: the guest's."""
    visitor, guest = socket.socketpair()
    concurrency.spawn_logged(_answer, _serial if kind == "serial" else _screen, guest, name)
    return visitor, guest


def _answer(talk, guest: socket.socket, name: str) -> None:
    with contextlib.closing(guest), contextlib.suppress(OSError, EOFError):
        talk(guest, name)


def _serial(guest: socket.socket, name: str) -> None:
    guest.sendall(f"\r\n{name} login: ".encode())
    while typed := guest.recv(4096):
        guest.sendall(typed.upper())


def _screen(guest: socket.socket, name: str) -> None:
    """RFB 3.8 without authentication."""
    guest.sendall(b"RFB 003.008\n")
    _read(guest, 12)
    guest.sendall(b"\1\1")
    _read(guest, 1)
    guest.sendall(struct.pack(">I", 0))
    _read(guest, 1)
    text = name.encode()
    guest.sendall(struct.pack(">HH", WIDTH, HEIGHT) + _LITTLE_ENDIAN_RGB + struct.pack(">I", len(text)) + text)
    while True:
        message = _read(guest, 1)[0]
        if message not in _MESSAGES:
            return
        size, length, unit = _MESSAGES[message]
        rest = _read(guest, size)
        if length is not None:
            _read(guest, int.from_bytes(rest[length], "big") * unit)
        if message == _UPDATE_REQUEST:
            guest.sendall(struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + _picture())


def _picture() -> bytes:
    return b"".join(bytes((4 * x, 5 * y, 128, 0)) for y in range(HEIGHT) for x in range(WIDTH))


def _read(guest: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = guest.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
