"""What a create request refers to, looked up and checked against each other: flavor, image, key, networks, zone, quota of its parts."""
import base64
import binascii
import dataclasses

from nova_lite import exception
from nova_lite.compute import local_disks
from nova_lite.context import RequestContext
from nova_lite.db import boot_references, servergroups
from nova_lite.db import flavors as flavors_
from nova_lite.db import hosts as hosts_
from nova_lite.db import keypairs as keypairs_
from nova_lite.db.models import ServerGroup
from nova_lite.image.actions import images
from nova_lite.network.actions import server_ports
from nova_lite.numa import wanted as topologies
from nova_lite.pci import aliases

GB = 1 << 30
NO_IMAGE = "Can not find requested image"
NO_KEY = "Invalid key_name provided."
RUNNABLE = frozenset({"raw", "qcow2", "ami"})
"""Disk formats that a root disk can be made from."""


@dataclasses.dataclass(frozen=True)
class Found:
    """``flavor`` and ``image`` are the copies that the server keeps; ``networks`` what the network room made of the request."""

    flavor: dict
    image: dict
    key_data: str | None
    networks: list
    config_drive: bool
    root_device: str
    group: ServerGroup | None


def check(tx, ctx: RequestContext, deps, wanted) -> Found:
    """Raises Invalid, Conflict or QuotaExceeded as POST /servers answers them. ``wanted``: a create.Wanted."""
    read = boot_references.read(tx, ctx, wanted.flavor_id, wanted.image_id, wanted.key_name, server_ports.named_networks(wanted.networks))
    if read.flavor is None:
        raise exception.Invalid(str(exception.FlavorNotFound(flavor_id=wanted.flavor_id)))
    flavor = flavors_.snapshot(read.flavor)
    image = _checked(tx, ctx, wanted.image_id, read.image and images.for_server(read.image), flavor, RUNNABLE)
    aliases.check(flavor["extra_specs"], image["properties"], deps.pci_aliases)
    local_disks.check(wanted.disks, flavor)
    check_limits(deps.quota_defaults, wanted)
    _zone(tx, deps, wanted)
    networks = server_ports.check_requested(tx, ctx, wanted.networks, count=wanted.max_count, known=read.networks)
    groups = server_ports.check_groups(tx, ctx, wanted.security_groups or [])
    if groups:
        networks = [{**nic, "security_groups": groups} for nic in networks]
    if wanted.key_name is not None and read.public_key is None:
        raise exception.Invalid(NO_KEY)
    return Found(flavor, image, read.public_key, networks, image["properties"].get("img_config_drive") == "mandatory",
                 root_device(image, wanted.disks), _group(tx, ctx, wanted.hints.get("group")))


def check_image(tx, ctx: RequestContext, image_id: str | None, flavor: dict, formats: frozenset[str] = RUNNABLE) -> dict:
    """The copy of the image that a server of the flavor keeps. Raises Invalid where no such server can be made from it."""
    try:
        image = images.get_for_server(tx, ctx, image_id) if image_id else None
    except exception.ImageNotFound:
        image = None
    return _checked(tx, ctx, image_id, image, flavor, formats)


def _checked(tx, ctx: RequestContext, image_id: str | None, image: dict | None, flavor: dict, formats: frozenset[str]) -> dict:
    if image is None:
        raise exception.Invalid(NO_IMAGE if image_id else "Invalid imageRef provided.")
    if image["status"] != "active":
        raise exception.Invalid(f"Image {image_id} is not active.")
    if image["disk_format"] not in formats:
        raise exception.Invalid(f"Image {image_id} is unacceptable: its disk format is {image['disk_format']}; a server boots from "
                                f"{', '.join(sorted(formats))}")
    if flavor["memory_mb"] < (image.get("min_ram") or 0):
        raise exception.Invalid("Flavor's memory is too small for requested image.")
    root = flavor["root_gb"] * GB
    minimum = (image.get("min_disk") or 0) * GB
    if root and root < minimum:
        raise exception.Invalid("Flavor's disk is smaller than the minimum size specified in image metadata. "
                                f"Flavor disk is {root} bytes, minimum size is {minimum} bytes.")
    topologies.read(flavor, image.get("properties") or {})
    size = max(image.get("size") or 0, image.get("virtual_size") or 0)
    if root and root < size:
        raise exception.Invalid(f"Flavor's disk is too small for requested image. Flavor disk is {root} bytes, image is {size} bytes.")
    kept = ("id", "name", "disk_format", "container_format", "size", "checksum", "os_hash_algo", "os_hash_value", "min_disk", "min_ram", "owner")
    copy = {key: image.get(key) for key in kept}
    copy["properties"] = dict(image.get("properties") or {})
    for part in ("kernel_id", "ramdisk_id"):
        if copy["properties"].get(part):
            copy[part] = _boot_part(tx, ctx, part, copy["properties"][part])
    return copy


