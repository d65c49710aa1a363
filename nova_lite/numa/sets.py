"""Which of a host's CPUs and large pages guests may have, and how: what the operator says of it (cpu_shared_set, cpu_dedicated_set ...)."""
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from nova_lite import exception
from nova_lite.numa import cpulist, wanted
from nova_lite.numa.cells import HostCell


@dataclasses.dataclass(frozen=True, slots=True)
class CpuSets:
    """``shared``: CPUs that guests float over, None: all of them where none are ``dedicated``, else none. ``reserved``: pages that guests do not
    get, by cell and size in KiB.
    """

    shared: tuple[int, ...] | None = None
    dedicated: tuple[int, ...] = ()
    reserved: Mapping[int, Mapping[int, int]] = dataclasses.field(default_factory=dict)

    @property
    def chosen(self) -> bool:
        """Whether the operator said anything of CPUs."""
        return self.shared is not None or bool(self.dedicated)


ALL_SHARED = CpuSets()


def read(shared: str | None, dedicated: str | None, reserved: Iterable[str] = ()) -> CpuSets:
    """From the options' texts: lists of CPUs, and ``node:0,size:2048,count:64`` for pages. Raises ConfigurationError."""
    found = CpuSets(_cpus("cpu_shared_set", shared), _cpus("cpu_dedicated_set", dedicated) or (), _reserved(reserved))
    both = set(found.shared or ()) & set(found.dedicated)
    if both:
        raise exception.ConfigurationError(reason=f"cpu_shared_set and cpu_dedicated_set both name the CPUs {cpulist.write(both)}")
    return found


def _cpus(option: str, text: str | None) -> tuple[int, ...] | None:
    if not text:
        return None
    try:
        found = cpulist.read(text)
    except exception.Invalid as error:
        raise exception.ConfigurationError(reason=f"{option} is {text!r}: {error}")
    if not found:
        raise exception.ConfigurationError(reason=f"{option} is {text!r}, which names no CPU")
    return found


def _reserved(texts: Iterable[str]) -> dict[int, dict[int, int]]:
    found: dict[int, dict[int, int]] = {}
    for text in texts:
        match = re.fullmatch(r"node:(\d{1,4}),size:(\w{1,16}),count:(\d{1,9})", text.replace(" ", ""))
        try:
            size = wanted.page_size(match[2]) if match else None
        except exception.Invalid:
            size = None
        if not isinstance(size, int):
            raise exception.ConfigurationError(reason=f"reserved_huge_pages is {text!r}; write it as node:0,size:2048,count:64")
        found.setdefault(int(match[1]), {})[size] = int(match[3])
    return found


def divide(cells: Sequence[HostCell], sets: CpuSets) -> tuple[HostCell, ...]:
    """``cells``, whose CPUs are all shared, by what the operator says. Raises ConfigurationError for CPUs that the host has not."""
    present = {cpu for cell in cells for cpu in cell.shared}
    for option, cpus in (("cpu_shared_set", sets.shared or ()), ("cpu_dedicated_set", sets.dedicated)):
        if missing := set(cpus) - present:
            raise exception.ConfigurationError(reason=f"{option} names the CPUs {cpulist.write(missing)}; this host has {cpulist.write(present)} on "
                                                      "line")
    shared = present if not sets.chosen else set(sets.shared or ())
    return tuple(_divided(cell, shared, set(sets.dedicated), sets.reserved.get(cell.id, {})) for cell in cells)


def _divided(cell: HostCell, shared: set[int], dedicated: set[int], reserved: Mapping[int, int]) -> HostCell:
    cores = (tuple(cpu for cpu in core if cpu in shared or cpu in dedicated) for core in cell.siblings)
    return dataclasses.replace(
        cell, shared=tuple(cpu for cpu in cell.shared if cpu in shared), dedicated=tuple(cpu for cpu in cell.shared if cpu in dedicated),
        siblings=tuple(core for core in cores if len(core) > 1),
        pages={size: max(0, count - reserved.get(size, 0)) for size, count in cell.pages.items()})


def equal_cells(count: int, vcpus: int, memory_mb: int, threads: int, large_pages: int) -> tuple[HostCell, ...]:
    """The cells of a host that is made up: CPUs and memory in equal parts, so many pages of 2 MB each; threads of a core are neighbours."""
    each = vcpus // count if count else 0
    return tuple(HostCell(
        number, tuple(range(number * each, (number + 1) * each)), (),
        tuple(tuple(range(cpu, min(cpu + threads, (number + 1) * each))) for cpu in range(number * each, (number + 1) * each, threads))
        if threads > 1 else (),
        memory_mb // count, {2048: large_pages} if large_pages else {}) for number in range(count))
