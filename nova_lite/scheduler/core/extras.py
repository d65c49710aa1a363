"""Extras: what a server needs of a host besides vCPUs, memory and disk, and whether and how a host can give it. Pure.

``Need.of`` reads flavor and image; ``fit`` is the exact rule, which the claim asks again with the host's row locked (``db.extras``).
"""
import dataclasses
from collections.abc import Iterator, Mapping

from nova_lite.numa.wanted import Wanted
from nova_lite.pci import aliases, choice
from nova_lite.pci.aliases import Ask
from nova_lite.scheduler.core import numa, resources


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """``resources``: (class, amount) pairs, in order of class; ``pci``: devices; ``numa``: CPUs and memory of certain cells.

    ``flavorid``: whose hold it becomes.
    """

    flavorid: str
    resources: tuple[tuple[str, int], ...] = ()
    pci: tuple[Ask, ...] = ()
    numa: Wanted | None = None

    @classmethod
    def of(cls, flavor: Mapping, properties: Mapping, options) -> "Need | None":
        """What a flavor and an image's properties ask for; None for most. ``options``: request.Options."""
        specs, topology = flavor.get("extra_specs"), numa.wanted(flavor, properties)
        if not specs and topology is None:
            return None
        specs = specs or {}
        asked = resources.said(specs) if any(key.startswith("resources") for key in specs) else {}
        need = cls(flavor.get("flavorid") or "",
                   tuple(sorted((name, amount) for name, amount in asked.items() if amount and name not in (*resources.COLUMNS, "PCPU"))),
                   aliases.asks(specs, properties, options.pci_aliases), topology)
        return need if need.resources or need.pci or need.numa else None

    @property
    def dedicated(self) -> int:
        """How many of the server's CPUs are dedicated ones."""
        return 0 if self.numa is None else sum(len(cell.pinned) for cell in self.numa.cells)

    @property
    def resource_words(self) -> str:
        """``2 CUSTOM_GOLD and 1 CUSTOM_SILVER``."""
        return " and ".join(f"{amount} {name}" for name, amount in self.resources)

    @property
    def pci_words(self) -> str:
        """``2 a1 and 1 a2``."""
        return " and ".join(f"{ask.count} {ask.alias}" for ask in self.pci)

    @property
    def numa_words(self) -> str:
        """``2 free dedicated CPUs and 512 MB on one NUMA node``."""
        return numa.words(self.numa)


def fit(has: Mapping, used: Mapping, need: Need) -> dict | None:
    """The hold (``db.extras``) of one server more on a host that has and uses so much; None where it does not fit."""
    if not resources.fits(has.get("resources", {}), used.get("resources", {}), need.resources):
        return None
    hold: dict = {"resources": dict(need.resources)} if need.resources else {}
    if not need.pci and need.numa is None:
        return hold
    placed = next(_placed(has, used, need), None)
    return None if placed is None else hold | placed


def _placed(has: Mapping, used: Mapping, need: Need) -> Iterator[dict]:
    """Cells and devices of the host for one server, chosen together: devices near to the cells; best first."""
    for lying in numa.placements(has, used, need.numa) if need.numa else (None,):
        found, guest = ({}, {}) if lying is None else ({"numa": numa.hold(lying)}, {"numa": lying.as_json()})
        if need.pci:
            nodes = None if lying is None else {cell.host for cell in lying.cells}
            chosen = choice.choose(has.get("pci", ()), used.get("pci", ()), need.pci, nodes, numa.sockets(has))
            if chosen is None:
                continue
            found["pci"], guest["pci"] = sorted(device["address"] for device in chosen), chosen
        yield {**found, "guest": guest}