def _boot_part(tx, ctx: RequestContext, part: str, image_id: str) -> dict:
    try:
        image = images.get_for_server(tx, ctx, image_id)
    except exception.ImageNotFound:
        raise exception.Invalid(f"Image {image_id}, the {part} of the requested image, could not be found.")
    if image["status"] != "active":
        raise exception.Invalid(f"Image {image_id} is not active.")
    return {key: image.get(key) for key in ("id", "disk_format", "size", "checksum", "os_hash_algo", "os_hash_value")}


def check_key(tx, ctx: RequestContext, name: str | None) -> str | None:
    """The public key of that name, None for none. Raises Invalid."""
    if name is None:
        return None
    try:
        return keypairs_.get(tx, ctx.user_id, name).public_key
    except exception.KeyPairNotFound:
        raise exception.Invalid(NO_KEY)


def _group(tx, ctx: RequestContext, hint: str | list | None) -> ServerGroup | None:
    names = [hint] if isinstance(hint, str) else hint or []
    if not names:
        return None
    if len(names) > 1:
        raise exception.Invalid("A server can be in one server group only.")
    try:
        return servergroups.get(tx, ctx, names[0], hold=True)
    except exception.ServerGroupNotFound as error:
        raise exception.Invalid(str(error))


def check_members(tx, ctx: RequestContext, group: ServerGroup, count: int, limit: int) -> None:
    """Whether a user may have ``count`` servers more in a group that the transaction holds. Raises QuotaExceeded."""
    if 0 <= limit < servergroups.count_members(tx, group.id, ctx.user_id) + count:
        raise exception.QuotaExceeded("Quota exceeded, too many servers in group")


def check_limits(limits: dict[str, int], wanted) -> None:
    """Whether ``wanted`` (its ``metadata`` and ``personality``) is within the quotas of a server's parts. Raises QuotaExceeded, Invalid."""
    def over(resource: str, count: int) -> bool:
        return 0 <= limits[resource] < count
    if over("metadata_items", len(wanted.metadata)):
        raise exception.QuotaExceeded(f"Maximum number of metadata items exceeds {limits['metadata_items']}")
    if over("injected_files", len(wanted.personality)):
        raise exception.QuotaExceeded(f"Personality file limit exceeded: at most {limits['injected_files']} files are allowed")
    for item in wanted.personality:
        try:
            content = base64.b64decode("".join(item["contents"].split()), validate=True)
        except (binascii.Error, ValueError):
            raise exception.Invalid(f"Personality content for {item['path']} cannot be decoded")
        if over("injected_file_path_bytes", len(item["path"].encode())):
            raise exception.QuotaExceeded(f"Personality file path exceeds maximum length {limits['injected_file_path_bytes']}")
        if over("injected_file_content_bytes", len(content)):
            raise exception.QuotaExceeded(f"Personality file content exceeds maximum length {limits['injected_file_content_bytes']}")


def _zone(tx, deps, wanted) -> None:
    wanted.zone = wanted.zone or deps.default_schedule_zone
    if wanted.zone is None and not wanted.force_host and not wanted.destination:
        return
    zones = check_zone(tx, deps, wanted.zone)
    host = wanted.force_host or wanted.destination.get("host")
    if host is not None and host not in zones:
        raise exception.Invalid(f"Compute host {host} could not be found.")
    node = wanted.destination.get("node")
    if node is not None and not hosts_.hypervisors(tx, pattern=node):
        raise exception.Invalid(f"Compute host {node} could not be found.")


def check_zone(tx, deps, zone: str | None) -> dict[str, str]:
    """``{host: zone}``. Raises Invalid when ``zone`` is none of them, nor None."""
    zones = hosts_.zone_of_hosts(tx, deps.default_availability_zone)
    if zone is not None and zone not in {*zones.values(), deps.default_availability_zone}:
        raise exception.Invalid("The requested availability zone is not available")
    return zones


def root_device(image: dict, disks: list) -> str:
    """The guest's name of the first disk of a server made from the image, whose user has said ``disks``."""
    bus = local_disks.root_bus(disks) or image["properties"].get("hw_disk_bus", "virtio")
    return f"/dev/{local_disks.prefix(bus)}a"

