#!/usr/bin/env python3
"""Builds the small Linux guest that the quickstart and every live test boot.

Two forms of one system go to the output folder, and guest.json, which describes them:

  vmlinuz, initrd, rootfs.img   kernel, ramdisk and raw ext4 root file system (kernel_id / ramdisk_id)
  disk.qcow2                    a disk that boots by itself, under BIOS and UEFI

Called by tools/quickstart.sh, tests/live/guest_image.py and by hand. Standard library only: it runs before the
virtualenv exists. Content comes from the distribution's packages, downloaded by apt-get and not installed. Root is
needed only where qemu-img or apt's package lists are missing. What the guest prints and does: guest_image/README.md.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

from guest_image import kernel, media, packages

HERE = Path(__file__).resolve().parent
PARTS = HERE / "guest_image"
COMMANDS = {"qemu-img": "qemu-utils", "dpkg-deb": "dpkg"}
# What saves boot time on an emulated CPU: also offered in guest.json as the property os_command_line for the triple.
FAST = "quiet mitigations=off nokaslr cryptomgr.notests no_timer_check audit=0"
CMDLINE = f"root=LABEL=nova-guest console=tty0 console=ttyS0 panic=10 {FAST}"
ROOT_SIZE = 32 * media.MIB
# The self-booting disk holds the kernel and the ramdisk as well.
DISK_ROOT_SIZE = 48 * media.MIB
SIZE_LIMIT = 60 * media.MIB
PROGRAMS = ("dropbear", "dropbearkey", "dbclient", "resize2fs", "mke2fs", "e2fsck", "blkid", "qemu-ga")
EXTRA_LINKS = {"mkfs.ext2": "mke2fs", "mkfs.ext3": "mke2fs", "mkfs.ext4": "mke2fs", "ssh": "dbclient"}
FOLDERS = """boot dev proc sys run tmp mnt root home/cirros/.ssh var/lib/nova-lite var/log var/tmp etc/dropbear
    lib bin usr""".split()
FORMATS = {
    "vmlinuz": ("kernel", "aki"),
    "initrd": ("ramdisk", "ari"),
    "rootfs.img": ("root", "ami"),
    "disk.qcow2": ("disk", "qcow2"),
}


def main(arguments=None):
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="folder for the image files"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the description to this file as well"
    )
    parser.add_argument(
        "--keep-work", action="store_true", help="keep packages and staging folders in DIR/work"
    )
    parser.add_argument(
        "--kernel",
        choices=sorted(packages.KERNELS),
        default="cloud",
        help="cloud boots fastest; generic also drives SATA (AHCI), USB and e1000 devices",
    )
    options = parser.parse_args(arguments)
    output = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    try:
        # Several test runs may ask for the same folder at once: the first builds, the others find it done.
        with (output / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            description = ensure(output, options.kernel, options.keep_work)
    except packages.BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(description, indent=2) + "\n")
    return 0


def ensure(output, kind, keep_work):
    """Builds unless the folder holds an image of the same inputs; returns the content of guest.json."""
    wanted = fingerprint(kind)
    description = read_description(output)
    if description and description["fingerprint"] == wanted:
        print(f"guest image in {output}: up to date")
        return description
    started = time.monotonic()

    def progress(text):
        print(f"[{time.monotonic() - started:5.1f} s] {text}", flush=True)

    work = output / "work"
    work.mkdir(exist_ok=True)
    try:
        description = build(work, kind, progress)
        description["fingerprint"] = wanted
        for name in FORMATS:
            os.replace(work / name, output / name)
        (work / "guest.json").write_text(json.dumps(description, indent=2) + "\n")
        os.replace(work / "guest.json", output / "guest.json")
    finally:
        if not keep_work:
            shutil.rmtree(work)
    progress(f"done: {output}")
    return description


def fingerprint(kind):
    """Hash of what the image is made from: the builder's files, the kind of kernel, the distribution's release."""
    digest = hashlib.sha256(kind.encode())
    for path in [Path(__file__).resolve(), *sorted(PARTS.rglob("*"))]:
        if path.is_file() and path.suffix not in (".pyc", ".md"):
            digest.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    release = Path("/etc/os-release")
    if release.exists():
        digest.update(release.read_bytes())
    return digest.hexdigest()


def read_description(output):
    """guest.json of a folder whose files are all there with the sizes it states, else None."""
    try:
        description = json.loads((output / "guest.json").read_text())
        sizes = {name: (output / name).stat().st_size for name in FORMATS}
    except (OSError, ValueError):
        return None
    return (
        description
        if {file["name"]: file["size"] for file in description["files"].values()} == sizes
        else None
    )


def build(work, kind, progress):
    """Makes the four files in the work folder; returns their description."""
    if os.uname().machine != "x86_64":
        raise packages.BuildError("the guest image is built for and on x86_64 only")
    packages.ensure_commands(COMMANDS, progress)
    versions = packages.with_fresh_lists(lambda: fetch(work, kind, progress), progress)
    progress("unpacking")
    roots = packages.unpack(sorted((work / "packages").glob("*.deb")), fresh(work / "system"))
    programs = packages.Programs(roots, fresh(work / "libraries"))
    progress("choosing kernel modules")
    linux = kernel.Kernel(roots)
    if any(path.suffix == ".zst" for path in linux.files.values()):
        packages.ensure_commands({"zstd": "zstd"}, progress)
    stage_ramdisk(programs, linux, fresh(work / "initramfs"))
    stage_root(programs, linux, fresh(work / "rootfs"))
    progress("writing ramdisk and root file system")
    shutil.copyfile(linux.image, work / "vmlinuz")
    media.ramdisk(work / "initramfs", work / "initrd")
    media.root_filesystem(programs, work / "rootfs", work / "rootfs.img", ROOT_SIZE)
    progress("writing the self-booting disk")
    for name in ("vmlinuz", "initrd"):
        shutil.copyfile(work / name, work / "rootfs/boot" / name)
    media.root_filesystem(programs, work / "rootfs", work / "disk-root.img", DISK_ROOT_SIZE)
    grub = {platform: programs.folder(f"usr/lib/grub/{platform}") for platform in ("i386-pc", "x86_64-efi")}
    media.boot_disk(programs, grub, work / "disk-root.img", work / "disk.raw", CMDLINE, work)
    packages.run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", work / "disk.raw", work / "disk.qcow2"]
    )
    return describe(work, kind, linux.release, versions)


def fetch(work, kind, progress):
    """Downloads all packages to work/packages; returns {package: version}."""
    progress("resolving packages")
    kernels = packages.kernel_packages(kind)
    both = (*packages.GUEST_PACKAGES, *packages.BUILD_PACKAGES)
    names = [*kernels, *both, *packages.libraries_of(both)]
    progress(f"downloading {kernels[0]} and {len(names) - 1} more packages")
    return packages.download(names, fresh(work / "packages"))


def fresh(folder):
    """An empty folder, whatever was there before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def install_busybox(programs, folder):
    """Puts busybox and a link for each of its programs into folder/bin."""
    target = folder / "bin"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(programs.find("busybox"), target / "busybox")
    for name in packages.run([target / "busybox", "--list"]).split():
        if name not in ("busybox", "linuxrc") and not (target / name).exists():
            (target / name).symlink_to("busybox")


