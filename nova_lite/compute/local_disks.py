"""The local disks of a server: what its user may say of them, and what they are for a flavor. Pure.

A server keeps what was said as a list: {"kind": root | ephemeral | swap, "size_mb": int or None (all that the flavor gives), "fs", "bus"}.
"""
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nova_lite import exception

BUSES = ("virtio", "scsi", "sata", "ide", "usb")
FILE_SYSTEMS = ("ext2", "ext3", "ext4", "xfs", "vfat")
MOST_DISKS = 16
MB_IN_GB = 1024
INVALID = "Block Device Mapping is Invalid"
TOO_MUCH_EPHEMERAL = ("Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device mapping, "
                      "flavor ephemeral size will be used.")


@dataclass(frozen=True)
class LocalDisk:
    """A disk as the server has it. ``fs`` and ``bus``: None where nobody has chosen."""

    kind: str
    size_mb: int
    fs: str | None = None
    bus: str | None = None


def said(kind: str, size_mb: int | None = None, fs: str | None = None, bus: str | None = None) -> dict:
    """One row of what a user says. Raises Invalid for a bus or a file system that no disk can have."""
    if bus is not None and bus not in BUSES:
        raise exception.Invalid(f"{INVALID}: The provided disk bus {bus} is not valid.")
    if fs is not None and kind == "ephemeral" and fs not in FILE_SYSTEMS:
        raise exception.Invalid(f"{INVALID}: guest_format {fs} is not known; use {', '.join(FILE_SYSTEMS)}, or swap")
    return {"kind": kind, "size_mb": size_mb, "fs": fs, "bus": bus}


def check(disks: Sequence[Mapping], flavor: Mapping) -> None:
    """Whether a server of the flavor may have these disks. Raises Invalid."""
    given = flavor["ephemeral_gb"] * MB_IN_GB
    if sum(given if disk["size_mb"] is None else disk["size_mb"] for disk in disks if disk["kind"] == "ephemeral") > given:
        raise exception.Invalid(TOO_MUCH_EPHEMERAL)
    swaps = [disk for disk in disks if disk["kind"] == "swap"]
    if len(swaps) > 1:
        raise exception.Invalid(f"{INVALID}: More than one swap drive requested.")
    if swaps and (swaps[0]["size_mb"] or 0) > flavor["swap"]:
        raise exception.Invalid("Swap drive requested is larger than instance type allows.")
    if 1 + sum(disk["kind"] != "root" for disk in disks) > MOST_DISKS:
        raise exception.Invalid(f"{INVALID}: You specified more local devices than the limit allows")


def lay_out(disks: Sequence[Mapping], flavor: Mapping) -> list[LocalDisk]:
    """All local disks of a server in their order: what was said, within what the flavor gives, and what the flavor gives besides."""
    return [LocalDisk("root", flavor["root_gb"] * MB_IN_GB, bus=root_bus(disks)),
            *_of_kind("ephemeral", disks, flavor["ephemeral_gb"] * MB_IN_GB), *_of_kind("swap", disks, flavor["swap"])]


def root_bus(disks: Sequence[Mapping]) -> str | None:
    """The bus that was chosen for the root disk, if any."""
    return next((disk["bus"] for disk in disks if disk["kind"] == "root"), None)


def _of_kind(kind: str, disks: Sequence[Mapping], given: int) -> list[LocalDisk]:
    chosen = [disk for disk in disks if disk["kind"] == kind] or [{"size_mb": None, "fs": None, "bus": None}]
    # A flavor that the server was resized to may give less.
    sizes = [given if disk["size_mb"] is None else min(disk["size_mb"], given) for disk in chosen]
    return [LocalDisk(kind, size, disk["fs"], disk["bus"]) for disk, size in zip(chosen, sizes, strict=True) if size]


def usual_bus(image: Mapping) -> str:
    """The bus of the disks of servers made from the image whose user has not chosen one."""
    return (image.get("properties") or {}).get("hw_disk_bus") or "virtio"


def prefix(bus: str) -> str:
    """How guests' names of disks on a bus begin."""
    return {"virtio": "vd", "ide": "hd", "fdc": "fd"}.get(bus, "sd")


class Names:
    """Hands out guests' names of disks: vda, vdb ... sda ..."""

    def __init__(self):
        self._letters: dict[str, Iterator[str]] = {}

    def take(self, bus: str) -> str:
        """The next free name on the bus."""
        start = prefix(bus)
        return start + next(self._letters.setdefault(start, iter(string.ascii_lowercase)))


def mapping(disks: Sequence[Mapping], flavor: Mapping, image: Mapping) -> dict[str, str]:
    """The devices of the disks beside the root as EC2 names them: ephemeral0, ephemeral1 ..., swap."""
    names, found, count = Names(), {}, 0
    for disk in lay_out(disks, flavor):
        device = f"/dev/{names.take(disk.bus or usual_bus(image))}"
        if disk.kind == "ephemeral":
            found[f"ephemeral{count}"] = device
            count += 1
        elif disk.kind == "swap":
            found["swap"] = device
    return found
