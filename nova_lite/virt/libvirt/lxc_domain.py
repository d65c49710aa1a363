"""From a Guest to the domain XML of a container: pure functions of values. What ``domain.py`` is to machines.

The root disk's file system is the container's root; each further one has a place in it. Swap is no disk but more of memory's limit.
"""
from pathlib import Path

from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.libvirt import choices, domain, layout, tuning
from nova_lite.virt.libvirt.host import HostCapabilities
from nova_lite.virt.libvirt.settings import LibvirtSettings
from nova_lite.virt.libvirt.xml import devices as dev
from nova_lite.virt.libvirt.xml import domain as dom
from nova_lite.virt.libvirt.xml.element import to_text

INIT = "/sbin/init"
COMMAND_LINE = "console=tty0 console=ttyS0"
CONFIG_DRIVE = "/var/lib/cloud/seed/config_drive"
"""Where cloud-init looks for a config drive that is no disk."""
EPHEMERAL, RESCUED = "/mnt/ephemeral{}", "/mnt/root"
CPU_PERIOD = 100_000
"""Microseconds in which a container gets its CPU time, where the flavor does not say."""
ONLY_MACHINES = (
    # what image or flavor say, what is fine, what else they ask for
    ("hw_tpm_version", "", "a TPM"),
    ("hw_firmware_type", "bios", "firmware"),
)


def domain_xml(guest: types.Guest, host: HostCapabilities, settings: LibvirtSettings, name: str | None = None) -> str:
    """The XML that defines ``guest``. Raises HypervisorError when image or flavor ask for what only machines have."""
    _check(guest)
    files = layout.ServerFiles(settings.state_path, guest.server_id)
    swap = sum(disk.size_mb for disk in guest.disks if disk.kind == "swap")
    return to_text(dom.Domain(
        type=host.virt_type, name=name or domain.domain_name(guest.server_id), uuid=guest.server_id,
        metadata=domain.metadata(guest, settings), memory=guest.memory_mb, memory_tune=dom.MemoryTune(swap_limit=guest.memory_mb + swap),
        vcpus=guest.vcpus, floor=tuning.floor(guest, host), cpu_tune=_cpu_tune(guest), clock=dom.Clock(),
        # Without it a container that has no NIC shares the host's own network, and its DHCP client takes the host's addresses away.
        features=dom.Features(private_network=True),
        os=dom.Os(type="exe", arch=host.arch, init=INIT, cmdline=guest.kernel_cmdline or guest.properties.get("os_command_line") or COMMAND_LINE,
                  # cloud-init finds its OpenStack source by this name where there is no firmware to ask.
                  init_variables=[dom.InitVariable(name="product_name", text="OpenStack Nova")]),
        devices=[*_file_systems(guest, files), *(_interface(guest, nic) for nic in guest.nics), dev.Console()]))


def _check(guest: types.Guest) -> None:
    asked = [f"{words} ({name})" for name, usual, words in ONLY_MACHINES
             if str(guest.properties.get(name) or guest.extra_specs.get(name.replace("hw_", "hw:")) or usual) != usual]
    if any(disk.cdrom and disk.kind != "config" for disk in guest.disks):
        asked.append("a CD-ROM")
    if guest.pci:
        asked.append("PCI devices of the host (pci_passthrough:alias)")
    if guest.topology is not None:
        asked.append("CPUs or memory of certain cells (hw:numa_nodes, hw:cpu_policy, hw:mem_page_size)")
    if asked:
        raise exception.HypervisorError(reason=f"this host runs containers, which cannot have {', '.join(asked)}")


def _cpu_tune(guest: types.Guest) -> dom.CpuTune:
    """As much CPU time as its vCPUs would have: a container sees all CPUs of the host."""
    period = choices.number(guest, "quota:cpu_period", 1) or CPU_PERIOD
    return dom.CpuTune(shares=choices.number(guest, "quota:cpu_shares", 1), period=period,
                       quota=choices.number(guest, "quota:cpu_quota", -1) or guest.vcpus * period)


def _file_systems(guest: types.Guest, files: layout.ServerFiles) -> list[dev.Filesystem]:
    folder = layout.short_name(guest.server_id)
    rescued = any(disk.kind == "rescue" for disk in guest.disks)
    ephemerals = 0
    found = []
    for disk, full in files.disks(guest.disks):
        path = folder / Path(full).name
        if disk.kind == "ephemeral":
            found.append(dev.Filesystem(file=path, target=EPHEMERAL.format(ephemerals)))
            ephemerals += 1
        elif disk.kind != "swap":
            found.append(dev.Filesystem(file=path, target=RESCUED if rescued and disk.kind == "root" else "/"))
    if guest.config_drive is not None:
        found.append(dev.Filesystem(file=folder / Path(files.config_drive(guest)).name, target=CONFIG_DRIVE, readonly=True))
    # They are mounted in this order.
    return sorted(found, key=lambda system: system.target != "/")


def interface_xml(guest: types.Guest, nic: types.Nic) -> str:
    """The XML of one NIC, to be plugged into a container that runs."""
    return to_text(_interface(guest, nic))


def _interface(guest: types.Guest, nic: types.Nic) -> dev.Interface:
    return dev.Interface(mac=nic.mac, bridge=nic.bridge, tap=nic.tap, mtu=nic.mtu or None, boot_rom=None, **tuning.bandwidth(guest))
