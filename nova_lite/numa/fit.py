"""Fitting a guest's cells on those of a host: an assignment that is exact, or nothing.

Each cell of the guest lies on another cell of the host. Dedicated CPUs belong to one guest alone, large pages too; floating CPUs and small pages
are promised as often as the host's ratios say, yet no guest is promised more than there is of them. Called by the scheduler, for each host that it
asks about and once more where it claims.
"""
import itertools
from collections.abc import Iterator, Mapping, Sequence

from nova_lite.numa.cells import NOTHING, SMALL_PAGE_KIB, Assignment, HostCell, Lying, Used
from nova_lite.numa.wanted import GuestCell, Wanted


def fit(host: Sequence[HostCell], used: Mapping[int, Used], wanted: Wanted, vcpu_ratio: float = 1.0, memory_ratio: float = 1.0) -> Assignment | None:
    """How the guest may lie on the host beside what is ``used``; None where it cannot. Guests are spread: cells with most left come first."""
    return next(placements(host, used, wanted, vcpu_ratio, memory_ratio), None)


def placements(host: Sequence[HostCell], used: Mapping[int, Used], wanted: Wanted, vcpu_ratio: float = 1.0,
               memory_ratio: float = 1.0) -> Iterator[Assignment]:
    """One assignment for each set of the host's cells that the guest may lie on, best first."""
    order = sorted(host, key=lambda cell: _left(cell, used.get(cell.id, NOTHING), wanted))
    found: dict[tuple[int, int], tuple[Lying, tuple[int, ...]] | None] = {}

    def placing(number: int, cell: HostCell):
        if (number, cell.id) not in found:
            found[number, cell.id] = _place(cell, used.get(cell.id, NOTHING), wanted, number, vcpu_ratio, memory_ratio)
        return found[number, cell.id]

    for cells in itertools.combinations(order, len(wanted.cells)):
        places = _match(cells, lambda number, cell: placing(number, cell) is not None)
        if places is not None:
            chosen = [placing(number, cell) for number, cell in enumerate(places)]
            yield Assignment(tuple(lying for lying, _emulator in chosen), chosen[0][1])


def _left(cell: HostCell, used: Used, wanted: Wanted) -> tuple:
    cpus = len(used.dedicated) - len(cell.dedicated) if wanted.pinned_cpus() else used.floating
    return cpus, used.memory_mb - cell.memory_mb, cell.id


def _match(cells: Sequence[HostCell], fits) -> list[HostCell] | None:
    """The cells in the order of those of the guest that lie on them; None where one of the guest's finds none."""
    taken: dict[int, int] = {}

    def settle(number: int, tried: set[int]) -> bool:
        # Free places first: the cells that are settled are moved only where they must be.
        for place in sorted(range(len(cells)), key=taken.__contains__):
            if place not in tried and fits(number, cells[place]):
                tried.add(place)
                if place not in taken or settle(taken[place], tried):
                    taken[place] = number
                    return True
        return False

    if not all(settle(number, set()) for number in range(len(cells))):
        return None
    return [cells[place] for place in sorted(taken, key=taken.__getitem__)]


def _place(cell: HostCell, used: Used, wanted: Wanted, number: int, vcpu_ratio: float, memory_ratio: float):
    """One cell of the guest on one of the host: (how it lies, CPUs for the emulator), or None."""
    guest = wanted.cells[number]
    pages = _pages(cell, used, wanted, guest, memory_ratio)
    if pages is None or not _floats(cell, used, guest, vcpu_ratio):
        return None
    spare = 1 if number == 0 and wanted.emulator == "isolate" else 0
    count = len(guest.pinned)
    cpus = _pick(cell, used, count, spare, wanted.threads)
    if cpus is None:
        return None
    pins = dict(zip(guest.pinned, cpus[:count], strict=True))
    return Lying(cell.id, guest.memory_mb, guest.floating, pins, pages or None), tuple(cpus[count:])


def _floats(cell: HostCell, used: Used, guest: GuestCell, ratio: float) -> bool:
    count = len(guest.floating)
    return count == 0 or count <= len(cell.shared) and used.floating + count <= len(cell.shared) * ratio


def _pages(cell: HostCell, used: Used, wanted: Wanted, guest: GuestCell, ratio: float) -> int | None:
    """The size of the pages that the guest's memory fits in, 0 where it asks for none; None: there is no room."""
    memory = guest.memory_mb
    # What was asked for by size cannot be swapped out, and who has CPUs alone shall not wait for memory.
    exact = wanted.page is not None or bool(guest.pinned)
    if wanted.page is None:
        room = cell.memory_mb - used.memory_mb if exact else min(cell.memory_mb, cell.memory_mb * ratio - used.memory_mb)
        return 0 if memory <= room else None
    return next((size for size in _sizes(cell, wanted.page) if _holds(cell, used, size, memory)), None)


def _sizes(cell: HostCell, page: str | int) -> list[int]:
    large = sorted(cell.pages, reverse=True)
    return {"small": [SMALL_PAGE_KIB], "large": large, "any": [*large, SMALL_PAGE_KIB]}.get(page, [page])


def _holds(cell: HostCell, used: Used, size: int, memory: int) -> bool:
    if size == SMALL_PAGE_KIB:
        return memory <= cell.memory_mb - used.memory_mb
    count, rest = divmod(memory * 1024, size)
    return not rest and count <= cell.pages.get(size, 0) - used.pages.get(size, 0)


def _pick(cell: HostCell, used: Used, count: int, spare: int, threads: str | None) -> list[int] | None:
    """``count`` free dedicated CPUs by the policy of threads, and ``spare`` more of whatever is left then; None where there are not so many."""
    free = set(cell.dedicated) - used.dedicated
    if count + spare > len(free) or (count and threads == "isolate" and cell.threads() > 1):
        return None
    known = {cpu for core in cell.siblings for cpu in core}
    cores = [sorted(set(core) & free) for core in cell.siblings] + [[cpu] for cpu in sorted(free - known)]
    # Cores with few left first: whole ones stay whole for others.
    cores = sorted((core for core in cores if core), key=lambda core: (len(core), core))
    # A single CPU has no use for a neighbour, and takes what is left over.
    chosen = _side_by_side(cores, count, cell.threads()) if count > 1 or threads == "require" else None
    if chosen is None:
        if count and threads == "require":
            return None
        chosen = list(itertools.chain(*cores))[:count]
    left = [cpu for core in cores for cpu in core if cpu not in chosen]
    return chosen + left[:spare]


def _side_by_side(cores: list[list[int]], count: int, most: int) -> list[int] | None:
    """So many CPUs, as many of a core as can be, the same number of each; None where only single ones are left."""
    for together in range(most, 1, -1):
        usable = [core[:together] for core in cores if len(core) >= together]
        if len(usable) * together >= count:
            return list(itertools.chain(*usable))[:count]
    return None
