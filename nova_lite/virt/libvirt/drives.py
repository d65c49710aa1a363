"""A guest's disks and CD-ROM drives as libvirt's XML, each with the limits that the flavor sets. Pure."""
import string

from nova_lite.virt import types
from nova_lite.virt.libvirt import choices, layout
from nova_lite.virt.libvirt.host import HostCapabilities
from nova_lite.virt.libvirt.settings import LibvirtSettings
from nova_lite.virt.libvirt.xml import devices as dev

LIMITS = tuple(f"{what}_{unit}_sec" for what in ("total", "read", "write") for unit in ("bytes", "iops"))
"""Both the end of the extra spec ``quota:disk_...`` and the name in the XML."""


def drives(guest: types.Guest, host: HostCapabilities, settings: LibvirtSettings, machine: str | None, files: layout.ServerFiles) -> list[dev.Disk]:
    """Every drive of the guest, the config drive last. Raises HypervisorError for a bus that no drive can be on."""
    boot = (next((disk for disk in guest.disks if disk.boot), None)
            or next((disk for disk in guest.disks if disk.kind == "root"), None))
    found, cdroms = [], []
    for disk, path in files.disks(guest.disks):
        first = disk is boot and not guest.kernel
        if disk.cdrom:
            cdroms.append((disk, dev.Disk(device="cdrom", format="qcow2", file=path, readonly=True, boot_order=1 if first else None)))
        else:
            found.append(_disk(guest, disk, path, host, settings, first))
    if guest.config_drive is not None:
        config = next((disk for disk in guest.disks if disk.kind == "config"), types.Disk("config", "", "", cdrom=True))
        cdroms.append((config, dev.Disk(device="cdrom", format="raw", file=files.config_drive(guest), readonly=True)))
    for disk, drive in cdroms:
        drive.bus = choices.checked("hw_cdrom_bus", disk.bus or guest.properties.get("hw_cdrom_bus") or _usual_cdrom_bus(machine or ""))
        drive.target = _target(disk) or _cdrom_name(drive.bus, disk.kind, {other.target for other in found})
        found.append(drive)
    return found


def _disk(guest, disk, path, host, settings, first) -> dev.Disk:
    bus = choices.checked("hw_disk_bus", disk.bus) if disk.bus else choices.chosen(guest, "hw_disk_bus", "virtio")
    cache = settings.disk_cache or ("none" if host.direct_io else "writeback")
    limits = {name: choices.number(guest, f"quota:disk_{name}") for name in LIMITS}
    return dev.Disk(format="qcow2" if disk.kind in ("root", "rescue") else "raw", cache=cache, io="native" if cache == "none" else None,
                    discard="unmap", file=path, target=_target(disk), bus=bus, boot_order=1 if first else None, **limits)


def _usual_cdrom_bus(machine: str) -> str:
    if "q35" in machine:
        return "sata"
    return "ide" if machine.startswith("pc") else "scsi"


def _cdrom_name(bus: str, kind: str, taken: set[str]) -> str:
    # Behind the disks, so that none of them changes its name; but on the first controller of its bus, which has few places.
    prefix, last = ("hd", "dcba") if bus == "ide" else ("sd", "fedcba")
    letters = last if kind == "config" else last[1:] + last[0]
    return next(prefix + letter for letter in letters + string.ascii_lowercase if prefix + letter not in taken)


def _target(disk: types.Disk) -> str:
    return disk.device.removeprefix("/dev/")
