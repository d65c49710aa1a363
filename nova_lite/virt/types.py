"""The values that pass between a compute worker and a hypervisor driver: plain, immutable, without I/O."""
import dataclasses
import enum
from collections.abc import Callable
from typing import Any

from nova_lite.numa.cells import Assignment, HostCell
from nova_lite.numa.wanted import Wanted
from nova_lite.pci.devices import Device


class PowerState(enum.IntEnum):
    """What the hypervisor says of a guest; the numbers are those of the Compute API's ``OS-EXT-STS:power_state``."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """An image to make a disk from. ``disk_format``: raw, qcow2, ami, aki, ari, iso; ``checksum``: md5, ``sha256`` of the bytes (or None)."""

    id: str
    disk_format: str
    size: int
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    min_disk_gb: int = 0


@dataclasses.dataclass(frozen=True)
class Disk:
    """One disk of a guest. ``kind``: root, ephemeral, swap, config, rescue (boots in the root's place).

    ``whole``: holds all that it has of its image, which may go afterwards.
    ``size_mb`` is 0 where the image's own size holds. ``device`` and ``bus`` of a CD-ROM may be empty: the driver chooses.
    """

    kind: str
    device: str
    bus: str
    size_mb: int = 0
    image: ImageSource | None = None
    boot: bool = False
    fs: str | None = None
    cdrom: bool = False
    whole: bool = False


@dataclasses.dataclass(frozen=True)
class Nic:
    """One network card. ``bridge`` is an existing Linux bridge on the host; ``tap`` the name of the host-side device to make."""

    port_id: str
    mac: str
    bridge: str
    tap: str
    model: str = "virtio"
    mtu: int = 1500


@dataclasses.dataclass(frozen=True)
class PciDevice:
    """A device of the host: domain:bus:slot.function in hexadecimal. ``managed``: the hypervisor takes it from the host and gives it back."""

    address: str
    managed: bool = True


@dataclasses.dataclass(frozen=True)
class Guest:
    """All that a driver needs to run one server. ``properties``: image properties (``hw_*``, ``os_*``); ``extra_specs``: the flavor's.

    ``topology``: what it asks of the host's cells, if anything; ``lying``: where this host has promised it that.
    """

    server_id: str
    name: str
    project_id: str
    user_id: str
    flavor_name: str
    vcpus: int
    memory_mb: int
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    kernel: ImageSource | None = None
    ramdisk: ImageSource | None = None
    kernel_cmdline: str | None = None
    properties: dict = dataclasses.field(default_factory=dict)
    extra_specs: dict = dataclasses.field(default_factory=dict)
    config_drive: dict[str, bytes] | None = None
    topology: Wanted | None = None
    lying: Assignment | None = None
    pci: tuple[PciDevice, ...] = ()
    """The host's PCI devices that are the guest's."""

    @property
    def has_agent(self) -> bool:
        """Whether the image says that a QEMU guest agent runs in it."""
        return str(self.properties.get("hw_qemu_guest_agent", "")).lower() in ("yes", "true", "1", "on")


@dataclasses.dataclass(frozen=True)
class Inventory:
    """What a host has. Memory and disk in MB and GB; ``supported``: (arch, hypervisor type, vm mode) triples."""

    hypervisor_type: str
    hypervisor_version: int
    hypervisor_hostname: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    disk_available_gb: int
    cpu_info: dict
    supported: tuple[tuple[str, str, str], ...]
    traits: tuple[str, ...] = ()
    host_ip: str = "127.0.0.1"
    cells: tuple[HostCell, ...] = ()
    """Its NUMA nodes, with the CPUs and pages that guests may have."""
    devices: tuple[Device, ...] = ()
    """Its PCI devices, where the driver was asked to look for them."""


@dataclasses.dataclass(frozen=True)
class DiskUse:
    """What one disk has done. ``name`` is the guest's (vda); ``errors`` -1 where the hypervisor does not count them."""

    name: str
    read_requests: int
    read_bytes: int
    write_requests: int
    write_bytes: int
    errors: int = -1


@dataclasses.dataclass(frozen=True)
class NicUse:
    """What one network card has done, as the guest sees it. ``name`` is the host's device (a tap)."""

    name: str
    mac: str | None
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_drop: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_drop: int


@dataclasses.dataclass(frozen=True)
class Diagnostics:
    """What a running guest has used so far. ``cpu_times`` in nanoseconds, one a vCPU; memory in KiB; ``memory_stats``: the balloon's words."""

    state: PowerState
    driver: str
    hypervisor: str
    hypervisor_os: str
    cpu_times: tuple[int, ...]
    disks: tuple[DiskUse, ...]
    nics: tuple[NicUse, ...]
    memory_kib: int
    memory_used_kib: int
    memory_stats: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Console:
    """A way to a running guest's screen (vnc, spice) or serial line. ``run`` is another text after each start of the guest.

    ``connect()``: a stream with ``recv``, ``sendall`` and ``close`` as sockets have them; raises HypervisorError, OSError.
    """

    kind: str
    run: str
    connect: Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class LifecycleEvent:
    """The hypervisor saw a guest change by itself or by us. ``state`` is what it is in now; ``guest_initiated`` a shutdown from inside."""

    server_id: str
    state: PowerState
    detail: str = ""
    guest_initiated: bool = False
