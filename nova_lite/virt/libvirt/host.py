"""What this machine can do: read from libvirt's capability documents and from the machine itself, kept as one plain value.

The driver probes once at start-up; ``domain.py`` and the inventory use the result.
"""
import dataclasses
import os
import stat
from pathlib import Path
from xml.etree import ElementTree

from nova_lite import exception
from nova_lite.numa import cpulist, sets
from nova_lite.numa.cells import SMALL_PAGE_KIB, HostCell


@dataclasses.dataclass(frozen=True)
class HostCapabilities:
    """``qemu_uid`` and ``qemu_gid``: the account of QEMU processes (None: libvirt does not say).

    ``run_as_root``: they must run as root because that account cannot reach the state path; ``cpu``: arch, model, vendor, features,
    topology, as the Compute API shows them; ``guest_types``: qemu, kvm or both; ``cells``: its NUMA nodes;
    ``floor``: CPUs that guests without CPUs of their own are kept to, None: all; ``tpm_versions``: 1.2, 2.0 as far as the host can emulate them.
    """

    arch: str
    virt_type: str
    cpu: dict = dataclasses.field(default_factory=dict)
    machines: frozenset[str] = frozenset()
    cpu_modes: frozenset[str] = frozenset()
    has_uefi: bool = False
    graphics: frozenset[str] = frozenset()
    """vnc, spice: what this QEMU can show a screen by."""
    direct_io: bool = False
    qemu_uid: int | None = None
    qemu_gid: int | None = None
    run_as_root: bool = False
    guest_types: tuple[str, ...] = ("qemu",)
    cells: tuple[HostCell, ...] = ()
    floor: tuple[int, ...] | None = None
    tpm_versions: frozenset[str] = frozenset()


def choose_virt_type(wanted: str, cpuinfo: str = "/proc/cpuinfo", kvm: str = "/dev/kvm") -> tuple[str, str]:
    """(kvm, qemu or lxc, why) for the setting auto, kvm, qemu or lxc. Raises ConfigurationError when kvm is wanted and cannot be."""
    if wanted not in ("auto", "kvm", "qemu", "lxc"):
        raise exception.ConfigurationError(reason=f"libvirt virt_type is {wanted!r}; it must be auto, kvm, qemu or lxc")
    if wanted in ("qemu", "lxc"):
        return wanted, "it is configured"
    obstacle = _kvm_obstacle(cpuinfo, kvm)
    if obstacle is None:
        return "kvm", f"the CPU can virtualize and {kvm} opens"
    if wanted == "kvm":
        raise exception.ConfigurationError(reason=f"libvirt virt_type is kvm, but {obstacle}; set it to qemu or auto")
    return "qemu", f"{obstacle}: guests run in plain emulation, some ten times slower"


