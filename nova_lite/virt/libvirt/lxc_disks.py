"""Disks of containers: each is a file with a file system in it, that the host's kernel mounts; so nothing is made from another file.

The root disk grows with its file system, as a container cannot see to that. Its copy is taken while the file system is held.
"""
import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

from nova_lite import exception
from nova_lite.virt import image_format, types
from nova_lite.virt.libvirt import config_drive, qemu_img
from nova_lite.virt.libvirt.disks import DiskStore
from nova_lite.virt.libvirt.images import Base

_FREEZE, _THAW = 0xC0045877, 0xC0045878
"""FIFREEZE and FITHAW of linux/fs.h."""
_EXT = ("ext2", "ext3", "ext4")
_MOUNTED = (*_EXT, "xfs", "btrfs")
SPARE_BYTES = 2 << 20
"""What a config drive has besides its files."""


class TreeStore(DiskStore):
    """The disks of containers below one state path."""

    ROOT_FORMAT = "raw"

    def lay_root(self, disk: types.Disk, base: Base | None, path: str) -> None:
        if base is None:
            raise exception.HypervisorError(reason="a container needs an image with a root file system")
        qemu_img.convert(base.path, path, "raw", base.format)
        if disk.size_mb << 20 > base.virtual_size:
            os.truncate(path, disk.size_mb << 20)
        self.has_grown(disk, path)

    def has_grown(self, disk: types.Disk, path: str) -> None:
        """Raises ImageUnusable for a root disk without a file system."""
        kind = qemu_img.file_system(path)
        if disk.kind in ("root", "rescue") and disk.image is not None and kind not in _MOUNTED:
            raise image_format.unusable(disk.image, f"a container's image is one file system ({', '.join(_MOUNTED)}), and this one is "
                                                    f"{kind or 'none that is known'}")
        if kind in _EXT:
            qemu_img.grow_file_system(path)

    def write_config_drive(self, path: str, files: dict[str, bytes]) -> None:
        with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
            for name, content in files.items():
                target = Path(folder, name.strip("/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            size = 2 * sum(map(len, files.values())) + SPARE_BYTES
            qemu_img.pack_folder(folder, path, config_drive.LABEL, size + len(files) * 4096)


def copy_root(on_domain, server_id: str, is_on: bool, _root: types.Disk, source: str, target: str, form: str) -> None:
    """Write what the root disk holds to ``target``. A container that runs waits with its writes until that is done."""
    if not is_on:
        qemu_img.convert(source, target, form, "raw")
        return
    try:
        on_domain(server_id, hold)
        qemu_img.run("cp", "--sparse=always", "--reflink=auto", source, target + ".raw")
        on_domain(server_id, let_go)
        qemu_img.convert(target + ".raw", target, form, "raw")
    finally:
        with contextlib.suppress(exception.GuestNotFound):
            on_domain(server_id, let_go)
        Path(target + ".raw").unlink(missing_ok=True)


def hold(domain) -> None:
    """Have all that was written to a container's root reach its file, and nothing more. With a virDomain, in a native thread."""
    let_go(domain)
    try:
        _control(domain, _FREEZE)
    except OSError as error:
        raise exception.HypervisorError(reason=f"the container's file system cannot be held: {error}")


def let_go(domain) -> None:
    """The end of ``hold``; nothing to do is fine."""
    with contextlib.suppress(OSError):
        _control(domain, _THAW)


def _control(domain, request: int) -> None:
    # The number that libvirt gives a container is its process's, whose only child is the container's first process.
    keeper = domain.ID()
    first = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[:1]
    handle = os.open(Path("/proc", *first, "root"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(handle, request, 0)
    finally:
        os.close(handle)
