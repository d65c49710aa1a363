"""The attributes of an image as one table: name, JSON schema, what it says, and whether only the service sets it.

The API's bodies, its schema documents and the rules of PATCH are read from here. All other keys of an image are free properties.
"""
from dataclasses import dataclass

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop", "gpt")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
VISIBILITIES = ("community", "public", "private", "shared")
STATUSES = ("queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated")
ID_PATTERN = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
INT32 = (1 << 31) - 1
MAX_PROPERTIES = MAX_TAGS = MAX_MEMBERS = 128


@dataclass(frozen=True)
class Attribute:
    """``read_only``: set by the service. ``settable`` and not ``read_only``: by the user. ``once``: only while there is no data."""

    name: str
    schema: dict
    description: str
    read_only: bool = False
    once: bool = False


def _text(length: int, **more) -> dict:
    return {"type": ["null", "string"], "maxLength": length, **more}


TABLE = (
    Attribute("id", {"type": "string", "pattern": ID_PATTERN}, "An identifier for the image"),
    Attribute("name", _text(255), "Descriptive name for the image"),
    Attribute("status", {"type": "string", "enum": list(STATUSES)}, "Status of the image", read_only=True),
    Attribute("visibility", {"type": "string", "enum": list(VISIBILITIES)}, "Scope of image accessibility"),
    Attribute("protected", {"type": "boolean"}, "If true, image will not be deletable."),
    Attribute("os_hidden", {"type": "boolean"}, "If true, image will not appear in default image list response."),
    Attribute("checksum", _text(32), "md5 hash of image contents.", read_only=True),
    Attribute("os_hash_algo", _text(64), "Algorithm to calculate the os_hash_value", read_only=True),
    Attribute("os_hash_value", _text(128), "Hexdigest of the image contents using the algorithm specified by the os_hash_algo",
              read_only=True),
    Attribute("owner", _text(255), "Owner of the image"),
    Attribute("size", {"type": ["null", "integer"]}, "Size of image file in bytes", read_only=True),
    Attribute("virtual_size", {"type": ["null", "integer"]}, "Virtual size of image in bytes", read_only=True),
    Attribute("container_format", {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS]}, "Format of the container", once=True),
    Attribute("disk_format", {"type": ["null", "string"], "enum": [None, *DISK_FORMATS]}, "Format of the disk", once=True),
    Attribute("created_at", {"type": "string"}, "Date and time of image registration", read_only=True),
    Attribute("updated_at", {"type": "string"}, "Date and time of the last image modification", read_only=True),
    Attribute("tags", {"type": "array", "items": {"type": "string", "maxLength": 255}}, "List of strings related to the image"),
    Attribute("min_ram", {"type": "integer", "minimum": 0, "maximum": INT32}, "Amount of ram (in MB) required to boot image."),
    Attribute("min_disk", {"type": "integer", "minimum": 0, "maximum": INT32}, "Amount of disk space (in GB) required to boot image."),
    Attribute("self", {"type": "string"}, "An image self url", read_only=True),
    Attribute("file", {"type": "string"}, "An image file url", read_only=True),
    Attribute("schema", {"type": "string"}, "An image schema url", read_only=True),
    Attribute("direct_url", {"type": "string"}, "URL to access the image file kept in external store", read_only=True),
)
BY_NAME = {attribute.name: attribute for attribute in TABLE}
COLUMNS = ("name", "visibility", "protected", "os_hidden", "owner", "container_format", "disk_format", "min_ram", "min_disk")
"""Attributes that users set and that are columns of the row."""
RESERVED = ("location", "locations", "deleted", "deleted_at", "stores")
RESERVED_PREFIX = "os_glance"


def is_reserved(name: str) -> bool:
    """Whether users may not have a property of this name."""
    return name in RESERVED or name.startswith(RESERVED_PREFIX)
