"""The domain itself: identity, size, firmware, and the place of its devices."""
from xml.etree import ElementTree

from nova_lite.virt.libvirt.xml.element import Element, Flag, Part, Value

NAMESPACE = "urn:nova-lite:guest:1"
"""Marks the domains that are ours, together with the state path; a domain without both is never listed nor touched."""

ElementTree.register_namespace("nova-lite", NAMESPACE)


class Metadata(Element):
    """Who the guest belongs to, for people who look at the domain; and the mark that it is ours."""

    tag = f"{{{NAMESPACE}}}guest"
    name = Value(f"{{{NAMESPACE}}}name")
    flavor = Value(f"{{{NAMESPACE}}}flavor")
    project = Value(f"{{{NAMESPACE}}}project")
    user = Value(f"{{{NAMESPACE}}}user")
    state_path = Value(f"{{{NAMESPACE}}}state_path")


def read_state_path(mark: str) -> str | None:
    """The state path in the text of a domain's Metadata, or None. libvirt hands that text out without its namespace."""
    return ElementTree.fromstring(mark).findtext("{*}state_path")


class Entry(Element):
    """One named text of the system's SMBIOS table."""

    tag = "entry"
    name = Value("@name")
    text = Value(".")


class Sysinfo(Element):
    """What the guest's firmware tables call the machine."""

    tag = "sysinfo"
    type = Value("@type", "smbios")
    system = Part("system")


class FirmwareFeature(Element):
    """What the firmware must have (enabled) or must not."""

    tag = "feature"
    enabled = Value("@enabled")
    name = Value("@name")


class InitVariable(Element):
    """A variable in the environment of a container's first process."""

    tag = "initenv"
    name = Value("@name")
    text = Value(".")


class Os(Element):
    """How the guest boots."""

    tag = "os"
    firmware = Value("@firmware")
    type = Value("type", "hvm")
    arch = Value("type/@arch")
    machine = Value("type/@machine")
    firmware_features = Part("firmware")
    kernel = Value("kernel")
    initrd = Value("initrd")
    init = Value("init")
    init_variables = Part()
    cmdline = Value("cmdline")
    nvram = Value("nvram")
    smbios = Value("smbios/@mode")
    boot_menu = Value("bootmenu/@enable")


class Features(Element):
    """Parts of the machine that can be left out."""

    tag = "features"
    acpi = Flag("acpi")
    apic = Flag("apic")
    private_network = Flag("privnet")
    relaxed = Value("hyperv/relaxed/@state")
    vapic = Value("hyperv/vapic/@state")
    spinlocks = Value("hyperv/spinlocks/@state")
    spinlock_tries = Value("hyperv/spinlocks/@retries")
    kvm_hidden = Value("kvm/hidden/@state")
    pmu = Value("pmu/@state")
    vmport = Value("vmport/@state")
    smm = Value("smm/@state")


class NumaCell(Element):
    """A NUMA node of the guest: which of its CPUs, how much memory."""

    tag = "cell"
    id = Value("@id")
    cpus = Value("@cpus")
    memory = Value("@memory")
    unit = Value("@unit", "MiB")


class MemNode(Element):
    """Which of the host's nodes the memory of a node of the guest is on."""

    tag = "memnode"
    cell = Value("@cellid")
    mode = Value("@mode", "strict")
    host = Value("@nodeset")


class NumaTune(Element):
    """Where the guest's memory is on the host."""

    tag = "numatune"
    mode = Value("memory/@mode", "strict")
    hosts = Value("memory/@nodeset")
    nodes = Part()


class Page(Element):
    """The size of pages that some of the guest's nodes have."""

    tag = "page"
    size = Value("@size")
    unit = Value("@unit", "KiB")
    cells = Value("@nodeset")


class MemoryBacking(Element):
    """What kind of memory the guest gets."""

    tag = "memoryBacking"
    pages = Part("hugepages")
    unshared = Flag("nosharepages")
    locked = Flag("locked")


class MemoryTune(Element):
    """How much of memory and swap a container gets together."""

    tag = "memtune"
    unit = Value("swap_hard_limit/@unit", "MiB")
    swap_limit = Value("swap_hard_limit")


class VcpuPin(Element):
    """The host's CPUs that one of the guest's may run on."""

    tag = "vcpupin"
    vcpu = Value("@vcpu")
    cpus = Value("@cpuset")


class VcpuSched(Element):
    """CPUs of the guest that never wait for other work of the host."""

    tag = "vcpusched"
    vcpus = Value("@vcpus")
    scheduler = Value("@scheduler", "fifo")
    priority = Value("@priority", 1)


class CpuTune(Element):
    """How much CPU time the guest gets, and where."""

    tag = "cputune"
    shares = Value("shares")
    period = Value("period")
    quota = Value("quota")
    pins = Part()
    emulator = Value("emulatorpin/@cpuset")
    realtime = Part()


class Cpu(Element):
    """The processor that the guest sees."""

    tag = "cpu"
    mode = Value("@mode")
    match = Value("@match")
    check = Value("@check")
    model = Value("model")
    sockets = Value("topology/@sockets")
    cores = Value("topology/@cores")
    threads = Value("topology/@threads")
    cells = Part("numa")


class Timer(Element):
    """A clock chip."""

    tag = "timer"
    name = Value("@name")
    tickpolicy = Value("@tickpolicy")
    present = Value("@present")


class Clock(Element):
    """The guest's time of day."""

    tag = "clock"
    offset = Value("@offset", "utc")
    timers = Part()


class SecurityLabel(Element):
    """The account that the guest's process runs as."""

    tag = "seclabel"
    type = Value("@type", "static")
    model = Value("@model", "dac")
    relabel = Value("@relabel", True)
    label = Value("label")


class Domain(Element):
    """The whole domain."""

    tag = "domain"
    type = Value("@type")
    name = Value("name")
    uuid = Value("uuid")
    metadata = Part("metadata")
    memory_unit = Value("memory/@unit", "MiB")
    memory = Value("memory")
    memory_tune = Part()
    memory_backing = Part()
    floor = Value("vcpu/@cpuset")
    vcpus = Value("vcpu")
    cpu_tune = Part()
    numa_tune = Part()
    sysinfo = Part()
    os = Part()
    features = Part()
    cpu = Part()
    clock = Part()
    on_poweroff = Value("on_poweroff", "destroy")
    on_reboot = Value("on_reboot", "restart")
    on_crash = Value("on_crash", "destroy")
    devices = Part("devices")
    security_label = Part()
