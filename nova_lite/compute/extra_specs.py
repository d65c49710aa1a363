"""The extra specs that mean something to the service, as a table: what a flavor may be given from microversion 2.86 on.

An extra spec of a namespace that is not in the table belongs to somebody else (a filter of the operator's own) and passes.
"""
import re
from collections.abc import Callable
from dataclasses import dataclass

from nova_lite import exception

TRUTH_WORDS = ("1", "t", "true", "on", "y", "yes", "0", "f", "false", "off", "n", "no")
GROUP = "([a-zA-Z0-9_-]{1,64})?"
CPUS = r"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*"
RESOURCE_CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB", "PCI_DEVICE", "SRIOV_NET_VF", "NUMA_SOCKET", "NUMA_CORE", "NUMA_THREAD", "NUMA_MEMORY_MB",
                    "IPV4_ADDRESS", "VGPU", "VGPU_DISPLAY_HEAD", "NET_BW_EGR_KILOBIT_PER_SEC", "NET_BW_IGR_KILOBIT_PER_SEC",
                    "NET_PACKET_RATE_KILOPACKET_PER_SEC", "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC", "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
                    "PCPU", "MEM_ENCRYPTION_CONTEXT", "FPGA", "PGPU", "CUSTOM_[A-Z0-9_]+")
CAPABILITIES = ("id", "uuid", "service_id", "host", "vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used",
                "hypervisor_type", "hypervisor_version", "hypervisor_hostname", "free_ram_mb", "free_disk_gb", "current_workload", "running_vms",
                "disk_available_least", "host_ip", "mapped", "cpu_allocation_ratio", "ram_allocation_ratio", "disk_allocation_ratio",
                "total_usable_ram_mb", "total_usable_disk_gb", "disk_mb_used", "free_disk_mb", "vcpus_total", "num_instances", "num_io_ops",
                "failed_builds", "aggregates", "cell_uuid", "updated",
                r"(cpu_info|metrics|stats|numa_topology|supported_hv_specs|pci_device_pools|nodename|pci_stats|supported_instances|limits|instances)"
                r"(:\w+)*")


def _refuse(text: str) -> exception.Invalid:
    return exception.Invalid(f"Validation failed; {text}")


def truth(value: str) -> None:
    """A boolean word. Raises Invalid, as all the checks do."""
    if value.strip().lower() not in TRUTH_WORDS:
        raise _refuse(f"'{value}' is not a valid boolean-like value.")


def anything(value: str) -> None:
    """No rule."""


@dataclass(frozen=True)
class Number:
    """An integer within bounds."""

    minimum: int | None = None
    maximum: int | None = None

    def __call__(self, value: str) -> None:
        try:
            number = int(value)
        except ValueError:
            raise _refuse(f"'{value}' is not a valid integer value.")
        if self.maximum is not None and number > self.maximum:
            raise _refuse(f"'{number}' is greater than the max value of '{self.maximum}'.")
        if self.minimum is not None and number < self.minimum:
            raise _refuse(f"'{number}' is less than the min value of '{self.minimum}'.")


class Word:
    """One of some words."""

    def __init__(self, *words: str):
        self.words = words

    def __call__(self, value: str) -> None:
        if value not in self.words:
            raise _refuse(f"'{value}' is not one of: {', '.join(self.words)}.")


@dataclass(frozen=True)
class Form:
    """Text that matches a regular expression as a whole."""

    pattern: str

    def __call__(self, value: str) -> None:
        if not re.fullmatch(self.pattern, value):
            raise _refuse(f"'{value}' is not of the format '{self.pattern}'.")


