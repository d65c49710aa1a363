"""What flavor and image ask of a host's cells: read, checked against each other, and refused in the words that the Compute API has for it.

A flavor says ``hw:name``, an image ``hw_name``. Who asks for CPUs alone, for nodes or for a size of pages has a topology, of one node at least.
Called by the API (validation), the scheduler and the worker.
"""
import dataclasses
import re
from collections.abc import Mapping

from nova_lite import exception
from nova_lite.numa import cpulist, policies
from nova_lite.numa.policies import Asked


@dataclasses.dataclass(frozen=True, slots=True)
class GuestCell:
    """A NUMA node that the guest sees: which of its CPUs float over the host's shared ones, and which are ``pinned``; memory in MB."""

    floating: tuple[int, ...]
    pinned: tuple[int, ...]
    memory_mb: int

    @property
    def cpus(self) -> tuple[int, ...]:
        """All of them, ascending."""
        return tuple(sorted((*self.floating, *self.pinned)))


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """A guest's topology. ``page``: small, large, any, a size in KiB, or None where nothing is said of pages.

    ``threads``: prefer, isolate, require or None; ``emulator``: isolate, share or None; ``realtime``: CPUs that must never wait.
    """

    cells: tuple[GuestCell, ...]
    page: str | int | None = None
    threads: str | None = None
    emulator: str | None = None
    realtime: tuple[int, ...] = ()

    def pinned_cpus(self) -> int:
        """How many dedicated CPUs it takes, the emulator's too."""
        return sum(len(cell.pinned) for cell in self.cells) + (self.emulator == "isolate")

    def floating_cpus(self) -> int:
        """How many of its CPUs share."""
        return sum(len(cell.floating) for cell in self.cells)


def read(flavor: Mapping, properties: Mapping) -> Wanted | None:
    """The topology of guests of a flavor (``vcpus``, ``memory_mb``, ``extra_specs``) and an image's properties; None where nobody asks for one.

    Raises Invalid for what cannot be.
    """
    asked = Asked(flavor.get("extra_specs") or {}, properties)
    if not asked.anything():
        return None
    chosen = policies.read(asked, flavor["vcpus"])
    count, page = _count(asked), read_page(asked)
    policies.check_locked(asked)
    if count is None and page is None and not chosen.pinned:
        return None
    cells = _cells(asked, count or 1, flavor, frozenset(chosen.pinned))
    return Wanted(cells, page, chosen.threads, chosen.emulator, chosen.realtime)


def dedicated_cpus(flavor: Mapping, properties: Mapping) -> int:
    """How many of the flavor's CPUs are dedicated ones, which hosts count apart. For what was accepted once: what is wrong counts as none."""
    try:
        wanted = read(flavor, properties)
    except exception.Invalid:
        return 0
    return 0 if wanted is None else sum(len(cell.pinned) for cell in wanted.cells)


def _count(asked: Asked) -> int | None:
    by_flavor, by_image = asked.pair("numa_nodes")
    if by_flavor and by_image:
        raise _not_permitted("hw_numa_nodes")
    count = by_flavor or by_image
    if count is None:
        return None
    if not count.isdecimal() or not int(count):
        raise exception.Invalid(f"The property 'numa_nodes' cannot be '{count}'. It must be a number greater than 0")
    return int(count)


def _not_permitted(name: str) -> exception.Invalid:
    return exception.Invalid(f"Image property '{name}' is not permitted to override NUMA configuration set against the flavor")


def read_page(asked: Asked) -> str | int | None:
    """The size of pages that is asked for. Raises Invalid."""
    by_flavor, by_image = asked.pair("mem_page_size")
    if by_image and not by_flavor:
        raise exception.Invalid(f"Page size {by_image} forbidden against '<empty>'")
    if not by_flavor:
        return None
    size = page_size(by_flavor)
    if not by_image:
        return size
    if size not in ("any", "large"):
        raise exception.Invalid(f"Page size {by_image} forbidden against '{by_flavor}'")
    return page_size(by_image)


def page_size(text: str) -> str | int:
    """any, large, small, or KiB for ``2048``, ``2MB``, ``1GiB``. Raises Invalid."""
    if text in ("any", "large", "small"):
        return text
    match = re.fullmatch(r"(\d{1,15})(?:([KMGT])i?)?(b|bit|B)?", text, re.IGNORECASE)
    if not match:
        raise exception.Invalid(f"Invalid memory page size '{text}'")
    if match[2] is None and match[3] is None:
        kib = int(match[1])
    else:
        size = int(match[1]) * 1024 ** " KMGT".index((match[2] or " ").upper())
        kib = size // 1024 // (8 if match[3] in ("b", "bit") else 1)
    if not kib:
        raise exception.Invalid(f"Invalid memory page size '{text}'")
    return kib


def _cells(asked: Asked, count: int, flavor: Mapping, pinned: frozenset[int]) -> tuple[GuestCell, ...]:
    cpus = _parts(asked, "numa_cpus", cpulist.read)
    memory = _parts(asked, "numa_mem", _megabytes)
    if cpus is None and memory is None:
        return _equal_parts(count, flavor["vcpus"], flavor["memory_mb"], pinned)
    if cpus is None or memory is None or len(cpus) != count or len(memory) != count:
        raise exception.Invalid("CPU and memory allocation must be provided for all NUMA nodes")
    _check_parts(cpus, memory, flavor["vcpus"], flavor["memory_mb"])
    return tuple(_cell(part, size, pinned) for part, size in zip(cpus, memory, strict=True))


def _cell(cpus, memory_mb: int, pinned: frozenset[int]) -> GuestCell:
    return GuestCell(tuple(cpu for cpu in cpus if cpu not in pinned), tuple(cpu for cpu in cpus if cpu in pinned), memory_mb)


def _equal_parts(count: int, vcpus: int, memory_mb: int, pinned: frozenset[int]) -> tuple[GuestCell, ...]:
    if vcpus % count or memory_mb % count:
        raise exception.Invalid("Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. Explicit assignment of CPUs "
                                "and memory to nodes is required")
    each = vcpus // count
    return tuple(_cell(range(number * each, (number + 1) * each), memory_mb // count, pinned) for number in range(count))


def _parts(asked: Asked, name: str, convert) -> list | None:
    by_flavor, by_image = _numbered(asked.specs, f"hw:{name}"), _numbered(asked.properties, f"hw_{name}")
    if by_flavor and by_image:
        raise _not_permitted(f"hw_{name}")
    texts = by_flavor or by_image
    return [convert(text) for text in texts] if texts else None


def _numbered(found: Mapping, name: str) -> list[str]:
    """``name.0``, ``name.1`` and so on, up to the first that is not there."""
    texts = []
    while (text := found.get(f"{name}.{len(texts)}")) is not None:
        texts.append(str(text))
    return texts


def _megabytes(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise exception.Invalid(f"NUMA memory {text!r} is not a number of MB (hw:numa_mem.N)")
    return int(text)


def _check_parts(cpus: list, memory: list[int], vcpus: int, memory_mb: int) -> None:
    left = set(range(vcpus))
    for cpu in (cpu for part in cpus for cpu in part):
        if cpu >= vcpus:
            raise exception.Invalid(f"CPU number {cpu} is larger than max {vcpus - 1}")
        if cpu not in left:
            raise exception.Invalid(f"CPU number {cpu} is assigned to two nodes")
        left.remove(cpu)
    if left:
        raise exception.Invalid(f"CPU number {left} is not assigned to any node")
    if sum(memory) != memory_mb:
        raise exception.Invalid(f"{sum(memory)} MB of memory assigned, but expected {memory_mb} MB")
