"""The guest's kernel modules: which are wanted, what they depend on, and the indexes that modprobe reads.

depmod is not needed: a module file carries its aliases and dependencies in its .modinfo section.
"""

import lzma
import re
import subprocess
from pathlib import Path

from guest_image.packages import BuildError

# What has to be there before the root file system is.
BOOT_MODULES = """
virtio_pci virtio_blk virtio_scsi sd_mod ata_piix ahci ata_generic nvme ext4 crc32c_generic crc32c-intel
usb-storage uas xhci_pci ehci_pci uhci_hcd sym53c8xx mptspi vmw_pvscsi xen-blkfront
""".split()

# What the root file system adds: NICs, media, buttons, watchdogs. A kernel without one of them builds no worse image.
ROOT_MODULES = (
    BOOT_MODULES
    + """
virtio_net e1000 e1000e 8139cp 8139too ne2k-pci pcnet32 vmxnet3 xen-netfront igb
virtio_balloon virtio_console virtio-rng virtio_input virtio_mmio virtiofs 9p 9pnet_virtio fuse
sr_mod isofs vfat nls_cp437 nls_iso8859-1 nls_ascii nls_utf8 loop
button evdev hid-generic usbhid 8021q i6300esb iTCO_wdt ib700wdt pvpanic pvpanic-pci tpm_tis tpm_crb acpiphp shpchp
""".split()
)


def canonical(name):
    """A module's name as the kernel knows it."""
    return re.sub(r"\.ko(\.\w+)?$", "", name).replace("-", "_")


def read_module(path):
    """Content of a module file, decompressed."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        done = subprocess.run(["zstd", "-dc", str(path)], capture_output=True)
        if done.returncode:
            raise BuildError(f"cannot decompress {path}: {done.stderr.decode().strip()}")
        return done.stdout
    return path.read_bytes()


def module_facts(content):
    """(aliases, dependencies) of a module from its key=value strings."""
    aliases = [text.decode() for text in re.findall(rb"\0alias=([^\0]+)", content)]
    depends = re.search(rb"\0depends=([^\0]*)", content)
    soft = re.findall(rb"\0softdep=pre: ([^\0]+)", content)
    names = depends.group(1).decode().split(",") if depends else []
    for line in soft:
        names += line.decode().split()
    return aliases, [canonical(name) for name in names if name]


class Kernel:
    """A kernel as unpacked from its packages: release, path of the bzImage, modules."""

    def __init__(self, roots):
        """roots: folders of the unpacked packages, which hold boot/vmlinuz-RELEASE and lib/modules/RELEASE."""
        images = sorted(path for root in roots for path in (root / "boot").glob("vmlinuz-*"))
        if not images:
            raise BuildError("the kernel package carries no /boot/vmlinuz")
        self.image = images[-1]
        self.release = self.image.name.removeprefix("vmlinuz-")
        folders = [
            root / prefix / self.release for root in roots for prefix in ("lib/modules", "usr/lib/modules")
        ]
        self.files = {canonical(path.name): path for folder in folders for path in folder.rglob("*.ko*")}
        self.loaded = {}

    def closure(self, names):
        """The named modules that this kernel has, with all they depend on: {name: (content, aliases, dependencies)}."""
        queue = [canonical(name) for name in names]
        chosen = {}
        while queue:
            name = queue.pop()
            if name in chosen or name not in self.files:
                continue
            if name not in self.loaded:
                content = read_module(self.files[name])
                self.loaded[name] = (content, *module_facts(content))
            chosen[name] = self.loaded[name]
            queue += chosen[name][2]
        return chosen

    def install(self, names, target):
        """Writes the modules and their indexes below target/lib/modules; returns how many modules there are."""
        folder = Path(target) / "lib/modules" / self.release
        folder.mkdir(parents=True, exist_ok=True)
        chosen = self.closure(names)
        aliases = []
        lines = []
        for name in sorted(chosen):
            content, patterns, _ = chosen[name]
            (folder / f"{name}.ko").write_bytes(content)
            aliases += [f"alias {pattern} {name}\n" for pattern in patterns]
            order = [f"{other}.ko" for other in below(name, chosen)]
            lines.append(f"{name}.ko: {' '.join(order)}\n")
        (folder / "modules.dep").write_text("".join(lines))
        (folder / "modules.alias").write_text("".join(aliases))
        (folder / "modules.symbols").write_text("")
        return len(chosen)


def below(name, chosen):
    """All that a module depends on, nearest first, as modules.dep wants it."""
    order = []

    def visit(current):
        for other in chosen[current][2]:
            if other in chosen:
                if other in order:
                    order.remove(other)
                order.append(other)
                visit(other)

    visit(name)
    return order
