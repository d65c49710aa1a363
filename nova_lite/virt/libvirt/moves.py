"""How libvirt guests move to another host: off, by their disks, and running."""
from nova_lite.virt.libvirt.copies import DiskCopies
from nova_lite.virt.libvirt.live import LibvirtLive
from nova_lite.virt.moves import Moves


class LibvirtMoves(Moves):
    """Made by the driver from its parts."""

    def __init__(self, copies: DiskCopies, live: LibvirtLive):
        self._copies, self._live = copies, live

    def live(self) -> LibvirtLive:
        return self._live

    def reaches(self, server_id: str) -> bool:
        return self._live.store.reaches(server_id)

    def unfinished(self) -> dict[str, list[str]]:
        return self._live.store.unfinished()

    def keep(self, server_id: str) -> None:
        self._live.store.own(server_id)

    def borrow(self, server_id: str, host: str) -> None:
        self._live.store.own(server_id, lender=host)

    def copies(self) -> DiskCopies:
        return self._copies
