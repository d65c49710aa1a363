"""From a Guest to libvirt's domain XML: pure functions of values.

Image properties are the ``hw_*`` of the Image service; what they ask for and this host lacks is a HypervisorError.
"""
from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.libvirt import layout
from nova_lite.virt.libvirt.host import HostCapabilities
from nova_lite.virt.libvirt.settings import LibvirtSettings
from nova_lite.virt.libvirt.xml import devices as dev
from nova_lite.virt.libvirt.xml import domain as dom
from nova_lite.virt.libvirt.xml.element import to_text

SPARE_PCI_PORTS = 8
"""Root ports without a device on machines with PCI Express: as many disks and NICs can be plugged in while the guest runs."""

_X86 = ("x86_64", "i686")
_HAS_SMBIOS = (*_X86, "aarch64")
_DEFAULT_MACHINE = {"x86_64": "pc", "i686": "pc", "aarch64": "virt"}
_DISK_BUSES = ("virtio", "scsi", "ide", "sata", "usb")
_CDROM_BUSES = ("ide", "sata", "scsi", "usb")
_VIF_MODELS = ("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3")
_VIDEO_MODELS = ("vga", "virtio", "qxl", "cirrus", "vmvga", "bochs", "ramfb", "none")


def domain_name(server_id: str) -> str:
    """The usual name of a server's domain: short enough to type."""
    return f"instance-{server_id[:8]}"


def domain_xml(guest: types.Guest, host: HostCapabilities, settings: LibvirtSettings, name: str | None = None) -> str:
    """The XML that defines ``guest``. Raises HypervisorError when its properties ask for what this host lacks."""
    files = layout.ServerFiles(settings.state_path, guest.server_id)
    machine = guest.properties.get("hw_machine_type") or settings.machine or _DEFAULT_MACHINE.get(host.arch)
    x86 = host.arch in _X86
    return to_text(dom.Domain(
        type=host.virt_type, name=name or domain_name(guest.server_id), uuid=guest.server_id,
        metadata=dom.Metadata(name=_printable(guest.name), flavor=_printable(guest.flavor_name), project=guest.project_id,
                              user=guest.user_id, state_path=settings.state_path),
        memory=guest.memory_mb, vcpus=guest.vcpus,
        sysinfo=_sysinfo(guest) if host.arch in _HAS_SMBIOS else None,
        os=_os(guest, host, settings, machine, files),
        features=dom.Features(acpi=host.arch in _HAS_SMBIOS, apic=x86, vmport="off" if x86 else None,
                              smm="on" if x86 and _wants_secure_boot(guest) else None),
        cpu=_cpu(guest, host, settings),
        clock=_clock(host),
        devices=_devices(guest, host, settings, machine, files),
        security_label=dom.SecurityLabel(label="+0:+0") if host.run_as_root else None,
    ))


def _printable(text: str) -> str:
    # XML has no way to write control characters, and a server's name may hold any.
    return "".join(c if c.isprintable() else "?" for c in text)


def _sysinfo(guest: types.Guest) -> dom.Sysinfo:
    # cloud-init finds its OpenStack source by this product name.
    entries = {"manufacturer": "OpenStack Foundation", "product": "OpenStack Nova", "version": "1.0",
               "serial": guest.server_id, "uuid": guest.server_id, "family": "Virtual Machine"}
    return dom.Sysinfo(system=[dom.Entry(name=key, text=text) for key, text in entries.items()])


def _os(guest, host, settings, machine, files) -> dom.Os:
    if machine and host.machines and machine not in host.machines:
        raise exception.HypervisorError(reason=f"this host has no machine type {machine} (hw_machine_type)")
    os = dom.Os(arch=host.arch, machine=machine, smbios="sysinfo" if host.arch in _HAS_SMBIOS else None)
    if host.arch in _X86:
        os.boot_menu = False
    if guest.properties.get("hw_firmware_type", "bios") == "uefi" or host.arch == "aarch64":
        if not host.has_uefi:
            raise exception.HypervisorError(reason="the image asks for UEFI, and this host has no UEFI firmware; install ovmf")
        os.firmware, os.nvram = "efi", files.nvram
        # Without a word libvirt takes the strictest firmware, which starts signed systems only.
        secure = _wants_secure_boot(guest)
        os.firmware_features = [dom.FirmwareFeature(enabled=secure, name=name) for name in ("secure-boot", "enrolled-keys")]
    if guest.kernel:
        os.kernel = layout.image_path(settings.state_path, guest.kernel.id)
        os.initrd = layout.image_path(settings.state_path, guest.ramdisk.id) if guest.ramdisk else None
        os.cmdline = _kernel_cmdline(guest, host)
    return os


