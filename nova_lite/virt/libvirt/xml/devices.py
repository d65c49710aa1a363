"""The devices of a domain, one class each."""
from nova_lite.virt.libvirt.xml.element import Element, Flag, Value


class Controller(Element):
    """A bus to put devices on."""

    tag = "controller"
    type = Value("@type")
    index = Value("@index")
    model = Value("@model")


class Disk(Element):
    """A disk or CD-ROM drive made of one file."""

    tag = "disk"
    type = Value("@type", "file")
    device = Value("@device", "disk")
    driver = Value("driver/@name", "qemu")
    format = Value("driver/@type")
    cache = Value("driver/@cache")
    io = Value("driver/@io")
    discard = Value("driver/@discard")
    file = Value("source/@file")
    target = Value("target/@dev")
    bus = Value("target/@bus")
    serial = Value("serial")
    boot_order = Value("boot/@order")
    readonly = Flag("readonly")
    total_bytes_sec = Value("iotune/total_bytes_sec")
    read_bytes_sec = Value("iotune/read_bytes_sec")
    write_bytes_sec = Value("iotune/write_bytes_sec")
    total_iops_sec = Value("iotune/total_iops_sec")
    read_iops_sec = Value("iotune/read_iops_sec")
    write_iops_sec = Value("iotune/write_iops_sec")


class Filesystem(Element):
    """A file system in a file, mounted in a container."""

    tag = "filesystem"
    type = Value("@type", "file")
    driver = Value("driver/@type", "loop")
    format = Value("driver/@format", "raw")
    file = Value("source/@file")
    target = Value("target/@dir")
    readonly = Flag("readonly")


class Interface(Element):
    """A network card on a Linux bridge."""

    tag = "interface"
    type = Value("@type", "bridge")
    mac = Value("mac/@address")
    bridge = Value("source/@bridge")
    tap = Value("target/@dev")
    model = Value("model/@type")
    queues = Value("driver/@queues")
    inbound_average = Value("bandwidth/inbound/@average")
    inbound_peak = Value("bandwidth/inbound/@peak")
    inbound_burst = Value("bandwidth/inbound/@burst")
    outbound_average = Value("bandwidth/outbound/@average")
    outbound_peak = Value("bandwidth/outbound/@peak")
    outbound_burst = Value("bandwidth/outbound/@burst")
    mtu = Value("mtu/@size")
    boot_rom = Value("rom/@enabled", False)


class HostDevice(Element):
    """A PCI device of the host, given to the guest. Managed: libvirt takes it from the host's driver and gives it back."""

    tag = "hostdev"
    mode = Value("@mode", "subsystem")
    type = Value("@type", "pci")
    managed = Value("@managed", True)
    domain = Value("source/address/@domain")
    bus = Value("source/address/@bus")
    slot = Value("source/address/@slot")
    function = Value("source/address/@function")


class Serial(Element):
    """A serial port: a pty to attach to, everything also goes to a log file."""

    tag = "serial"
    type = Value("@type", "pty")
    log_file = Value("log/@file")
    log_append = Value("log/@append", "on")
    port = Value("target/@port", 0)


class Console(Element):
    """A container's console: a pty."""

    tag = "console"
    type = Value("@type", "pty")
    target = Value("target/@type", "lxc")
    port = Value("target/@port", 0)


class Channel(Element):
    """A way from the host to a program in the guest."""

    tag = "channel"
    type = Value("@type", "unix")
    target = Value("target/@type", "virtio")
    name = Value("target/@name")


class Input(Element):
    """A pointing device or keyboard."""

    tag = "input"
    type = Value("@type")
    bus = Value("@bus")


class Graphics(Element):
    """A display server. Nothing listens on the host: libvirt hands connections out."""

    tag = "graphics"
    type = Value("@type")
    listen = Value("listen/@type", "none")


class Video(Element):
    """A graphics card."""

    tag = "video"
    model = Value("model/@type")
    vram_kib = Value("model/@vram")


class Balloon(Element):
    """The memory balloon, which also gives the memory that the guest has freed back to the host."""

    tag = "memballoon"
    model = Value("@model", "virtio")
    free_page_reporting = Value("@freePageReporting")
    stats_seconds = Value("stats/@period")


class Rng(Element):
    """A source of randomness."""

    tag = "rng"
    model = Value("@model", "virtio")
    rate_period = Value("rate/@period")
    rate_bytes = Value("rate/@bytes")
    backend = Value("backend/@model", "random")
    source = Value("backend", "/dev/urandom")


class Watchdog(Element):
    """What happens when the guest's system no longer gives a sign of life."""

    tag = "watchdog"
    model = Value("@model", "i6300esb")
    action = Value("@action")


class Tpm(Element):
    """A trusted platform module that swtpm plays."""

    tag = "tpm"
    model = Value("@model")
    type = Value("backend/@type", "emulator")
    version = Value("backend/@version")


class Sound(Element):
    """A sound card."""

    tag = "sound"
    model = Value("@model")