def stage_ramdisk(programs, linux, folder):
    """Fills the folder of the initramfs: busybox, storage drivers, init."""
    install_busybox(programs, folder)
    (folder / "sbin").symlink_to("bin")
    linux.install(kernel.BOOT_MODULES, folder)
    install_templates(PARTS / "initramfs", folder)


def stage_root(programs, linux, folder):
    """Fills the folder of the root file system."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    # One folder of programs under all the customary names.
    for name, target in {
        "sbin": "bin",
        "usr/bin": "../bin",
        "usr/sbin": "../bin",
        "lib64": "lib",
        "var/run": "../run",
    }.items():
        (folder / name).symlink_to(target)
    install_templates(PARTS / "rootfs", folder)
    for name in PROGRAMS:
        shutil.copy(programs.find(name), folder / "bin" / name)
        for file_name, path in programs.libraries(name).items():
            shutil.copy(path, folder / "lib" / file_name)
    install_busybox(programs, folder)
    # busybox gives up root in every program but su and the like; a copy keeps the set-user-id bit off the rest.
    (folder / "bin/su").unlink()
    shutil.copy(programs.find("busybox"), folder / "bin/su")
    (folder / "bin/su").chmod(0o4755)
    for name, target in EXTRA_LINKS.items():
        (folder / "bin" / name).unlink(missing_ok=True)
        (folder / "bin" / name).symlink_to(target)
    linux.install(kernel.ROOT_MODULES, folder)
    (folder / "etc/shadow").chmod(0o600)
    for name in ("root", "home/cirros/.ssh"):
        (folder / name).chmod(0o700)
    (folder / "etc/resolv.conf").touch()


def install_templates(source, folder):
    """Copies the guest's own files; those that begin with #! become programs."""
    for path in sorted(source.rglob("*")):
        target = folder / path.relative_to(source)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        shutil.copyfile(path, target)
        target.chmod(0o755 if path.read_bytes().startswith(b"#!") else 0o644)


def describe(work, kind, release, versions):
    """The content of guest.json; raises BuildError when a file is too big to be a small guest."""
    files = {}
    for name, (role, form) in FORMATS.items():
        content = (work / name).read_bytes()
        if len(content) > SIZE_LIMIT:
            raise packages.BuildError(
                f"{name} has {len(content)} bytes, more than the limit of {SIZE_LIMIT}"
            )
        files[role] = {
            "name": name,
            "format": form,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    return {
        "kernel": kind,
        "release": release,
        "command_line": f"root=/dev/vda console=tty0 console=ttyS0 {FAST}",
        "minimum_disk_bytes": media.ROOT_START + DISK_ROOT_SIZE,
        "files": files,
        "packages": versions,
    }


if __name__ == "__main__":
    sys.exit(main())