def _kvm_obstacle(cpuinfo: str, kvm: str) -> str | None:
    flags = set()
    for line in Path(cpuinfo).read_text(errors="replace").splitlines():
        if line.startswith("flags"):
            flags.update(line.partition(":")[2].split())
            break
    # Only x86 names the ability in its flags.
    if os.uname().machine in ("x86_64", "i686") and not flags & {"vmx", "svm"}:
        return "the CPU has neither vmx nor svm"
    try:
        os.close(os.open(kvm, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"{kvm} cannot be opened ({error.strerror})"
    return None


def read_capabilities(document: str, virt_type: str) -> HostCapabilities:
    """Parse the document of virConnectGetCapabilities. Raises ConfigurationError when ``virt_type`` guests cannot run."""
    root = ElementTree.fromstring(document)
    arch = root.findtext("host/cpu/arch") or os.uname().machine
    guest = next((g for g in root.iterfind("guest") if _arch_of(g) == arch), None)
    if guest is None:
        raise exception.ConfigurationError(reason=f"libvirt knows no emulator for {arch}; install qemu-system for it")
    kinds = tuple(d.get("type", "") for g in root.iterfind("guest") if _arch_of(g) == arch for d in g.iterfind("arch/domain"))
    if virt_type not in kinds:
        raise exception.ConfigurationError(reason=f"libvirt cannot run {virt_type} guests here, only {', '.join(kinds)}; "
                                                  "see virt_type and connection_uri")
    machines = frozenset(name for m in guest.iterfind("arch/machine") for name in (m.text, m.get("canonical")) if name)
    uid, gid = _qemu_account(root, virt_type)
    return HostCapabilities(arch=arch, virt_type=virt_type, cpu=_cpu(root.find("host/cpu"), arch, _count(root)), machines=machines,
                            qemu_uid=uid, qemu_gid=gid, guest_types=tuple(k for k in kinds if k in ("qemu", "kvm")),
                            cells=tuple(map(_cell, root.iterfind("host/topology/cells/cell"))))


def _cell(node: ElementTree.Element) -> HostCell:
    """A NUMA node, its CPUs all shared."""
    # A CPU that is off line is named, and has no neighbours.
    cpus = {int(cpu.get("id", 0)): cpu.get("siblings") for cpu in node.iterfind("cpus/cpu")}
    if any(cpus.values()):
        cpus = {cpu: siblings for cpu, siblings in cpus.items() if siblings}
    pages = {int(each.get("size", 0)): int(each.text or 0) for each in node.iterfind("pages")}
    small = pages.pop(SMALL_PAGE_KIB, None)
    if small is None:
        small = int(node.findtext("memory") or 0) // SMALL_PAGE_KIB
    cores = sorted({cpulist.read(siblings or str(cpu)) for cpu, siblings in cpus.items()})
    return HostCell(int(node.get("id", 0)), tuple(sorted(cpus)), (), tuple(core for core in cores if len(core) > 1), small * SMALL_PAGE_KIB >> 10,
                    {size: count for size, count in pages.items() if count}, _socket(node))


def _socket(node: ElementTree.Element) -> int | None:
    ids = {cpu.get("socket_id") for cpu in node.iterfind("cpus/cpu")} - {None}
    return int(ids.pop()) if len(ids) == 1 else None


def with_cpu_sets(host: HostCapabilities, chosen: sets.CpuSets) -> HostCapabilities:
    """``host`` with its cells divided as the operator says. Raises ConfigurationError."""
    if chosen.dedicated and not host.cells:
        raise exception.ConfigurationError(reason="cpu_dedicated_set is set, and libvirt does not tell this host's NUMA nodes")
    return dataclasses.replace(host, cells=sets.divide(host.cells, chosen), floor=chosen.shared)


def _arch_of(guest: ElementTree.Element) -> str | None:
    arch = guest.find("arch")
    return None if arch is None else arch.get("name")


def _count(root: ElementTree.Element) -> dict[str, int]:
    """Sockets, cores of one, threads of one, where only the CPUs themselves are told."""
    cpus = [(cell.get("id"), cpu.get("socket_id"), cpu.get("die_id"), cpu.get("core_id")) for cell in root.iterfind("host/topology/cells/cell")
            for cpu in cell.iterfind("cpus/cpu") if cpu.get("core_id") is not None]
    sockets, cores = len({cpu[:2] for cpu in cpus}), len(set(cpus))
    return {"sockets": sockets, "cores": cores // sockets, "threads": len(cpus) // cores} if cpus else {}


def _cpu(node: ElementTree.Element | None, arch: str, count: dict[str, int]) -> dict:
    if node is None:
        return {"arch": arch, "model": "", "vendor": "", "features": [], "topology": {}}
    topology = node.find("topology")
    sizes = count if topology is None else {k: int(topology.get(k, 1)) for k in ("sockets", "cores", "threads")}
    return {"arch": arch, "model": node.findtext("model") or "", "vendor": node.findtext("vendor") or "",
            "topology": {"cells": 1, **sizes} if sizes else {},
            "features": sorted(f.get("name", "") for f in node.iterfind("feature"))}


def _qemu_account(root: ElementTree.Element, virt_type: str) -> tuple[int | None, int | None]:
    for model in root.iterfind("host/secmodel"):
        if model.findtext("model") == "dac":
            for label in model.iterfind("baselabel"):
                if label.get("type") == virt_type and label.text:
                    uid, _, gid = label.text.partition(":")
                    return int(uid.lstrip("+")), int(gid.lstrip("+"))
    return None, None


def with_domain_capabilities(host: HostCapabilities, document: str) -> HostCapabilities:
    """``host`` with what the document of virConnectGetDomainCapabilities adds."""
    root = ElementTree.fromstring(document)
    modes = frozenset(m.get("name", "") for m in root.iterfind("cpu/mode") if m.get("supported") == "yes")
    efi = any(v.text == "efi" for v in root.iterfind("os/enum[@name='firmware']/value"))
    graphics = frozenset(v.text or "" for v in root.iterfind("devices/graphics/enum[@name='type']/value"))
    return dataclasses.replace(host, cpu_modes=modes, has_uefi=efi, graphics=graphics, tpm_versions=_tpm_versions(root))


def _tpm_versions(root: ElementTree.Element) -> frozenset[str]:
    node = root.find("devices/tpm")
    if node is None or node.get("supported") != "yes" or "emulator" not in {v.text for v in node.iterfind("enum[@name='backendModel']/value")}:
        return frozenset()
    # libvirt says which only since 8.6; swtpm has both.
    return frozenset(v.text or "" for v in node.iterfind("enum[@name='backendVersion']/value")) or frozenset({"1.2", "2.0"})


def with_state_path(host: HostCapabilities, state_path: str) -> tuple[HostCapabilities, str | None]:
    """``host`` with what the file system of ``state_path`` adds, and the folder that QEMU's account cannot pass, if any."""
    blocked = None
    if host.qemu_uid:
        blocked = blocked_folder(state_path, host.qemu_uid, host.qemu_gid)
    return dataclasses.replace(host, direct_io=takes_direct_io(state_path), run_as_root=blocked is not None), blocked


def blocked_folder(path: str, uid: int, gid: int | None) -> str | None:
    """The topmost folder on the way to ``path`` that an account may not pass; None when it reaches ``path``."""
    resolved = Path(path).resolve()
    for folder in [*reversed(resolved.parents), resolved]:
        status = folder.stat()
        if status.st_uid == uid:
            passes = status.st_mode & stat.S_IXUSR
        elif status.st_gid == gid:
            passes = status.st_mode & stat.S_IXGRP
        else:
            passes = status.st_mode & stat.S_IXOTH
        if not passes:
            return str(folder)
    return None


def takes_direct_io(folder: str) -> bool:
    """Whether files in ``folder`` can be opened with O_DIRECT."""
    probe = Path(folder, f".direct-io-{os.getpid()}")
    try:
        handle = os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    os.close(handle)
    return True
