"""The third machine that the virt contract runs on: containers, on a libvirtd that looks at the old cgroup hierarchies alone."""
import functools
import hashlib
import subprocess
import tempfile
from pathlib import Path

from nova_lite.virt import types
from tests.contract.virt_sites import LibvirtSite

_NOBODY_HEARS = "#!/busybox sh\nwhile :; do /busybox sleep 3600; done\n"


class ContainerSite(LibvirtSite):
    """Real containers. Without an image a guest has a system that reacts to nothing, as there are none without a system."""

    virt_type = "lxc"
    mode = "exe"
    refused = frozenset({"suspend_guest", "inject_nmi", "live"})
    consoles = frozenset({"serial"})
    disk_names = ()
    lets_go = True

    def __init__(self, libvirtd, guest_image: dict):
        self.network = tuple(libvirtd.network())
        super().__init__(libvirtd.uri, guest_image)

    @staticmethod
    def missing() -> str | None:
        """Why containers cannot be started on this machine; None when they can."""
        if not Path("/usr/lib/libvirt/libvirt_lxc").exists():
            return "not installed: libvirt-daemon-driver-lxc"
        hierarchies = ("freezer", "memory", "cpu", "devices")
        if not all(Path("/sys/fs/cgroup", name).is_dir() for name in hierarchies) and not Path("/run/systemd/system").exists():
            return "no cgroup hierarchies that libvirt makes groups for containers in, and no systemd that would"
        return None

    def system_image(self) -> types.ImageSource:
        path = self._guest_image["root"]
        return self.image(path, "raw", os_hash_algo="sha256", os_hash_value=hashlib.sha256(path.read_bytes()).hexdigest())

    def inert_image(self) -> types.ImageSource:
        return self.image(_inert_tree(self._guest_image["root"]))

    def guest(self, image=None, **changes) -> types.Guest:
        return super().guest(image or self.inert_image(), **changes)

    def run_deaf(self, **changes) -> types.Guest:
        return self.run(self.guest(**changes))

    def cpu_count(self, server_id: str) -> int:
        tune = self.domain(server_id).find("cputune")
        return int(tune.findtext("quota")) // int(tune.findtext("period"))


@functools.cache
def _inert_tree(root: Path) -> bytes:
    """A file system with a first process that does nothing; its one program comes from the guest image."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        for name in ("sbin", "dev", "proc", "sys", "mnt"):
            (tree / name).mkdir(parents=True)
        subprocess.run(["debugfs", "-R", f"dump /bin/busybox {tree}/busybox", root], check=True, capture_output=True)
        (tree / "sbin/init").write_text(_NOBODY_HEARS)
        for name in ("busybox", "sbin/init"):
            (tree / name).chmod(0o755)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", tree, f"{folder}/image", "8M"], check=True)
        return Path(folder, "image").read_bytes()
