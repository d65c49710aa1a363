"""What a guest has used, from libvirt's statistics. Runs in a native thread."""
from xml.etree import ElementTree

import libvirt

from nova_lite.virt import types
from nova_lite.virt.libvirt.lifecycle import state_of

_GROUPS = (libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BLOCK | libvirt.VIR_DOMAIN_STATS_INTERFACE
           | libvirt.VIR_DOMAIN_STATS_BALLOON)


def read(domain, hypervisor: str) -> types.Diagnostics:
    """One call for all numbers and one for the NICs' addresses. ``hypervisor``: kvm or qemu."""
    (_, stats), = domain.connect().domainListGetStats([domain], _GROUPS, 0)
    macs = {nic.find("target").get("dev"): nic.find("mac").get("address")
            for nic in ElementTree.fromstring(domain.XMLDesc(0)).iterfind("devices/interface") if nic.find("target") is not None}
    return types.Diagnostics(
        state_of(domain), "libvirt", hypervisor, "linux",
        cpu_times=tuple(stats[f"vcpu.{number}.time"] for number in range(stats.get("vcpu.maximum", 0)) if f"vcpu.{number}.time" in stats),
        disks=tuple(_disk(stats, f"block.{number}.") for number in range(stats.get("block.count", 0))),
        nics=tuple(_nic(stats, f"net.{number}.", macs) for number in range(stats.get("net.count", 0))),
        memory_kib=stats.get("balloon.maximum", 0), memory_used_kib=stats.get("balloon.current", 0),
        memory_stats={name.removeprefix("balloon."): value for name, value in stats.items() if name.startswith("balloon.")})


def _disk(stats: dict, prefix: str) -> types.DiskUse:
    return types.DiskUse(stats[prefix + "name"], *(stats.get(prefix + name, 0) for name in ("rd.reqs", "rd.bytes", "wr.reqs", "wr.bytes")))


def _nic(stats: dict, prefix: str, macs: dict[str, str]) -> types.NicUse:
    name = stats.get(prefix + "name", "")
    return types.NicUse(name, macs.get(name), *(stats.get(f"{prefix}{way}.{what}", 0) for way in ("rx", "tx")
                                                for what in ("bytes", "pkts", "errs", "drop")))
