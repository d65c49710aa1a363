"""What an image's first bytes say, before any program opens it: pure functions, used by every driver.

An image is uploaded by a user, and a format such as qcow2 can point at other files of the host; so the header is read here, and
whatever refers outside of the file is refused with ImageUnusable.
"""
import dataclasses
import struct

from nova_lite import exception
from nova_lite.virt import types

HEADER_BYTES = 512
"""How many of an image's first bytes ``inspect`` wants."""

QCOW2_MAGIC = b"QFI\xfb"
BYTES_AS_THEY_ARE = ("raw", "ami", "aki", "ari", "iso")

_FOREIGN_MAGICS = (
    (0, QCOW2_MAGIC, "qcow2"), (0, b"KDMV", "vmdk"), (0, b"COWD", "vmdk"), (0, b"# Disk DescriptorFile", "vmdk"),
    (0, b"vhdxfile", "vhdx"), (0, b"conectix", "vhd"), (64, b"\x7f\x10\xda\xbe", "vdi"), (0, b"QED\0", "qed"),
    (0, b"LUKS\xba\xbe", "luks"),
)
_INCOMPATIBLE = {0: None, 1: "it is marked corrupt", 2: "it keeps its data in another file", 3: None, 4: None}


@dataclasses.dataclass(frozen=True)
class Format:
    """How to open an image: ``name`` is raw or qcow2. ``virtual_size`` in bytes, None where only the file's size tells."""

    name: str
    virtual_size: int | None


def inspect(image: types.ImageSource, header: bytes) -> Format:
    """The format of an image whose first HEADER_BYTES are ``header``. Raises ImageUnusable where it is not safe or not as recorded."""
    found = next((name for at, magic, name in _FOREIGN_MAGICS if header[at:at + len(magic)] == magic), "raw")
    if image.disk_format in BYTES_AS_THEY_ARE:
        if found != "raw":
            raise unusable(image, f"its content is {found}, its disk_format says {image.disk_format}")
        return Format("raw", None)
    if image.disk_format != "qcow2":
        raise unusable(image, f"disk format {image.disk_format} is not supported; use raw or qcow2")
    if found != "qcow2":
        raise unusable(image, f"its content is {found}, its disk_format says qcow2")
    return Format("qcow2", _inspect_qcow2(image, header))


def empty_qcow2(virtual_size: int) -> bytes:
    """The header of a qcow2 image without any data."""
    header = struct.pack(">4sIQIIQI", QCOW2_MAGIC, 3, 0, 0, 16, virtual_size, 0).ljust(72, b"\0")
    return (header + struct.pack(">QQQII", 0, 0, 0, 4, 104)).ljust(HEADER_BYTES, b"\0")


def unusable(image: types.ImageSource, reason: str) -> exception.ImageUnusable:
    """The error to raise for ``image``."""
    return exception.ImageUnusable(image_id=image.id, reason=reason)


def check_fits(image: types.ImageSource, virtual_size: int, disk_mb: int) -> None:
    """Raise ImageUnusable when a disk of ``disk_mb`` (0: as large as the image) cannot hold ``virtual_size`` bytes."""
    if disk_mb and virtual_size > disk_mb << 20:
        raise unusable(image, "Flavor's disk is too small for requested image: "
                              f"the disk has {disk_mb << 20} bytes, the image {virtual_size} bytes.")


def _inspect_qcow2(image: types.ImageSource, header: bytes) -> int:
    if len(header) < 72:
        raise unusable(image, "its qcow2 header is cut off")
    version, backing_offset, backing_size = struct.unpack_from(">IQI", header, 4)
    virtual_size, encryption = struct.unpack_from(">QI", header, 24)
    if version not in (2, 3):
        raise unusable(image, f"qcow2 version {version} is not supported")
    if backing_offset or backing_size:
        raise unusable(image, "it has a backing file")
    if encryption:
        raise unusable(image, "it is encrypted")
    if version == 3:
        if len(header) < 104:
            raise unusable(image, "its qcow2 header is cut off")
        _check_features(image, struct.unpack_from(">Q", header, 72)[0])
    return virtual_size


def _check_features(image: types.ImageSource, bits: int) -> None:
    for bit in range(64):
        if bits >> bit & 1:
            reason = _INCOMPATIBLE.get(bit, "it needs a qcow2 feature that is not known")
            if reason:
                raise unusable(image, reason)
