"""Resource classes: what extra specs ``resources:CLASS=n`` ask for, and how much of a class a host has left. Pure.

A host's side of a class is ``{"total", "reserved", "ratio"}`` and, where amounts are restricted, ``"min"``, ``"max"`` and ``"step"`` of what one
server takes of it. ``VCPU``, ``MEMORY_MB`` and ``DISK_GB`` are columns of every host; asking for them says how much of those a server takes.
"""
import math
import re
from collections.abc import Mapping

COLUMNS = {"VCPU": "vcpus", "MEMORY_MB": "memory_mb", "DISK_GB": "disk_gb"}
KEY = re.compile("resources([a-zA-Z0-9_-]{1,64})?:([A-Z0-9_]+)")


def said(extra_specs: Mapping[str, str]) -> dict[str, int]:
    """``{class: amount}`` of a flavor's extra specs, those of numbered groups added; amounts that are none are not said."""
    found: dict[str, int] = {}
    for key, value in extra_specs.items():
        match = KEY.fullmatch(key)
        if match and str(value).strip().isdigit():
            found[match[2]] = found.get(match[2], 0) + int(value)
    return found


def fits(has: Mapping[str, Mapping], used: Mapping[str, int], asked: tuple[tuple[str, int], ...]) -> bool:
    """Whether a host has room for one server more that takes so much."""
    return allows(has, asked) and all(room(has[name]) - used.get(name, 0) >= amount for name, amount in asked)


def room(kind: Mapping) -> int:
    """How much of a class a host may promise. Amounts are whole, so that a limit cut to a whole number admits the same ones."""
    return math.floor((kind["total"] - kind.get("reserved", 0)) * kind.get("ratio", 1.0))


def allows(has: Mapping[str, Mapping], asked: tuple[tuple[str, int], ...]) -> bool:
    """Whether a host that is empty lets one server take so much at once."""
    return all(name in has and _allows(has[name], amount) for name, amount in asked)


def _allows(kind: Mapping, amount: int) -> bool:
    return kind.get("min", 1) <= amount <= kind.get("max", amount) and amount % kind.get("step", 1) == 0
