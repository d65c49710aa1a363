"""``block_device_mapping`` and ``block_device_mapping_v2`` of a create body: which image a server boots from, and its other local disks."""
import re

from nova_lite import exception
from nova_lite.compute.local_disks import INVALID, MB_IN_GB, said

NO_VOLUMES = f"{INVALID}: this cloud has no volumes; ask for local disks (source_type image or blank, destination_type local)."
BOOT_SEQUENCE = f"{INVALID}: Boot sequence for the instance and image/block device mapping combination is not valid."


def read(server: dict) -> tuple[str | None, list[dict]]:
    """The image, and rows of local_disks, of the ``server`` of a create body. Raises Invalid."""
    image = server.get("imageRef") or None
    devices, legacy = ([device for device in server.get(key) or [] if not device.get("no_device")]
                       for key in ("block_device_mapping_v2", "block_device_mapping"))
    if devices and legacy:
        raise exception.Invalid("Using different block_device_mapping syntaxes is not allowed in the same request.")
    if not devices:
        return image, [_legacy(device) for device in legacy]
    disks = [_disk(device, image) for device in devices]
    indexes = sorted(index for index in map(_boot_index, devices) if index >= 0)
    boots = [device for device in devices if _boot_index(device) == 0]
    if indexes != list(range(len(indexes))) or not boots or boots[0]["source_type"] != "image":
        raise exception.Invalid(BOOT_SEQUENCE)
    return image, disks


def _boot_index(device: dict) -> int:
    index = device.get("boot_index")
    return -1 if index is None else int(index)


def _disk(device: dict, image: str | None) -> dict:
    source = device.get("source_type")
    if source is None:
        raise exception.Invalid(f"{INVALID}: Some required fields are missing")
    if (source == "blank") == bool(device.get("uuid")):
        raise exception.Invalid(f"{INVALID}: {'Invalid' if source == 'blank' else 'Missing'} device UUID.")
    if source in ("volume", "snapshot") or device.get("destination_type") == "volume":
        raise exception.Invalid(NO_VOLUMES)
    if device.get("volume_type"):
        raise exception.Invalid(f"{INVALID}: Specifying a volume_type with destination_type=local is not supported.")
    if device.get("device_type") not in (None, "disk"):
        raise exception.Invalid(f"{INVALID}: a local disk cannot be of device_type {device['device_type']}; use disk")
    if source == "image":
        if not image or _boot_index(device) != 0:
            raise exception.Invalid(f"{INVALID}: Mapping image to local is not supported.")
        if device["uuid"] != image:
            raise exception.Invalid(f"{INVALID}: the disk with boot_index 0 is made from another image than imageRef.")
        return said("root", bus=device.get("disk_bus"))
    return _blank(device, device.get("guest_format"))


def _blank(device: dict, content: str | None) -> dict:
    size = device.get("volume_size")
    if content == "swap":
        return said("swap", None if size is None else int(size), bus=device.get("disk_bus"))
    return said("ephemeral", None if size is None else int(size) * MB_IN_GB, content, device.get("disk_bus"))


def _legacy(device: dict) -> dict:
    name = device.get("virtual_name") or ""
    if name == "swap" or re.fullmatch(r"ephemeral\d+", name):
        return _blank(device, "swap" if name == "swap" else None)
    if device.get("volume_id") or device.get("snapshot_id"):
        raise exception.Invalid(NO_VOLUMES)
    raise exception.Invalid(f"{INVALID}: Unrecognized legacy format.")
