"""Fitting guests on hosts: by values, and by hypothesis against a reading that tries everything."""
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from nova_lite.numa import cells
from nova_lite.numa.cells import HostCell, Used
from nova_lite.numa.fit import fit, possible
from nova_lite.numa.wanted import GuestCell, Wanted

THREADED = HostCell(0, (), (0, 1, 2, 3), ((0, 2), (1, 3)), 4096, {2048: 512})
PLAIN = HostCell(1, (4, 5), (6, 7), (), 2048, {})


def pinned(*counts, memory_mb=256, **more):
    begins = [0, *itertools.accumulate(counts)]
    return Wanted(tuple(GuestCell((), tuple(range(begin, begin + count)), memory_mb) for begin, count in zip(begins, counts, strict=False)), **more)


def floating(count, memory_mb=256, **more):
    return Wanted((GuestCell(tuple(range(count)), (), memory_mb),), **more)


# ---- by values -------------------------------------------------------------------------------------------------------------
def test_a_guest_takes_whole_cores_first():
    found = fit([THREADED], {}, pinned(2))
    assert set(found.cells[0].pins.values()) in ({0, 2}, {1, 3})
    assert fit([THREADED], {0: Used(dedicated=frozenset({0, 1}))}, pinned(2)).cells[0].pins == {0: 2, 1: 3}
    # One that needs a single CPU leaves whole cores to others.
    assert fit([THREADED], {0: Used(dedicated=frozenset({0}))}, pinned(1)).cells[0].pins == {0: 2}


def test_thread_policies():
    assert fit([THREADED], {0: Used(dedicated=frozenset({0, 1}))}, pinned(2, threads="require")) is None
    assert fit([THREADED], {0: Used(dedicated=frozenset({0}))}, pinned(2, threads="require")).cells[0].pins == {0: 1, 1: 3}
    assert fit([THREADED], {}, pinned(2, threads="isolate")) is None and fit([PLAIN], {}, pinned(2, threads="require")) is None
    assert fit([THREADED, PLAIN], {}, pinned(2, threads="isolate")).cells[0].host == 1


def test_the_emulator_has_a_cpu_of_its_own():
    found = fit([THREADED], {}, pinned(2, emulator="isolate"))
    assert len(found.emulator) == 1 and not set(found.emulator) & set(found.cells[0].pins.values())
    assert fit([PLAIN], {}, pinned(2, emulator="isolate")) is None
    assert fit([PLAIN], {}, pinned(2, emulator="share")).emulator == ()


def test_cells_lie_apart():
    assert [cell.host for cell in fit([THREADED, PLAIN], {}, pinned(1, 3)).cells] == [1, 0]
    assert fit([THREADED], {}, pinned(1, 1)) is None
    assert fit([THREADED, PLAIN], {}, pinned(3, 3)) is None


def test_memory_and_pages():
    assert fit([PLAIN], {}, pinned(1, memory_mb=2049)) is None
    assert fit([PLAIN], {1: Used(memory_mb=1024)}, pinned(1, memory_mb=1025), memory_ratio=4.0) is None
    assert fit([PLAIN], {1: Used(memory_mb=1024)}, floating(1, 1025), memory_ratio=1.5).cells[0].page_kib is None
    assert fit([PLAIN], {1: Used(memory_mb=1024)}, floating(1, 1025)) is None and fit([PLAIN], {}, floating(1, 2049), memory_ratio=4.0) is None
    assert fit([THREADED, PLAIN], {}, floating(0, 256, page="large")).cells[0].page_kib == 2048
    assert fit([THREADED], {0: Used(pages={2048: 500})}, pinned(1, page="large")) is None
    assert fit([THREADED], {0: Used(pages={2048: 500})}, pinned(1, page="any")).cells[0].page_kib == 4
    assert fit([THREADED], {}, pinned(1, memory_mb=255, page=2048)) is None and fit([THREADED], {}, pinned(1, page=1 << 20)) is None
    assert fit([THREADED], {0: Used(memory_mb=3841)}, floating(0, page="small"), memory_ratio=2.0) is None


def test_floating_cpus():
    assert fit([PLAIN], {}, floating(3), vcpu_ratio=4.0) is None
    assert fit([PLAIN], {1: Used(floating=6)}, floating(2), vcpu_ratio=4.0).cells[0].floating == (0, 1)
    assert fit([PLAIN], {1: Used(floating=7)}, floating(2), vcpu_ratio=4.0) is None


def test_what_is_taken_adds_up():
    first = fit([THREADED], {}, pinned(2, memory_mb=512, page="large", emulator="isolate"))
    second = fit([THREADED], cells.add_up([first]), pinned(1))
    used = cells.add_up([first, second])[0]
    assert used == Used(0, 256, frozenset({0, 1, 2, 3}), {2048: 256})
    assert cells.read_assignment(first.as_json()) == first and cells.read_host([THREADED.as_json(), PLAIN.as_json()]) == (THREADED, PLAIN)
    assert set(first.dedicated()) | set(second.dedicated()) == {0, 1, 2, 3} and first.cells[0].cpus() == (0, 1)