def _wants_secure_boot(guest: types.Guest) -> bool:
    return "required" in (guest.properties.get("os_secure_boot"), guest.extra_specs.get("os:secure_boot"))


def _kernel_cmdline(guest: types.Guest, host: HostCapabilities) -> str:
    chosen = guest.kernel_cmdline or guest.properties.get("os_command_line")
    if chosen:
        return chosen
    serial = "ttyAMA0" if host.arch == "aarch64" else "ttyS0"
    root = next((_target(disk) for kind in ("rescue", "root") for disk in guest.disks if disk.kind == kind), "vda")
    return f"root=/dev/{root} console=tty0 console={serial}"


def _cpu(guest: types.Guest, host: HostCapabilities, settings: LibvirtSettings) -> dom.Cpu:
    cpu = dom.Cpu(**_topology(guest))
    mode = settings.cpu_mode or _default_cpu_mode(host)
    if mode == "custom":
        cpu.mode, cpu.match, cpu.model = "custom", "exact", settings.cpu_model
    elif mode != "none":
        if mode not in host.cpu_modes:
            raise exception.HypervisorError(reason=f"this host cannot give guests the CPU mode {mode} (cpu_mode)")
        cpu.mode = mode
    return cpu


def _default_cpu_mode(host: HostCapabilities) -> str:
    if host.arch == "aarch64":
        return "host-passthrough" if host.virt_type == "kvm" else "maximum"
    return "host-model" if host.virt_type == "kvm" else "none"


