"""Runs qemu-img and the programs that format disks: as children with limits, their complaints turned into our errors."""
import contextlib
import json

from nova_lite import concurrency, exception

# An image that makes qemu-img take more than this is not an honest one.
_INFO_LIMITS = ("--as=1073741824", "--cpu=30")
_CHECK_LIMITS = ("--as=4294967296", "--cpu=600")

_FULL = ("No space left on device", "Disk quota exceeded")

MAKE_FILE_SYSTEM = {
    "ext2": ("mkfs.ext2", "-q", "-F", "-L"), "ext3": ("mkfs.ext3", "-q", "-F", "-L"), "xfs": ("mkfs.xfs", "-q", "-f", "-L"),
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-L"),
    "vfat": ("mkfs.vfat", "-n"), "swap": ("mkswap", "-L"),
}
"""File system → program and options, to be followed by a label and the file."""


def read_info(path: str, disk_format: str, in_use: bool = False) -> dict:
    """What ``qemu-img info`` says of an image in that format. Raises HypervisorError when it is not readable as such.

    ``in_use``: a guest may write to it meanwhile.
    """
    return json.loads(run("prlimit", *_INFO_LIMITS, "qemu-img", "info", *(["-U"] if in_use else []), "--output=json", "-f", disk_format, path))


def is_sound(path: str, disk_format: str) -> bool:
    """Whether ``qemu-img check`` finds all of an image's data where its tables say."""
    process = concurrency.subprocess.run(
        ["prlimit", *_CHECK_LIMITS, "qemu-img", "check", "-q", "-f", disk_format, path], check=False,
        stdin=concurrency.subprocess.DEVNULL, stdout=concurrency.subprocess.DEVNULL, stderr=concurrency.subprocess.DEVNULL)
    # 3: clusters that nothing uses; they do no harm.
    return process.returncode in (0, 3)


def create_overlay(path: str, base: str, base_format: str, size: int) -> None:
    """Make a qcow2 file of ``size`` bytes whose first content is ``base``. Raises DiskFull."""
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", base_format, "-b", base, path, str(size))


def rebase(path: str, base: str, base_format: str) -> None:
    """Have a qcow2 file find its first content, which is the same, at ``base``."""
    run("qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-F", base_format, "-b", base, path)


def create_blank(path: str, size: int) -> None:
    """Make an empty qcow2 file of ``size`` bytes. Raises DiskFull."""
    run("qemu-img", "create", "-q", "-f", "qcow2", path, str(size))


def copy_grown(source: str, target: str, disk_format: str, size: int) -> None:
    """Copy a disk as it is, what it is made from left out, and make it ``size`` bytes if it is smaller. Raises DiskFull."""
    run("cp", "--sparse=always", "--reflink=auto", source, target)
    if read_info(target, disk_format)["virtual-size"] < size:
        grow(target, disk_format, size)


def grow(path: str, disk_format: str, size: int) -> None:
    """Make a disk ``size`` bytes large. Raises DiskFull."""
    run("qemu-img", "resize", "-q", "-f", disk_format, path, str(size))


def convert(source: str, target: str, target_format: str, source_format: str = "qcow2") -> None:
    """Write all that a file shows, what it has from other files included, into a new file. Raises DiskFull."""
    run("qemu-img", "convert", "-f", source_format, "-O", target_format, source, target)


def make_file_system(path: str, kind: str, label: str) -> None:
    """Format the file ``path``. Raises HypervisorError for a kind that is not known, DiskFull."""
    if kind not in MAKE_FILE_SYSTEM:
        raise exception.HypervisorError(reason=f"file system {kind} is not known; use {', '.join(MAKE_FILE_SYSTEM)}")
    run(*MAKE_FILE_SYSTEM[kind], label, path)


def file_system(path: str) -> str:
    """The name of the file system that a file holds; empty where there is none."""
    with contextlib.suppress(exception.HypervisorError):
        return run("prlimit", *_INFO_LIMITS, "blkid", "-p", "-o", "value", "-s", "TYPE", path).decode().strip()
    return ""


def grow_file_system(path: str) -> None:
    """Let the ext2, ext3 or ext4 in a file fill it. Raises HypervisorError where it is broken."""
    run("prlimit", *_CHECK_LIMITS, "sh", "-c", 'e2fsck -fp "$1" >&2 || [ $? -lt 4 ]', "e2fsck", path)
    run("prlimit", *_CHECK_LIMITS, "resize2fs", path)


def pack_folder(folder: str, path: str, label: str, size: int) -> None:
    """Make the file ``path`` a file system of ``size`` bytes with a folder's content."""
    run("mkfs.ext2", "-q", "-F", "-L", label, "-d", folder, path, f"{size >> 10}k")


def run(*command: str) -> bytes:
    """Run a program to its end; its standard output. Raises DiskFull, or HypervisorError with its last words."""
    pipe = concurrency.subprocess.PIPE
    try:
        process = concurrency.subprocess.run(list(command), stdin=concurrency.subprocess.DEVNULL, stdout=pipe, stderr=pipe, check=False)
    except FileNotFoundError:
        raise exception.HypervisorError(reason=f"{command[0]} is not installed")
    if process.returncode == 0:
        return process.stdout
    words = process.stderr.decode(errors="replace").strip()[-500:]
    if any(sign in words for sign in _FULL):
        raise exception.DiskFull(host="", reason=words)
    raise exception.HypervisorError(reason=f"{command[0]} ended with {process.returncode}: {words}")
