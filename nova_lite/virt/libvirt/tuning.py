"""What a flavor grants of the host's CPUs, memory and network: shares and quotas, page sizes, NUMA nodes. Pure.

What a flavor asks for and this host lacks is a HypervisorError that says what to change.
"""
import re

from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.libvirt import choices
from nova_lite.virt.libvirt.host import SMALL_PAGE_KIB, HostCapabilities, NumaNode
from nova_lite.virt.libvirt.xml import domain as dom

_UNITS = {"": 1, "K": 1, "M": 1024, "G": 1024 * 1024}
_VIF_LIMITS = tuple(f"{way}_{what}" for way in ("inbound", "outbound") for what in ("average", "peak", "burst"))


def cpu_tune(guest: types.Guest, nodes: list[NumaNode]) -> dom.CpuTune | None:
    """Shares and quota of CPU time, and for a guest with NUMA nodes the CPUs of the host's ``nodes``."""
    if choices.chosen(guest, "hw_cpu_policy", "shared") != "shared":
        raise exception.HypervisorError(reason="this host sets no CPUs aside for one guest alone; use hw:cpu_policy=shared")
    tune = dom.CpuTune(shares=choices.number(guest, "quota:cpu_shares", 1), period=choices.number(guest, "quota:cpu_period", 1),
                       quota=choices.number(guest, "quota:cpu_quota", -1),
                       pins=[dom.VcpuPin(vcpu=vcpu, cpus=_list(node.cpus)) for node, cell in zip(nodes, guest.numa, strict=True)
                             for vcpu in cell.cpus])
    return tune if tune.pins or any(value is not None for value in (tune.shares, tune.period, tune.quota)) else None


def host_nodes(guest: types.Guest, host: HostCapabilities) -> list[NumaNode]:
    """The host's NUMA nodes that the guest's lie on, in the order of the guest's."""
    count = len(guest.numa)
    if count > len(host.numa):
        raise exception.HypervisorError(reason=f"this host has {len(host.numa)} NUMA nodes; hw:numa_nodes asks for {count}")
    # Guests begin at different nodes, so that the first one is not everybody's.
    start = int(guest.server_id[:8], 16) % len(host.numa) if count and re.fullmatch("[0-9a-f]{8}.*", guest.server_id) else 0
    return [host.numa[(start + number) % len(host.numa)] for number in range(count)]


def numa_cells(guest: types.Guest) -> list[dom.NumaCell] | None:
    """The guest's nodes as it sees them."""
    return [dom.NumaCell(id=number, cpus=_list(cell.cpus), memory=cell.memory_mb) for number, cell in enumerate(guest.numa)] or None


def numa_tune(nodes: list[NumaNode]) -> dom.NumaTune | None:
    """Which of the host's ``nodes`` the memory of the guest's nodes is on."""
    return dom.NumaTune(nodes=[dom.MemNode(cell=number, host=node.id) for number, node in enumerate(nodes)]) if nodes else None


def memory_backing(guest: types.Guest, host: HostCapabilities) -> dom.MemoryBacking | None:
    """Large pages and locked memory."""
    size, locked = page_size(guest, host), choices.truth(guest, "hw_locked_memory")
    if size == SMALL_PAGE_KIB and not locked:
        return None
    return dom.MemoryBacking(page_kib=None if size == SMALL_PAGE_KIB else size, page_unit=None if size == SMALL_PAGE_KIB else "KiB",
                             locked=bool(locked))


def page_size(guest: types.Guest, host: HostCapabilities) -> int:
    """The size in KiB of the memory pages that the guest gets."""
    asked = choices.chosen(guest, "hw_mem_page_size", "small")
    if asked == "small":
        return SMALL_PAGE_KIB
    need = guest.memory_mb * 1024
    enough = sorted(size for size, count in host.large_pages.items() if size * count >= need and need % size == 0)
    if asked in ("large", "any"):
        if enough:
            return enough[-1]
        if asked == "any":
            return SMALL_PAGE_KIB
        raise exception.HypervisorError(reason=f"this host has no large pages for {guest.memory_mb} MB (hw:mem_page_size=large)")
    match = re.fullmatch(r"(\d+)([KMG]?)i?B?", asked, re.IGNORECASE)
    size = int(match[1]) * _UNITS[match[2].upper()] if match else 0
    if size != SMALL_PAGE_KIB and size not in enough:
        raise exception.HypervisorError(reason=f"this host has not {guest.memory_mb} MB in pages of {asked} (hw:mem_page_size)")
    return size


def bandwidth(guest: types.Guest) -> dict[str, int | None]:
    """The limits of each NIC, by the names that the XML's element has for them: KB a second, and KB at once."""
    return {name: choices.number(guest, f"quota:vif_{name}") for name in _VIF_LIMITS}


def _list(cpus: tuple[int, ...]) -> str:
    return ",".join(map(str, cpus))