# namespace (regular expression) | names (regular expressions) | what a value must be
TABLE: tuple[tuple[str, tuple[str, ...], Callable[[str], None]], ...] = (
    ("hw", ("cpu_realtime", "hide_hypervisor_id", "locked_memory", "boot_menu", "vif_multiqueue_enabled", "mem_encryption", "pmu",
            "virtio_packed_ring", "ephemeral_encryption"), truth),
    ("hw", ("cpu_sockets", "cpu_cores", "cpu_threads", "cpu_max_sockets", "cpu_max_cores", "cpu_max_threads", "numa_nodes", r"numa_mem\.\d+"),
     Number(1)),
    ("hw", ("serial_port_count",), Number(0)),
    ("hw", ("redirected_usb_ports",), Number(0, 15)),
    ("hw", ("cpu_realtime_mask", "cpu_dedicated_mask", r"numa_cpus\.\d+"), Form(CPUS)),
    ("hw", ("mem_page_size",), Form(r"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)")),
    ("hw", ("pmem",), Form("([a-zA-Z0-9_]+(,)?)+")),
    ("hw", ("cpu_policy",), Word("dedicated", "shared", "mixed")),
    ("hw", ("cpu_thread_policy",), Word("prefer", "isolate", "require")),
    ("hw", ("emulator_threads_policy",), Word("isolate", "share")),
    ("hw", ("pci_numa_affinity_policy",), Word("required", "preferred", "legacy", "socket")),
    ("hw", ("mem_encryption_model",), Word("amd-sev", "amd-sev-es", "amd-sev-snp")),
    ("hw", ("tpm_model",), Word("tpm-tis", "tpm-crb")),
    ("hw", ("tpm_version",), Word("1.2", "2.0")),
    ("hw", ("tpm_secret_security",), Word("user", "host", "deployment")),
    ("hw", ("watchdog_action",), Word("none", "pause", "poweroff", "reset", "disabled")),
    ("hw", ("viommu_model",), Word("intel", "smmuv3", "virtio")),
    ("hw", ("sound_model",), Word("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio")),
    ("hw", ("usb_model",), Word("none", "nec-xhci", "qemu-xhci")),
    ("hw", ("ephemeral_encryption_format",), Word("plain", "luks", "luksv2")),
    ("hw_rng", ("allowed",), truth),
    ("hw_rng", ("rate_bytes", "rate_period"), Number(0)),
    ("hw_video", ("ram_max_mb",), Number(0)),
    ("os", ("secure_boot",), Word("disabled", "required")),
    ("accel", ("device_profile",), anything),
    ("pci_passthrough", ("alias",), Form(r"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*")),
    ("quota", ("cpu_shares", "cpu_period", "disk_(read|write|total)_(bytes|iops)_sec", "vif_(inbound|outbound)_(average|peak|burst)",
               "(cpu|memory|disk_io|vif)_(limit|shares_share)"), Number(0)),
    ("quota", ("cpu_quota", "(cpu|memory|disk_io|vif)_reservation"), Number()),
    ("quota", ("(cpu|memory|disk_io|vif)_shares_level",), Word("custom", "high", "normal", "low")),
    (f"resources{GROUP}", RESOURCE_CLASSES, Number()),
    (f"trait{GROUP}", ("(HW|COMPUTE|STORAGE|MISC|OWNER|CUSTOM)_[A-Z0-9_]+",), Word("required", "forbidden")),
    ("aggregate_instance_extra_specs", (".+",), anything),
    ("capabilities", CAPABILITIES, anything),
)
WITHOUT_NAMESPACE = {"hide_hypervisor_id": truth, "group_policy": Word("isolate", "none")}


def check(name: str, value: str) -> None:
    """Raises Invalid when ``name`` is of a namespace of ours and unknown, or ``value`` is not what it takes."""
    namespace, colon, key = name.partition(":")
    if not colon:
        WITHOUT_NAMESPACE.get(name, anything)(value)
        return
    known = False
    for space, names, rule in TABLE:
        if re.fullmatch(space, namespace):
            known = True
            if any(re.fullmatch(pattern, key) for pattern in names):
                rule(value)
                return
    if known:
        raise _refuse(f"extra spec '{name}' does not appear to be a valid extra spec.")
