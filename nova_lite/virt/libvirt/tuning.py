"""What a guest gets of the host's CPUs, memory and network: shares and quotas, CPUs and pages of certain cells. Pure.

What a flavor asks for and this host lacks is a HypervisorError that says what to change.
"""
from nova_lite import exception
from nova_lite.numa import cpulist
from nova_lite.numa.cells import Assignment
from nova_lite.virt import types
from nova_lite.virt.libvirt import choices
from nova_lite.virt.libvirt.host import HostCapabilities
from nova_lite.virt.libvirt.xml import domain as dom
from nova_lite.virt.libvirt.xml.element import to_text

_VIF_LIMITS = tuple(f"{way}_{what}" for way in ("inbound", "outbound") for what in ("average", "peak", "burst"))


def cpu_tune(guest: types.Guest, host: HostCapabilities) -> dom.CpuTune | None:
    """Shares and quota of CPU time, and for a guest with NUMA nodes which of the host's CPUs each of its own runs on."""
    tune = dom.CpuTune(shares=choices.number(guest, "quota:cpu_shares", 1), period=choices.number(guest, "quota:cpu_period", 1),
                       quota=choices.number(guest, "quota:cpu_quota", -1))
    lying = where(guest, host)
    if lying is not None:
        _pin(tune, guest, lying, host)
    return tune if lying is not None or any(value is not None for value in (tune.shares, tune.period, tune.quota)) else None


def where(guest: types.Guest, host: HostCapabilities) -> Assignment | None:
    """How the guest lies on this host; None where it does not matter. Raises HypervisorError where the host cannot keep what was promised."""
    lying = guest.lying
    if guest.topology is None:
        return None
    if lying is None:
        raise exception.HypervisorError(reason="the server asks for CPUs or memory of certain cells, and this host has promised it none")
    there = {cell.id for cell in host.cells}
    missing = {cell.host for cell in lying.cells} - there
    lost = set(lying.dedicated()) - {cpu for cell in host.cells for cpu in cell.dedicated}
    if missing or lost:
        what = f"its NUMA nodes {cpulist.write(missing)}" if missing else f"the dedicated CPUs {cpulist.write(lost)}"
        raise exception.HypervisorError(reason=f"this host no longer gives guests {what}, which the server was promised; move it, or see "
                                               "cpu_dedicated_set")
    return lying


def _pin(tune: dom.CpuTune, guest: types.Guest, lying: Assignment, host: HostCapabilities) -> None:
    shared = {cell.id: cell.shared for cell in host.cells}
    places = {cpu: (on,) for cell in lying.cells for cpu, on in cell.pins.items()}
    places |= {cpu: shared[cell.host] for cell in lying.cells for cpu in cell.floating}
    tune.pins = [dom.VcpuPin(vcpu=cpu, cpus=cpulist.write(on)) for cpu, on in sorted(places.items())]
    realtime = guest.topology.realtime
    if guest.topology.emulator == "share" and host.floor:
        emulator = host.floor
    else:
        # What QEMU does besides must not keep a real-time CPU waiting.
        emulator = lying.emulator or sorted({on for cpu, each in places.items() for on in each if cpu not in realtime})
    tune.emulator = cpulist.write(emulator)
    if realtime:
        if not emulator:
            raise exception.HypervisorError(reason="all CPUs of the server are real-time ones, and this host has no cpu_shared_set for its emulator")
        tune.realtime = dom.VcpuSched(vcpus=cpulist.write(realtime))


def floor(guest: types.Guest, host: HostCapabilities) -> str | None:
    """The host's CPUs that a guest without NUMA nodes may run on, where the operator says."""
    return cpulist.write(host.floor) if guest.topology is None and host.floor else None


def numa_cells(guest: types.Guest) -> list[dom.NumaCell] | None:
    """The guest's nodes as it sees them."""
    cells = guest.topology.cells if guest.topology else ()
    return [dom.NumaCell(id=number, cpus=cpulist.write(cell.cpus), memory=cell.memory_mb) for number, cell in enumerate(cells)] or None


def numa_tune(guest: types.Guest, host: HostCapabilities) -> dom.NumaTune | None:
    """Which of the host's nodes the memory of the guest's nodes is on."""
    lying = where(guest, host)
    if lying is None:
        return None
    return dom.NumaTune(hosts=cpulist.write({cell.host for cell in lying.cells}),
                        nodes=[dom.MemNode(cell=number, host=cell.host) for number, cell in enumerate(lying.cells)])


def memory_backing(guest: types.Guest, host: HostCapabilities) -> dom.MemoryBacking | None:
    """Large pages and locked memory."""
    lying, realtime = where(guest, host), bool(guest.topology and guest.topology.realtime)
    locked = choices.truth(guest, "hw_locked_memory") or realtime
    sizes = {} if lying is None else {number: cell.page_kib for number, cell in enumerate(lying.cells) if cell.large_pages()}
    pages = [dom.Page(size=size, cells=cpulist.write(number for number, each in sizes.items() if each == size)) for size in sorted({*sizes.values()})]
    if not pages and not locked:
        return None
    return dom.MemoryBacking(pages=pages or None, unshared=realtime, locked=locked)


def whereabouts(guest: types.Guest, host: HostCapabilities) -> dict[str, str | None]:
    """All of the above as XML texts, by element, for a guest that comes here while it runs; ``floor`` is as the function of that name has it."""
    parts = {"cputune": cpu_tune(guest, host), "numatune": numa_tune(guest, host), "memoryBacking": memory_backing(guest, host)}
    return {"floor": floor(guest, host), **{tag: None if part is None else to_text(part) for tag, part in parts.items()}}


def bandwidth(guest: types.Guest) -> dict[str, int | None]:
    """The limits of each NIC, by the names that the XML's element has for them: KB a second, and KB at once."""
    return {name: choices.number(guest, f"quota:vif_{name}") for name in _VIF_LIMITS}

