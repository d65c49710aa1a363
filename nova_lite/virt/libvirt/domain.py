"""From a Guest to libvirt's domain XML: pure functions of values.

Image properties are the ``hw_*`` of the Image service; what they ask for and this host lacks is a HypervisorError.
"""
from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.libvirt import choices, drives, layout, tuning
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
_SWITCH = {None: None, True: "on", False: "off"}


def domain_name(server_id: str) -> str:
    """The usual name of a server's domain: short enough to type."""
    return f"instance-{server_id[:8]}"


def domain_xml(guest: types.Guest, host: HostCapabilities, settings: LibvirtSettings, name: str | None = None) -> str:
    """The XML that defines ``guest``. Raises HypervisorError when its properties ask for what this host lacks."""
    files = layout.ServerFiles(settings.state_path, guest.server_id)
    machine = guest.properties.get("hw_machine_type") or settings.machine or _DEFAULT_MACHINE.get(host.arch)
    return to_text(dom.Domain(
        type=host.virt_type, name=name or domain_name(guest.server_id), uuid=guest.server_id,
        metadata=metadata(guest, settings),
        memory=guest.memory_mb, memory_backing=tuning.memory_backing(guest, host), vcpus=guest.vcpus,
        floor=tuning.floor(guest, host), cpu_tune=tuning.cpu_tune(guest, host), numa_tune=tuning.numa_tune(guest, host),
        sysinfo=_sysinfo(guest) if host.arch in _HAS_SMBIOS else None,
        os=_os(guest, host, settings, machine, files),
        features=_features(guest, host),
        cpu=_cpu(guest, host, settings),
        clock=_clock(guest, host),
        devices=_devices(guest, host, settings, machine, files),
        security_label=dom.SecurityLabel(label="+0:+0") if host.run_as_root else None,
    ))


def metadata(guest: types.Guest, settings: LibvirtSettings) -> dom.Metadata:
    """The mark that a domain is ours, and whose it is."""
    return dom.Metadata(name=_printable(guest.name), flavor=_printable(guest.flavor_name), project=guest.project_id, user=guest.user_id,
                        state_path=settings.state_path)


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
        os.boot_menu = choices.truth(guest, "hw_boot_menu") or False
    if choices.chosen(guest, "hw_firmware_type", "bios") == "uefi" or host.arch == "aarch64":
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
    root = next((disk.device.removeprefix("/dev/") or "sr0" for kind in ("rescue", "root") for disk in guest.disks if disk.kind == kind), "vda")
    return f"root=/dev/{root} console=tty0 console={serial}"


def _features(guest: types.Guest, host: HostCapabilities) -> dom.Features:
    x86 = host.arch in _X86
    features = dom.Features(acpi=host.arch in _HAS_SMBIOS, apic=x86, vmport="off" if x86 else None,
                            smm="on" if x86 and _wants_secure_boot(guest) else None, pmu=_SWITCH[choices.truth(guest, "hw_pmu")])
    if choices.truth(guest, "img_hide_hypervisor_id"):
        features.kvm_hidden = "on"
    if _is_windows(guest) and host.virt_type == "kvm":
        features.relaxed = features.vapic = features.spinlocks = "on"
        features.spinlock_tries = 8191
    return features


def _is_windows(guest: types.Guest) -> bool:
    return guest.properties.get("os_type") == "windows"


def _cpu(guest: types.Guest, host: HostCapabilities, settings: LibvirtSettings) -> dom.Cpu:
    cpu = dom.Cpu(**_topology(guest), cells=tuning.numa_cells(guest))
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


def _clock(guest: types.Guest, host: HostCapabilities) -> dom.Clock:
    # Windows keeps the machine's clock in local time.
    offset = "localtime" if _is_windows(guest) else "utc"
    if host.arch not in _X86:
        return dom.Clock(offset=offset)
    timers = [dom.Timer(name="pit", tickpolicy="delay"), dom.Timer(name="rtc", tickpolicy="catchup"), dom.Timer(name="hpet", present=False)]
    if _is_windows(guest) and host.virt_type == "kvm":
        timers.append(dom.Timer(name="hypervclock", present=True))
    return dom.Clock(offset=offset, timers=timers)


def _devices(guest, host, settings, machine, files) -> list:
    disks = drives.drives(guest, host, settings, machine, files)
    extras = optional_devices(guest, host)
    return [
        *_controllers(guest, machine, disks, len(extras) + len(guest.pci)),
        *disks,
        *(_interface(guest, nic) for nic in guest.nics),
        *(_host_device(device) for device in guest.pci),
        dev.Serial(log_file=files.console_log),
        *([dev.Channel(name="org.qemu.guest_agent.0")] if guest.has_agent else []),
        *_display(guest, host, settings),
        *extras,
        dev.Balloon(stats_seconds=10, free_page_reporting="on"),
    ]


