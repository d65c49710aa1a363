"""Extras: what a server needs of a host besides vCPUs, memory and disk, and whether and how a host can give it. Pure.

``Need.of`` reads flavor and image; ``fit`` is the exact rule, which the claim asks again with the host's row locked (``db.extras``).
"""
import dataclasses
from collections.abc import Mapping

from nova_lite.pci import aliases, choice
from nova_lite.pci.aliases import Ask
from nova_lite.scheduler.core import resources


@dataclasses.dataclass(frozen=True, slots=True)
class Need:
    """``resources``: (class, amount) pairs, in order of class; ``pci``: devices. ``flavorid``: whose hold it becomes."""

    flavorid: str
    resources: tuple[tuple[str, int], ...] = ()
    pci: tuple[Ask, ...] = ()

    @classmethod
    def of(cls, flavor: Mapping, properties: Mapping, options) -> "Need | None":
        """What a flavor and an image's properties ask for; None for most. ``options``: request.Options."""
        specs = flavor.get("extra_specs")
        if not specs:
            return None
        asked = resources.said(specs) if any(key.startswith("resources") for key in specs) else {}
        need = cls(flavor.get("flavorid") or "",
                   tuple(sorted((name, amount) for name, amount in asked.items() if amount and name not in resources.COLUMNS)),
                   aliases.asks(specs, properties, options.pci_aliases))
        return need if need.resources or need.pci else None

    @property
    def resource_words(self) -> str:
        """``2 CUSTOM_GOLD and 1 CUSTOM_SILVER``."""
        return " and ".join(f"{amount} {name}" for name, amount in self.resources)

    @property
    def pci_words(self) -> str:
        """``2 a1 and 1 a2``."""
        return " and ".join(f"{ask.count} {ask.alias}" for ask in self.pci)


def fit(has: Mapping, used: Mapping, need: Need) -> dict | None:
    """The hold (``db.extras``) of one server more on a host that has and uses so much; None where it does not fit."""
    if not resources.fits(has.get("resources", {}), used.get("resources", {}), need.resources):
        return None
    hold: dict = {"resources": dict(need.resources)} if need.resources else {}
    if need.pci:
        chosen = choice.choose(has.get("pci", ()), used.get("pci", ()), need.pci)
        if chosen is None:
            return None
        hold |= {"pci": sorted(device["address"] for device in chosen), "guest": {"pci": chosen}}
    return hold
