"""What hosts have, what is taken of it, and how one guest lies on it: values, and the JSON that claims and messages carry them as.

Amounts of memory in MB, sizes of pages in KiB. ``memory_mb`` of a host's cell is its memory in small pages; its large ones are counted in ``pages``.
"""
import dataclasses
import functools
from collections.abc import Iterable, Mapping

from nova_lite.numa import cpulist

SMALL_PAGE_KIB = 4


@dataclasses.dataclass(frozen=True, slots=True)
class HostCell:
    """A NUMA node of a host. ``shared``: CPUs that guests float over, ``dedicated``: those given to one guest alone, ``siblings``: threads of a
    core together, as far as they are either; cores of one are left out. ``pages``: how many large ones guests may have, by size.
    ``socket``: None where its CPUs are not all in one.
    """

    id: int
    shared: tuple[int, ...] = ()
    dedicated: tuple[int, ...] = ()
    siblings: tuple[tuple[int, ...], ...] = ()
    memory_mb: int = 0
    pages: Mapping[int, int] = dataclasses.field(default_factory=dict)
    socket: int | None = None

    def threads(self) -> int:
        """Threads of a core that has most."""
        return max(map(len, self.siblings), default=1)

    def as_json(self) -> dict:
        """As ``read_host`` reads it."""
        return {"id": self.id, "shared": cpulist.write(self.shared), "dedicated": cpulist.write(self.dedicated), "memory_mb": self.memory_mb,
                "siblings": [cpulist.write(each) for each in self.siblings], "pages": {str(size): count for size, count in self.pages.items()},
                "socket": self.socket}


def read_host(found: Iterable[Mapping]) -> tuple[HostCell, ...]:
    """The cells of a host from their JSON."""
    return tuple(_cell(each["id"], each["shared"], each["dedicated"], tuple(each["siblings"]), each["memory_mb"], tuple(each["pages"].items()),
                       each["socket"]) for each in found)


@functools.lru_cache(4096)
def _cell(number, shared, dedicated, siblings, memory_mb, pages, socket) -> HostCell:
    # Hosts are alike, and are read for each decision.
    return HostCell(number, cpulist.read(shared), cpulist.read(dedicated), tuple(map(cpulist.read, siblings)), memory_mb,
                    {int(size): count for size, count in pages}, socket)


@dataclasses.dataclass(frozen=True, slots=True)
class Lying:
    """One cell of a guest on a cell of its host. ``floating``: the guest's CPUs that share, ``pins``: the host's CPU of each other one.

    ``page_kib``: the size of its pages where it was asked for.
    """

    host: int
    memory_mb: int
    floating: tuple[int, ...] = ()
    pins: Mapping[int, int] = dataclasses.field(default_factory=dict)
    page_kib: int | None = None

    def cpus(self) -> tuple[int, ...]:
        """All CPUs of the guest's cell."""
        return tuple(sorted((*self.floating, *self.pins)))

    def large_pages(self) -> int:
        """How many large pages it takes."""
        return 0 if self.page_kib in (None, SMALL_PAGE_KIB) else self.memory_mb * 1024 // self.page_kib


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """How a guest lies on its host, cell by cell. ``emulator``: dedicated CPUs of the host for what QEMU does besides the guest's CPUs."""

    cells: tuple[Lying, ...]
    emulator: tuple[int, ...] = ()

    def dedicated(self) -> tuple[int, ...]:
        """All CPUs of the host that are this guest's alone."""
        return (*(cpu for cell in self.cells for cpu in cell.pins.values()), *self.emulator)

    def as_json(self) -> dict:
        """As ``read_assignment`` reads it."""
        return {"emulator": list(self.emulator), "cells": [
            {"host": cell.host, "memory_mb": cell.memory_mb, "floating": list(cell.floating), "page_kib": cell.page_kib,
             "pins": {str(cpu): on for cpu, on in cell.pins.items()}} for cell in self.cells]}


def read_assignment(found: Mapping) -> Assignment:
    """An assignment from its JSON."""
    return Assignment(tuple(
        Lying(cell["host"], cell["memory_mb"], tuple(cell["floating"]), {int(cpu): on for cpu, on in cell["pins"].items()}, cell["page_kib"])
        for cell in found["cells"]), tuple(found["emulator"]))


@dataclasses.dataclass(frozen=True, slots=True)
class Used:
    """What guests with assignments take of one cell of a host. ``floating``: their CPUs that share."""

    floating: int = 0
    memory_mb: int = 0
    dedicated: frozenset[int] = frozenset()
    pages: Mapping[int, int] = dataclasses.field(default_factory=dict)


    def as_json(self) -> dict:
        """What is not nothing of it; numbers of two add up, and lists are joined."""
        found = {"floating": self.floating, "memory_mb": self.memory_mb, "dedicated": sorted(self.dedicated),
                 "pages": {str(size): count for size, count in self.pages.items()}}
        return {name: value for name, value in found.items() if value}


NOTHING = Used()


def read_used(found: Mapping[str, Mapping]) -> dict[int, Used]:
    """What is used of a host's cells, from their JSON."""
    return {int(number): Used(cell.get("floating", 0), cell.get("memory_mb", 0), frozenset(cell.get("dedicated", ())),
                              {int(size): count for size, count in cell.get("pages", {}).items()}) for number, cell in found.items()}


def add_up(assignments: Iterable[Assignment]) -> dict[int, Used]:
    """What some guests take together, by cell of the host. Dedicated CPUs count wherever they are: see ``fit``."""
    found: dict[int, Used] = {}
    for assignment in assignments:
        for number, cell in enumerate(assignment.cells):
            so_far, own = found.get(cell.host, NOTHING), set(cell.pins.values())
            large = cell.large_pages()
            pages = {**so_far.pages, cell.page_kib: so_far.pages.get(cell.page_kib, 0) + large} if large else so_far.pages
            found[cell.host] = Used(so_far.floating + len(cell.floating), so_far.memory_mb + (0 if large else cell.memory_mb),
                                    so_far.dedicated | own | set(() if number else assignment.emulator), pages)
    return found
