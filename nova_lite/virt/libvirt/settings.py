"""What an operator may choose for the libvirt driver, as plain values; ``cmd/wiring.py`` fills them from the options."""
import dataclasses

from nova_lite.numa.sets import ALL_SHARED, CpuSets
from nova_lite.virt.libvirt.live_pace import LiveSettings


@dataclasses.dataclass(frozen=True)
class LibvirtSettings:
    """``host``: this host's name; ``state_path``: an absolute folder; guests' files are in its servers/, base images in its images/."""

    host: str
    state_path: str
    uri: str = ""
    """Where libvirt listens; empty: qemu:///system, or lxc:///system."""
    tpm_path: str = "/var/lib/libvirt/swtpm"
    """Where libvirt keeps what guests' TPMs know."""
    virt_type: str = "auto"
    """auto, kvm, qemu or lxc. auto: kvm where the CPU has vmx or svm and /dev/kvm opens, else qemu. lxc: containers."""
    host_ip: str = "127.0.0.1"
    cpu_mode: str = ""
    """none, host-model, host-passthrough, maximum or custom; empty: host-model with kvm, none with qemu."""
    cpu_model: str = ""
    """The model of cpu_mode custom, as in libvirt's cpu_map."""
    machine: str = ""
    """Machine type of guests whose image does not say; empty: pc on x86_64, virt on aarch64."""
    disk_cache: str = ""
    """Cache mode of disks; empty: none where the file system takes O_DIRECT, else writeback."""
    vnc: bool = True
    """Whether guests have a screen that VNC shows; nothing listens, libvirt hands connections out."""
    spice: bool = False
    """The same for SPICE, where QEMU has it."""
    console_log_bytes: int = 1 << 20
    """The most of a guest's console log that is ever read at once, whatever is asked for."""
    call_timeout: int = 120
    """Seconds after which a libvirt call counts as hung: its caller gets an error, a new connection is made."""
    shutdown_resend: int = 10
    """Seconds after which a guest that does not react is asked to shut down again."""
    live: LiveSettings = LiveSettings()
    """How guests move to other hosts while they run."""
    cpus: CpuSets = ALL_SHARED
    """Which CPUs and large pages guests may have, and how."""
    pci: bool = False
    """Whether to look for PCI devices that guests may be given."""
    reserved_vcpus: int = 0
    reserved_memory_mb: int = 0
    reserved_disk_gb: int = 0
    """What the host keeps for itself: taken off the inventory."""
