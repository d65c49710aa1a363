"""What the hypervisors behind libvirt differ in, as one table: QEMU runs machines, LXC containers. Read by ``driver.py``."""
import dataclasses
from collections.abc import Callable

from nova_lite import concurrency
from nova_lite.virt.libvirt import domain, lxc_console, lxc_disks, lxc_domain, lxc_guests, snapshot
from nova_lite.virt.libvirt.disks import DiskStore
from nova_lite.virt.libvirt.lifecycle import Domains


@dataclasses.dataclass(frozen=True)
class Kind:
    """A hypervisor. ``uri``: where libvirt has it; ``mode``: its guests' vm mode, which is libvirt's os type, too.

    ``machines``: whether guests have firmware, screens and buses, of which libvirt tells more, and move while they run; ``package``: what brings it.
    """

    name: str
    uri: str
    package: str
    mode: str
    machines: bool
    domains: type[Domains]
    store: type[DiskStore]
    domain_xml: Callable
    interface_xml: Callable
    copy_root: Callable
    """As ``snapshot.back_up``."""
    serial_line: Callable
    """From the serial line's device and the path of its log to a stream."""
    on_boot: Callable | None = None
    """What is to be done, with (on_domain, state_path, server_id), for each guest that starts or is found running."""


QEMU = Kind("QEMU", "qemu:///system", "libvirt-daemon-driver-qemu", "hvm", True, Domains, DiskStore, domain.domain_xml, domain.interface_xml,
            snapshot.back_up, lambda place, _log: concurrency.Terminal(place))
LXC = Kind("LXC", "lxc:///system", "libvirt-daemon-driver-lxc", "exe", False, lxc_guests.Containers, lxc_disks.TreeStore, lxc_domain.domain_xml,
           lxc_domain.interface_xml, lxc_disks.copy_root, lxc_console.Line, lxc_guests.settle)


def of(virt_type: str) -> Kind:
    """The hypervisor of a ``virt_type``."""
    return LXC if virt_type == "lxc" else QEMU
