"""Files a guest boots from, written byte by byte: no loop device, no mount, no root needed.

ramdisk         a cpio archive ("newc" format), compressed
root_filesystem an ext4 image filled from a folder, its ownership set afterwards
boot_disk       MBR partition table, GRUB for BIOS in the gap before the first partition, a small UEFI partition
"""

import gzip
import os
import stat
import struct
from pathlib import Path

from guest_image.packages import BuildError

SECTOR = 512
MIB = 1024 * 1024
ROOT_LABEL = "nova-guest"
EFI_START = 1 * MIB
EFI_SIZE = 2 * MIB
ROOT_START = EFI_START + EFI_SIZE
USER_HOME = "/home/cirros"
USER_ID = 1000
# Said in full, so that the host's mke2fs.conf has no part in it.
FEATURES = (
    "none,has_journal,extent,huge_file,flex_bg,64bit,dir_nlink,extra_isize,resize_inode,sparse_super,large_file,"
    "filetype,dir_index,ext_attr"
)
# GRUB's rescue parser runs these lines without any further file. hd0 is the disk that the BIOS boots. linux16 moves
# the kernel's own bytes only; linux moves all the memory that it may unpack to, two seconds of an emulated CPU.
GRUB = {
    "i386-pc": (
        "set root=(hd0,msdos1)\nlinux16 /boot/vmlinuz {cmdline}\ninitrd16 /boot/initrd\nboot\n",
        ("biosdisk", "part_msdos", "ext2", "linux16", "boot"),
    ),
    "x86_64-efi": (
        "search --no-floppy --set=root --file /boot/vmlinuz\n"
        "linux /boot/vmlinuz {cmdline}\ninitrd /boot/initrd\nboot\n",
        ("part_msdos", "ext2", "fat", "search", "search_fs_file", "linux", "boot"),
    ),
}


def ramdisk(folder, target):
    """Packs a folder as a compressed initramfs owned by root; adds /dev/console."""
    entries = [("dev", stat.S_IFDIR | 0o755, b"", 0), ("dev/console", stat.S_IFCHR | 0o600, b"", 0x0501)]
    for path in sorted(Path(folder).rglob("*")):
        mode = path.lstat().st_mode
        content = b""
        if stat.S_ISLNK(mode):
            content = os.readlink(path).encode()
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        entries.append((str(path.relative_to(folder)), mode, content, 0))
    entries.append(("TRAILER!!!", 0, b"", 0))
    chunks = []
    for inode, (name, mode, content, device) in enumerate(entries, start=1):
        fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, device >> 8, device & 255, len(name) + 1, 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        chunks += [header, b"\0" * (-len(header) % 4), content, b"\0" * (-len(content) % 4)]
    target.write_bytes(gzip.compress(b"".join(chunks), 6, mtime=0))


def root_filesystem(programs, folder, target, size):
    """Makes an ext4 image of size bytes from a folder; all belongs to root but the user's home."""
    target.unlink(missing_ok=True)
    with target.open("wb") as image:
        image.truncate(size)
    options = [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-L",
        ROOT_LABEL,
        "-b",
        "4096",
        "-m",
        "0",
        "-I",
        "256",
        "-O",
        FEATURES,
    ]
    options += [
        "-J",
        "size=4",
        "-N",
        "4096",
        "-E",
        "root_owner=0:0,lazy_itable_init=1",
        "-d",
        folder,
        target,
    ]
    programs.run("mke2fs", *options, env=dict(os.environ, MKE2FS_CONFIG="/dev/null"))
    commands = []
    for path in Path(folder).rglob("*"):
        name = "/" + str(path.relative_to(folder))
        owner = USER_ID if name == USER_HOME or name.startswith(USER_HOME + "/") else 0
        commands += [f'set_inode_field "{name}" {field} {owner}\n' for field in ("uid", "gid")]
    programs.run("debugfs", "-w", "-f", "-", target, input="".join(commands))


def boot_disk(programs, grub, root_image, target, cmdline, work):
    """Makes a raw disk that boots by itself from a root file system image which holds /boot/vmlinuz and /boot/initrd.

    grub: {platform: folder with GRUB's modules for it}, for i386-pc and x86_64-efi.
    """
    core = grub_core(programs, grub, "i386-pc", cmdline, work)
    efi = grub_core(programs, grub, "x86_64-efi", cmdline, work)
    if len(core) > EFI_START - SECTOR:
        raise BuildError("GRUB does not fit in front of the first partition")
    size = ROOT_START + root_image.stat().st_size
    sectors = root_image.stat().st_size // SECTOR
    table = partition(0x83, ROOT_START // SECTOR, sectors, active=True)
    table += partition(0xEF, EFI_START // SECTOR, EFI_SIZE // SECTOR) + bytes(32)
    boot = (grub["i386-pc"] / "boot.img").read_bytes()
    target.unlink(missing_ok=True)
    with target.open("wb") as disk:
        disk.truncate(size)
        disk.write(boot[:440] + b"nova\0\0" + table + b"\x55\xaa" + core)
        disk.seek(EFI_START)
        disk.write(efi_partition(programs, efi, work))
        copy_sparse(root_image, disk, ROOT_START)


def grub_core(programs, grub, platform, cmdline, work):
    """GRUB for one platform with its modules and its script as one boot image: the bytes."""
    script, modules = GRUB[platform]
    config = work / f"grub-{platform}.cfg"
    config.write_text(script.format(cmdline=cmdline))
    output = work / f"grub-{platform}.img"
    options = ["-d", grub[platform], "-O", platform, "-p", "/boot", "-c", config, "-o", output]
    programs.run("grub-mkimage", *options, *modules)
    return output.read_bytes()


def partition(kind, start, sectors, active=False):
    """One 16-byte entry of an MBR partition table; cylinders and heads say "see the sector numbers"."""
    nowhere = b"\xfe\xff\xff"
    return struct.pack("<B3sB3sII", 0x80 if active else 0, nowhere, kind, nowhere, start, sectors)


def efi_partition(programs, loader, work):
    """Content of a FAT partition whose fallback boot path is the loader."""
    image = work / "efi.img"
    source = work / "BOOTX64.EFI"
    source.write_bytes(loader)
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(EFI_SIZE)
    programs.run("mkfs.fat", "-n", "NOVA-EFI", "-i", "4e4f5641", image)
    programs.run("mtools", "-c", "mmd", "-i", image, "::/EFI", "::/EFI/BOOT")
    programs.run("mtools", "-c", "mcopy", "-i", image, source, "::/EFI/BOOT/BOOTX64.EFI")
    return image.read_bytes()


def copy_sparse(source, disk, start):
    """Copies a file into an open one from an offset on, leaving out blocks of zeros."""
    with source.open("rb") as image:
        while block := image.read(64 * 1024):
            if block.count(0) != len(block):
                disk.seek(start)
                disk.write(block)
            start += len(block)
