"""Fitting a guest's cells on those of a host: an assignment that is exact, or nothing.

Each cell of the guest lies on another cell of the host. Dedicated CPUs belong to one guest alone, large pages too; floating CPUs and small pages
are promised as often as the host's ratios say, yet no guest is promised more than there is of them. Called by the scheduler, for each host that it
asks about and once more where it claims.
"""
import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

from nova_lite.numa.cells import NOTHING, SMALL_PAGE_KIB, Assignment, HostCell, Lying, Used
from nova_lite.numa.wanted import GuestCell, Wanted


def fit(host: Sequence[HostCell], used: Mapping[int, Used], wanted: Wanted, vcpu_ratio: float = 1.0, memory_ratio: float = 1.0) -> Assignment | None:
    """How the guest may lie on the host beside what is ``used``; None where it cannot. Guests are spread: cells with most left come first."""
    return next(placements(host, used, wanted, vcpu_ratio, memory_ratio), None)


def possible(host: Sequence[HostCell], used: Mapping[int, Used], wanted: Wanted, vcpu_ratio: float = 1.0, memory_ratio: float = 1.0) -> bool:
    """Whether ``fit`` finds something; quicker."""
    asked = _Question(used, wanted, vcpu_ratio, memory_ratio)
    return any(_match(cells, asked.admits) is not None for cells in itertools.combinations(host, len(wanted.cells)))


def placements(host: Sequence[HostCell], used: Mapping[int, Used], wanted: Wanted, vcpu_ratio: float = 1.0,
               memory_ratio: float = 1.0) -> Iterator[Assignment]:
    """One assignment for each set of the host's cells that the guest may lie on, best first."""
    order = sorted(host, key=lambda cell: _left(cell, used.get(cell.id, NOTHING), wanted))
    asked = _Question(used, wanted, vcpu_ratio, memory_ratio)
    for cells in itertools.combinations(order, len(wanted.cells)):
        places = _match(cells, asked.admits)
        if places is not None:
            lying, emulators = zip(*(asked.lay(number, cell) for number, cell in enumerate(places)), strict=True)
            yield Assignment(lying, emulators[0])


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


@dataclasses.dataclass(frozen=True)
class _Question:
    """One guest and one host. ``known``: what was answered already."""

    used: Mapping[int, Used]
    wanted: Wanted
    vcpu_ratio: float
    memory_ratio: float
    known: dict[tuple[int, int], bool] = dataclasses.field(default_factory=dict)

    def admits(self, number: int, cell: HostCell) -> bool:
        """Whether one of the guest's cells may lie on one of the host's."""
        key = number, cell.id
        if key not in self.known:
            used, guest = self.used.get(cell.id, NOTHING), self.wanted.cells[number]
            self.known[key] = (
                _floats(cell, used, guest, self.vcpu_ratio) and _has_free(cell, used, len(guest.pinned), self._spare(number), self.wanted.threads)
                and _pages(cell, used, self.wanted, guest, self.memory_ratio) is not None)
        return self.known[key]

    def lay(self, number: int, cell: HostCell) -> tuple[Lying, tuple[int, ...]]:
        """How it lies there, and the CPUs for the emulator; where it is admitted."""
        used, guest = self.used.get(cell.id, NOTHING), self.wanted.cells[number]
        count, spare = len(guest.pinned), self._spare(number)
        cpus = _pick(_free_cores(cell, used), cell.threads(), count, spare, self.wanted.threads) if count + spare else []
        pins = dict(zip(guest.pinned, cpus[:count], strict=True))
        pages = _pages(cell, used, self.wanted, guest, self.memory_ratio)
        return Lying(cell.id, guest.memory_mb, guest.floating, pins, pages or None), tuple(cpus[count:])

    def _spare(self, number: int) -> int:
        return int(number == 0 and self.wanted.emulator == "isolate")


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


def _has_free(cell: HostCell, used: Used, count: int, spare: int, threads: str | None) -> bool:
    """Whether there are ``count`` free dedicated CPUs by the policy of threads, and ``spare`` more."""
    if not count + spare:
        return True
    if count + spare > len(cell.dedicated) - len(used.dedicated.intersection(cell.dedicated)):
        return False
    if not count or threads in (None, "prefer"):
        return True
    if threads == "isolate":
        return cell.threads() == 1
    return _side_by_side(_free_cores(cell, used), count, cell.threads()) is not None


def _free_cores(cell: HostCell, used: Used) -> list[list[int]]:
    """Free dedicated CPUs by core; cores with few left first, so that whole ones stay whole for others."""
    free = set(cell.dedicated) - used.dedicated
    known = {cpu for core in cell.siblings for cpu in core}
    cores = [sorted(free.intersection(core)) for core in cell.siblings] + [[cpu] for cpu in free - known]
    return sorted((core for core in cores if core), key=lambda core: (len(core), core))


def _pick(cores: list[list[int]], most: int, count: int, spare: int, threads: str | None) -> list[int]:
    """``count`` CPUs by the policy of threads, and ``spare`` more of whatever is left then."""
    # A single CPU has no use for a neighbour, and takes what is left over.
    chosen = _side_by_side(cores, count, most) if count > 1 or threads == "require" else None
    if chosen is None:
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
