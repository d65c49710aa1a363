"""The disks of a server's guest: which there are, on which bus, and by which name the guest knows them. Pure."""
from nova_lite.compute import local_disks
from nova_lite.db.models import Server
from nova_lite.virt import types

EPHEMERAL_FS = "ext4"


def source(image: dict | None) -> types.ImageSource | None:
    """A server's copy of an image as drivers want it."""
    if image is None:
        return None
    return types.ImageSource(image["id"], image["disk_format"], image.get("size") or 0, image.get("checksum"), image.get("os_hash_algo"),
                             image.get("os_hash_value"), image.get("min_disk") or 0)


def of_server(server: Server, with_drive: bool) -> tuple[types.Disk, ...]:
    """All disks in the order in which the guest gets them, the config drive with ``with_drive``.

    One to rescue with comes first and pushes the others on by one name, unless its image has ``hw_rescue_device`` or ``hw_rescue_bus``: then it
    comes last, and all others are where they always are.
    """
    usual = local_disks.usual_bus(server.image)
    names = local_disks.Names()
    rescue = server.request.get("rescue_image")
    last = rescue is not None and is_stable(rescue)
    disks = [types.Disk("rescue", names.take(usual), usual, 0, source(rescue), boot=True)] if rescue and not last else []
    for disk in local_disks.lay_out(server.disks, server.flavor):
        bus = disk.bus or usual
        root = disk.kind == "root"
        disks.append(types.Disk(disk.kind, names.take(bus), bus, disk.size_mb, source(server.image) if root else None, boot=root and not rescue,
                                fs={"root": None, "swap": "swap"}.get(disk.kind, disk.fs or EPHEMERAL_FS)))
    if with_drive:
        # The driver knows which bus of the machine takes it.
        disks.append(types.Disk("config", "", "", cdrom=True))
    return (*disks, _stable_rescue(rescue, usual, names)) if last else tuple(disks)


def is_stable(image: dict) -> bool:
    """Whether a rescue with the image leaves every disk in its place."""
    return any(image.get("properties", {}).get(name) for name in ("hw_rescue_device", "hw_rescue_bus"))


def _stable_rescue(image: dict, usual: str, names: local_disks.Names) -> types.Disk:
    properties = image["properties"]
    if properties.get("hw_rescue_device", "disk") == "cdrom":
        bus = properties.get("hw_rescue_bus") or properties.get("hw_cdrom_bus", "")
        return types.Disk("rescue", "", bus, 0, source(image), boot=True, cdrom=True)
    bus = properties.get("hw_rescue_bus") or properties.get("hw_disk_bus") or usual
    return types.Disk("rescue", names.take(bus), bus, 0, source(image), boot=True)
