"""NUMA nodes, dedicated CPUs and large pages of hosts, as ``extras`` carry them: what a server needs, how it may lie, what it holds then. Pure.

A host's side (``hosts.extras["numa"]``) is ``{"cells": [...], "vcpu_ratio", "memory_ratio"}``, what is used of it ``{cell: amounts}``.
"""
from collections.abc import Iterator, Mapping

from nova_lite import exception
from nova_lite.numa import cells, fit
from nova_lite.numa import wanted as topologies
from nova_lite.numa.cells import Assignment
from nova_lite.numa.wanted import Wanted


def wanted(flavor: Mapping, properties: Mapping) -> Wanted | None:
    """What servers of a flavor and an image ask for; None for most, and for what cannot be, of which the host's worker says why."""
    try:
        return topologies.read(flavor, properties)
    except exception.Invalid:
        return None


def placements(has: Mapping, used: Mapping, asked: Wanted) -> Iterator[Assignment]:
    """How a server may lie on a host that has and uses so much, best first."""
    own = has.get("numa")
    if own is None:
        return iter(())
    return fit.placements(cells.read_host(own["cells"]), cells.read_used(used.get("numa", {})), asked, own["vcpu_ratio"], own["memory_ratio"])


def possible(has: Mapping, used: Mapping, asked: Wanted) -> bool:
    """Whether there are any."""
    own = has.get("numa")
    return own is not None and fit.possible(cells.read_host(own["cells"]), cells.read_used(used.get("numa", {})), asked, own["vcpu_ratio"],
                                            own["memory_ratio"])


def hold(lying: Assignment) -> dict:
    """What counts of it (``db.extras``), by cell."""
    return {str(number): used.as_json() for number, used in cells.add_up([lying]).items()}


def sockets(has: Mapping) -> dict[int, int]:
    """The socket of each cell, where the host tells."""
    return {cell["id"]: cell["socket"] for cell in has.get("numa", {}).get("cells", ()) if cell["socket"] is not None}


def words(asked: Wanted) -> str:
    """What is lacking where a server finds no host: ``2 free dedicated CPUs and 512 MB in pages of 2048 KiB on one NUMA node``."""
    parts = []
    pinned, floating = asked.pinned_cpus(), asked.floating_cpus()
    if pinned:
        kind = {"require": " beside each other", "isolate": " on cores of one thread"}.get(asked.threads, "")
        parts.append(f"{pinned} free dedicated {'CPU' if pinned == 1 else 'CPUs'}{kind}")
    if floating:
        parts.append(f"{floating} shared {'CPU' if floating == 1 else 'CPUs'}")
    memory = sum(cell.memory_mb for cell in asked.cells)
    pages = {None: "", "any": "", "small": " in small pages", "large": " in large pages"}.get(asked.page, f" in pages of {asked.page} KiB")
    parts.append(f"{memory} MB{pages}")
    count = len(asked.cells)
    return f"{', '.join(parts[:-1])} and {parts[-1]} on {'one NUMA node' if count == 1 else f'{count} NUMA nodes'}" if len(parts) > 1 else parts[0]