def _controllers(guest, machine, disks, extras: int) -> list:
    controllers = [dev.Controller(type="usb", index=0, model=choices.chosen(guest, "hw_usb_model", "qemu-xhci"))]
    if any(disk.bus == "scsi" for disk in disks):
        controllers.append(dev.Controller(type="scsi", index=0, model=choices.chosen(guest, "hw_scsi_model", "virtio-scsi")))
    if machine is not None and ("q35" in machine or machine.startswith("virt")):
        # libvirt puts each device that it places on a port of its own: NICs, disks, and the five that every guest has. The rest stay free.
        used = len(guest.nics) + sum(disk.bus == "virtio" for disk in disks) + 5 + extras
        controllers.append(dev.Controller(type="pci", index=0, model="pcie-root"))
        controllers += [dev.Controller(type="pci", index=index, model="pcie-root-port")
                        for index in range(1, used + SPARE_PCI_PORTS + 1)]
    return controllers


def _host_device(device: types.PciDevice) -> dev.HostDevice:
    domain, bus, rest = device.address.split(":")
    slot, function = rest.split(".")
    return dev.HostDevice(managed=device.managed, domain=f"0x{domain}", bus=f"0x{bus}", slot=f"0x{slot}", function=f"0x{function}")


def interface_xml(guest: types.Guest, nic: types.Nic) -> str:
    """The XML of one NIC, to be plugged into a guest that runs."""
    return to_text(_interface(guest, nic))


def _interface(guest: types.Guest, nic: types.Nic) -> dev.Interface:
    model = choices.checked("hw_vif_model", nic.model) if nic.model else choices.chosen(guest, "hw_vif_model", "virtio")
    many = model == "virtio" and guest.vcpus > 1 and choices.truth(guest, "hw_vif_multiqueue_enabled")
    return dev.Interface(mac=nic.mac, bridge=nic.bridge, tap=nic.tap, model=model, mtu=nic.mtu or None, queues=guest.vcpus if many else None,
                         **tuning.bandwidth(guest))


def _display(guest, host, settings) -> list:
    model = choices.chosen(guest, "hw_video_model", "virtio" if host.arch == "aarch64" else "vga")
    if model == "none":
        return [dev.Video(model="none")]
    shown_by = [kind for kind in ("vnc", "spice") if getattr(settings, kind)]
    return [*_inputs(guest), *(dev.Graphics(type=kind) for kind in shown_by), dev.Video(model=model, vram_kib=_video_memory(guest))]


def _inputs(guest: types.Guest) -> list:
    bus = choices.chosen(guest, "hw_input_bus")
    if bus is not None:
        return [dev.Input(type="tablet", bus=bus), dev.Input(type="keyboard", bus=bus)]
    return [dev.Input(type="tablet", bus="usb")] if choices.chosen(guest, "hw_pointer_model", "usbtablet") == "usbtablet" else []


def _video_memory(guest: types.Guest) -> int | None:
    asked = str(guest.properties.get("hw_video_ram") or "")
    if not asked:
        return None
    most = choices.number(guest, "hw_video:ram_max_mb") or 0
    if not asked.isdigit() or int(asked) > most:
        raise exception.HypervisorError(reason=f"the image asks for {asked} MB of video memory (hw_video_ram), the flavor gives {most} "
                                               "(hw_video:ram_max_mb)")
    return int(asked) * 1024


def optional_devices(guest: types.Guest, host: HostCapabilities) -> list:
    """Those that image and flavor decide upon: source of randomness, watchdog, TPM, sound."""
    found: list = []
    choices.chosen(guest, "hw_rng_model")
    if str(guest.extra_specs.get("hw_rng:allowed", "true")).lower() in choices.TRUE:
        found.append(dev.Rng(**_rng_rate(guest)))
    action = choices.chosen(guest, "hw_watchdog_action", "disabled")
    if action != "disabled":
        found.append(dev.Watchdog(action=action))
    version = tpm_version(guest)
    if version is not None:
        if version not in host.tpm_versions:
            raise exception.HypervisorError(reason=f"this host has no TPM {version} to give (hw_tpm_version); install swtpm")
        found.append(dev.Tpm(version=version, model=choices.chosen(guest, "hw_tpm_model", "tpm-crb" if version == "2.0" else "tpm-tis")))
    sound = choices.chosen(guest, "hw_sound_model")
    return [*found, dev.Sound(model=sound)] if sound else found


def tpm_version(guest: types.Guest) -> str | None:
    """The version of the guest's TPM; None where it has none."""
    return choices.chosen(guest, "hw_tpm_version")


def _rng_rate(guest: types.Guest) -> dict:
    """The flavor may limit how fast the guest draws from the host: hw_rng:rate_bytes each hw_rng:rate_period milliseconds."""
    rate = choices.number(guest, "hw_rng:rate_bytes")
    return {"rate_bytes": rate, "rate_period": choices.number(guest, "hw_rng:rate_period") or 1000} if rate else {}