def _topology(guest: types.Guest) -> dict:
    """Sockets, cores and threads that image or flavor ask for; all in sockets where they do not, or where they do not multiply."""
    asked = {}
    for part in ("sockets", "cores", "threads"):
        value = guest.extra_specs.get(f"hw:cpu_{part}") or guest.properties.get(f"hw_cpu_{part}")
        if str(value or "").isdigit() and int(value) > 0:
            asked[part] = int(value)
    cores, threads = asked.get("cores", 1), asked.get("threads", 1)
    sockets = asked.get("sockets") or max(1, guest.vcpus // (cores * threads))
    if sockets * cores * threads != guest.vcpus:
        sockets, cores, threads = guest.vcpus, 1, 1
    return {"sockets": sockets, "cores": cores, "threads": threads}


def _clock(host: HostCapabilities) -> dom.Clock:
    if host.arch not in _X86:
        return dom.Clock()
    return dom.Clock(timers=[dom.Timer(name="pit", tickpolicy="delay"), dom.Timer(name="rtc", tickpolicy="catchup"),
                             dom.Timer(name="hpet", present=False)])


def _devices(guest, host, settings, machine, files) -> list:
    disks = _disks(guest, host, settings, machine, files)
    return [
        *_controllers(guest, machine, disks),
        *disks,
        *(_interface(guest, nic) for nic in guest.nics),
        dev.Serial(log_file=files.console_log),
        *([dev.Channel(name="org.qemu.guest_agent.0")] if guest.has_agent else []),
        *_display(guest, host, settings),
        dev.Rng(**_rng_rate(guest)),
        dev.Balloon(stats_seconds=10, free_page_reporting="on"),
    ]


def _controllers(guest, machine, disks) -> list:
    controllers = [dev.Controller(type="usb", index=0, model="qemu-xhci")]
    if any(disk.bus == "scsi" for disk in disks):
        controllers.append(dev.Controller(type="scsi", index=0, model=guest.properties.get("hw_scsi_model", "virtio-scsi")))
    if machine is not None and ("q35" in machine or machine.startswith("virt")):
        # libvirt puts each device that it places on a port of its own: NICs, disks, and the six that every guest has. The rest stay free.
        used = len(guest.nics) + sum(disk.bus == "virtio" for disk in disks) + 6
        controllers.append(dev.Controller(type="pci", index=0, model="pcie-root"))
        controllers += [dev.Controller(type="pci", index=index, model="pcie-root-port")
                        for index in range(1, used + SPARE_PCI_PORTS + 1)]
    return controllers


def _disks(guest, host, settings, machine, files) -> list:
    boot = (next((disk for disk in guest.disks if disk.boot), None)
            or next((disk for disk in guest.disks if disk.kind == "root"), None))
    disks = [_cdrom(disk, path, "qcow2", machine, disk is boot) if disk.cdrom else _disk(guest, disk, path, host, settings, disk is boot)
             for disk, path in files.disks(guest.disks)]
    if guest.config_drive is not None:
        chosen = next((disk for disk in guest.disks if disk.kind == "config"), types.Disk("config", "", "", cdrom=True))
        disks.append(_cdrom(chosen, files.config_drive(guest), "raw", machine))
    return disks


def _cdrom(disk: types.Disk, path: str, content: str, machine: str | None, first: bool = False) -> dev.Disk:
    bus = disk.bus or ("sata" if "q35" in (machine or "") else "ide" if (machine or "").startswith("pc") else "scsi")
    if bus not in _CDROM_BUSES:
        raise exception.HypervisorError(reason=f"a CD-ROM cannot be on the bus {bus} (hw_cdrom_bus); use {', '.join(_CDROM_BUSES)}")
    # The last names of the bus: disks have the first ones.
    prefix, letters = ("hd", "dc") if bus == "ide" else ("sd", "zy")
    return dev.Disk(device="cdrom", format=content, file=path, readonly=True, bus=bus, boot_order=1 if first else None,
                    target=_target(disk) or prefix + letters[disk.kind != "config"])


def _target(disk: types.Disk) -> str:
    return disk.device.removeprefix("/dev/")


def _disk(guest, disk, path, host, settings, first) -> dev.Disk:
    bus = disk.bus or guest.properties.get("hw_disk_bus", "virtio")
    if bus not in _DISK_BUSES:
        raise exception.HypervisorError(reason=f"disk bus {bus} is not known (hw_disk_bus); use {', '.join(_DISK_BUSES)}")
    cache = settings.disk_cache or ("none" if host.direct_io else "writeback")
    return dev.Disk(format="qcow2" if disk.kind in ("root", "rescue") else "raw", cache=cache, io="native" if cache == "none" else None,
                    discard="unmap", file=path, target=_target(disk), bus=bus,
                    boot_order=1 if first and not guest.kernel else None)


def interface_xml(guest: types.Guest, nic: types.Nic) -> str:
    """The XML of one NIC, to be plugged into a guest that runs."""
    return to_text(_interface(guest, nic))


def _interface(guest: types.Guest, nic: types.Nic) -> dev.Interface:
    model = nic.model or guest.properties.get("hw_vif_model", "virtio")
    if model not in _VIF_MODELS:
        raise exception.HypervisorError(reason=f"NIC model {model} is not known (hw_vif_model); use {', '.join(_VIF_MODELS)}")
    return dev.Interface(mac=nic.mac, bridge=nic.bridge, tap=nic.tap, model=model, mtu=nic.mtu or None)


def _display(guest, host, settings) -> list:
    model = guest.properties.get("hw_video_model") or ("virtio" if host.arch == "aarch64" else "vga")
    if model not in _VIDEO_MODELS:
        raise exception.HypervisorError(reason=f"video model {model} is not known (hw_video_model)")
    if model == "none":
        return [dev.Video(model="none")]
    shown_by = [kind for kind in ("vnc", "spice") if getattr(settings, kind)]
    return [dev.Input(type="tablet", bus="usb"), *(dev.Graphics(type=kind) for kind in shown_by), dev.Video(model=model)]


def _rng_rate(guest: types.Guest) -> dict:
    """The flavor may limit how fast the guest draws from the host: hw_rng:rate_bytes each hw_rng:rate_period milliseconds."""
    rate = guest.extra_specs.get("hw_rng:rate_bytes")
    if not str(rate or "").isdigit():
        return {}
    return {"rate_bytes": rate, "rate_period": guest.extra_specs.get("hw_rng:rate_period", 1000)}
