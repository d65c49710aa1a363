"""How what fake guests have written goes from host to host: real bytes in the real protocol, kept in memory."""
import contextlib
from collections.abc import Callable, Iterator

from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.copies import BLOCK_BYTES, Copies, DiskFile, Fetch, Intake, Pull
from nova_lite.virt.types import PowerState

NAME = "disk"


class FakeCopies(Copies):
    """``driver``: a FakeDriver; ``fetch_bases(guest, fetch)``: have the images that its disks are made from here."""

    def __init__(self, driver, fetch_bases: Callable):
        self._driver, self._fetch_bases = driver, fetch_bases

    @property
    def _here(self):
        return self._driver.hypervisor

    def files(self, server_id: str) -> list[DiskFile]:
        guest = self._here.guests.get(server_id)
        if guest is not None and guest.state != PowerState.SHUTDOWN:
            raise exception.HypervisorError(reason=f"guest {server_id} is on: its disks cannot be copied")
        if server_id not in self._here.bases_by_server:
            raise exception.GuestNotFound(server_id=server_id)
        size = len(self._here.written.get(server_id, b""))
        return [DiskFile(NAME, size, ((0, size),) if size else ())]

    def read(self, server_id: str, name: str, position: int) -> Iterator[bytes]:
        file = next((file for file in self.files(server_id) if file.name == name), None)
        if file is None:
            raise exception.GuestNotFound(server_id=server_id)
        content, sealed = self._here.written.get(server_id, b""), file.seal()
        sealed.update(content)
        for at in range(position, len(content), BLOCK_BYTES):
            yield content[at:at + BLOCK_BYTES]
        yield sealed.digest()

    def prepare(self, guest: types.Guest, fetch: Fetch) -> None:
        with contextlib.suppress(exception.ImageNotFound):
            self._fetch_bases(guest, fetch)

    def receive(self, guest: types.Guest, key: str, files: list[DiskFile], pull: Pull, fetch: Fetch) -> None:
        here, server_id = self._here, guest.server_id
        known, arrived = here.incoming.get(server_id, (None, None))
        if known != key:
            self._driver.delete_disks(server_id)
            arrived = bytearray()
            here.incoming[server_id] = (key, arrived)
        file = next(file for file in files if file.name == NAME)
        sealed = file.seal()
        sealed.update(arrived)
        intake = Intake(file, len(arrived), sealed, lambda _offset, piece: arrived.extend(piece))
        for block in pull(NAME, len(arrived)):
            intake.take(block)
        intake.check()
        self._driver.create_disks(guest, fetch)
        here.written[server_id] = bytes(arrived)
        del here.incoming[server_id]
