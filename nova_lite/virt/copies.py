"""The part of the driver contract that takes a guest's disks to another host while it is off; ``Moves.copies()`` gives it where the driver can.

A file travels packed: only the extents that hold data, in order, then its seal, the SHA-256 of what the file is (size, extents) and of that data.
So holes cost nothing, a transfer can go on from any byte, and what arrives is known to be whole. As in ``virt.driver``, each method may be
repeated and blocks only the caller.
"""
import abc
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator

from nova_lite import exception
from nova_lite.virt import types

Fetch = Callable[[str], Iterator[bytes]]
"""As in ``virt.driver``."""
Pull = Callable[[str, int], Iterator[bytes]]
"""Given a file's name and a position, yields the rest of the packed file and its seal; raises exception.Unavailable."""
SEAL_BYTES = 32
BLOCK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class DiskFile:
    """One file of a server. ``size`` and ``extents`` (offset, length) in bytes; ``base``: the image that it only holds the difference to."""

    name: str
    size: int
    extents: tuple[tuple[int, int], ...]
    base: str | None = None

    @property
    def packed(self) -> int:
        """Bytes of data."""
        return sum(length for _, length in self.extents)

    def dump(self) -> dict:
        """As JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def load(cls, values: dict) -> "DiskFile":
        """From ``dump``. Raises HypervisorError for what is no such thing."""
        try:
            extents = tuple((int(offset), int(length)) for offset, length in values["extents"])
            return cls(str(values["name"]), int(values["size"]), extents, values.get("base"))
        except (KeyError, TypeError, ValueError) as error:
            raise exception.HypervisorError(reason=f"the other host's list of disks cannot be read: {error!r}")

    def seal(self):
        """A fresh hash that has to take the file's data."""
        return hashlib.sha256(json.dumps([self.size, self.extents]).encode())

    def pieces(self, position: int) -> Iterator[tuple[int, int]]:
        """(offset, length) of what follows ``position`` in the packed file."""
        for offset, length in self.extents:
            if position < length:
                yield offset + position, length - position
            position = max(0, position - length)


class Copies(abc.ABC):
    """How the disks of a hypervisor's guests are copied between hosts."""

    @abc.abstractmethod
    def files(self, server_id: str) -> list[DiskFile]:
        """At the source: the files to copy, base images last, which are fetched only where nobody else has them.

        Raises HypervisorError while the guest is on, GuestNotFound when there are none.
        """

    @abc.abstractmethod
    def read(self, server_id: str, name: str, position: int) -> Iterator[bytes]:
        """At the source: one of ``files`` packed, from ``position`` on, and its seal. Raises GuestNotFound for another name."""

    @abc.abstractmethod
    def prepare(self, guest: types.Guest, fetch: Fetch) -> None:
        """At the destination, while the guest still runs: fetch the base images that it will need. One that is gone is no error.

        Raises ImageUnusable, DiskFull, and what else ``fetch`` raises.
        """

    @abc.abstractmethod
    def receive(self, guest: types.Guest, key: str, files: list[DiskFile], pull: Pull, fetch: Fetch) -> None:
        """At the destination: make the guest's disks of the other host's, as large as the guest wants them, and those that it has besides.

        ``key`` names the move: what an earlier call with the same key has received is not pulled again; what is here under another is removed.
        Raises DiskFull, HypervisorError (not whole, or made from another base image), and what ``pull`` and ``fetch`` raise.
        """


class Intake:
    """Takes a packed file block by block. ``write(offset, bytes)`` keeps a piece; ``sealed`` is a hash that has the first ``position`` bytes."""

    def __init__(self, file: DiskFile, position: int, sealed, write: Callable[[int, bytes], None]):
        self.position = position
        self._file, self._sealed, self._write = file, sealed, write
        self._pieces = file.pieces(position)
        self._offset = self._room = 0
        self._seal = b""

    def take(self, block: bytes) -> None:
        """The next bytes of the stream."""
        view = memoryview(block)
        while view:
            if not self._room:
                self._offset, self._room = next(self._pieces, (0, 0))
                if not self._room:
                    self._seal += bytes(view)
                    return
            piece = view[:self._room]
            self._write(self._offset, piece)
            self._sealed.update(piece)
            self._offset, self._room = self._offset + len(piece), self._room - len(piece)
            self.position += len(piece)
            view = view[len(piece):]

    def check(self) -> None:
        """Raises HypervisorError unless all has come and is what was sent."""
        if self.position != self._file.packed or self._seal != self._sealed.digest():
            raise exception.HypervisorError(reason=f"{self._file.name} did not arrive as it was sent")
