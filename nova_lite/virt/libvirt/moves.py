"""How libvirt guests move to another host: off, by their disks, and running."""
from nova_lite.virt.libvirt.copies import DiskCopies
from nova_lite.virt.moves import Moves


class LibvirtMoves(Moves):
    """Made by the driver from its parts."""

    def __init__(self, copies: DiskCopies):
        self._copies = copies

    def copies(self) -> DiskCopies:
        return self._copies
