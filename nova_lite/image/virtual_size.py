"""How large an image's disk is, from the first bytes of its file. Pure; called when an upload has ended."""
import struct

HEADER_BYTES = 64
_QCOW2 = b"QFI\xfb"
_AS_LARGE_AS_THE_FILE = ("raw", "ami", "iso")


def virtual_size(disk_format: str, header: bytes, size: int) -> int | None:
    """Bytes of the disk; None where the format does not say, or is not what the header says. ``size``: of the file."""
    if disk_format in _AS_LARGE_AS_THE_FILE:
        return size
    if disk_format == "qcow2" and header.startswith(_QCOW2) and len(header) >= 32:
        return struct.unpack(">Q", header[24:32])[0] & ((1 << 63) - 1)
    return None