# ---- against a reading that tries everything -------------------------------------------------------------------------------
@st.composite
def hosts(draw):
    found, cpu = [], 0
    for number in range(draw(st.integers(1, 3))):
        cores = []
        for _ in range(draw(st.integers(0, 3))):
            size = draw(st.integers(1, 3))
            cores.append(tuple(range(cpu, cpu + size)))
            cpu += size
        numbers = [each for core in cores for each in core]
        kinds = {each: draw(st.sampled_from(("shared", "dedicated", "dedicated"))) for each in numbers}
        found.append(HostCell(number, tuple(each for each in numbers if kinds[each] == "shared"),
                              tuple(each for each in numbers if kinds[each] == "dedicated"), tuple(cores),
                              draw(st.sampled_from((64, 128, 256))), draw(st.sampled_from(({}, {2048: 64}, {2048: 32, 65536: 1})))))
    return tuple(found)


@st.composite
def guests(draw):
    count, cpu, found = draw(st.integers(1, 3)), 0, []
    for _ in range(count):
        shares, own = draw(st.integers(0, 2)), draw(st.integers(0, 3))
        found.append(GuestCell(tuple(range(cpu, cpu + shares)), tuple(range(cpu + shares, cpu + shares + own)), draw(st.sampled_from((32, 64, 100)))))
        cpu += shares + own
    return Wanted(tuple(found), draw(st.sampled_from((None, None, "small", "large", "any", 2048, 65536))),
                  draw(st.sampled_from((None, "prefer", "isolate", "require"))), draw(st.sampled_from((None, "isolate", "share"))))


def obeys(cell, chosen, free, threads):
    """Whether a set of CPUs of a cell obeys the policy of threads."""
    if not chosen or threads in (None, "prefer"):
        return True
    if threads == "isolate":
        return max(map(len, cell.siblings), default=1) == 1
    for together in (2, 3):
        used = [(len(chosen & set(core)), len(free & set(core))) for core in cell.siblings if chosen & set(core)]
        if sum(mine for mine, _left in used) < len(chosen):
            return False
        if all(left >= together for _mine, left in used) and sum(mine < together for mine, _left in used) <= 1 and \
                all(mine <= together for mine, _left in used):
            return True
    return False


def lies(cell, used, guest, wanted, spare):
    """Whether one cell of a guest can lie on a cell of the host: every set of CPUs, every size of pages is tried."""
    free = set(cell.dedicated) - used.dedicated
    own = len(guest.pinned)
    cpus = any(obeys(cell, set(chosen), free, wanted.threads) and len(free) - own >= spare for chosen in itertools.combinations(free, own))
    shares = not guest.floating or len(guest.floating) <= len(cell.shared) and used.floating + len(guest.floating) <= 2 * len(cell.shared)
    left = {4: (cell.memory_mb - used.memory_mb) * 256, **{size: count - used.pages.get(size, 0) for size, count in cell.pages.items()}}
    if wanted.page is None and not guest.pinned:
        memory = guest.memory_mb <= cell.memory_mb and used.memory_mb + guest.memory_mb <= cell.memory_mb * 1.5
    else:
        sizes = {None: {4}, "small": {4}, "large": left.keys() - {4}, "any": left.keys()}.get(wanted.page, {wanted.page})
        memory = any(size in left and guest.memory_mb * 1024 % size == 0 and guest.memory_mb * 1024 // size <= left[size] for size in sizes)
    return cpus and shares and memory


def can(host, used, wanted):
    """Whether a guest can lie on a host: every order of its cells is tried."""
    return any(all(lies(cell, used.get(cell.id, cells.NOTHING), guest, wanted, number == 0 and wanted.emulator == "isolate")
                   for number, (cell, guest) in enumerate(zip(places, wanted.cells, strict=True)))
               for places in itertools.permutations(host, len(wanted.cells)))


def check(host, before, wanted, found):
    """That an assignment is what was asked for, and takes nothing that others have."""
    by_id = {cell.id: cell for cell in host}
    assert len({lying.host for lying in found.cells}) == len(wanted.cells)
    mine = found.dedicated()
    assert len(set(mine)) == len(mine) == wanted.pinned_cpus()
    for lying, guest in zip(found.cells, wanted.cells, strict=True):
        cell, used = by_id[lying.host], before.get(lying.host, cells.NOTHING)
        own = set(lying.pins.values())
        assert (tuple(lying.pins), lying.floating, lying.memory_mb) == (guest.pinned, guest.floating, guest.memory_mb)
        assert own <= set(cell.dedicated) - used.dedicated
        assert obeys(cell, own, set(cell.dedicated) - used.dedicated, wanted.threads)
    first = by_id[found.cells[0].host]
    assert set(found.emulator) <= set(first.dedicated) - before.get(first.id, cells.NOTHING).dedicated


@settings(max_examples=400, deadline=None)
@given(hosts(), st.lists(guests(), min_size=1, max_size=6))
def test_guests_fit_where_they_can_and_never_take_what_others_have(host, waiting):
    there: list[cells.Assignment] = []
    for wanted in waiting:
        used = cells.add_up(there)
        found = fit(host, used, wanted, vcpu_ratio=2.0, memory_ratio=1.5)
        assert (found is not None) == can(host, used, wanted) == possible(host, used, wanted, vcpu_ratio=2.0, memory_ratio=1.5)
        if found is not None:
            check(host, used, wanted, found)
            there.append(cells.read_assignment(found.as_json()))
    taken = [cpu for each in there for cpu in each.dedicated()]
    assert len(set(taken)) == len(taken)
    for number, used in cells.add_up(there).items():
        cell = host[number]
        assert used.memory_mb <= cell.memory_mb * 1.5 and used.floating <= 2 * len(cell.shared)
        assert all(count <= cell.pages[size] for size, count in used.pages.items())
