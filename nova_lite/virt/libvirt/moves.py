"""How libvirt guests move to another host: off, by their disks, and running."""
from nova_lite.virt.libvirt.copies import DiskCopies
from nova_lite.virt.libvirt.disks import DiskStore
from nova_lite.virt.libvirt.live import LibvirtLive
from nova_lite.virt.moves import Moves


class LibvirtMoves(Moves):
    """Made by the driver from its parts. ``live``: None where guests cannot move while they run."""

    def __init__(self, store: DiskStore, copies: DiskCopies, live: LibvirtLive | None):
        self._store, self._copies, self._live = store, copies, live

    def live(self) -> LibvirtLive:
        return self._live or super().live()

    def reaches(self, server_id: str) -> bool:
        return self._store.reaches(server_id)

    def unfinished(self) -> dict[str, list[str]]:
        return self._live.store.unfinished()

    def keep(self, server_id: str) -> None:
        self._store.own(server_id)

    def borrow(self, server_id: str, host: str) -> None:
        self._live.store.own(server_id, lender=host)

    def copies(self) -> DiskCopies:
        return self._copies
