"""The NUMA nodes that a guest is to see: how image and flavor divide its CPUs and memory. Pure."""
import re
from collections.abc import Mapping
from dataclasses import dataclass

from nova_lite import exception

SPECS = ("numa_nodes", "mem_page_size")
"""Whoever asks for one of these has NUMA nodes, one at least. As hw_... in images, as hw:... in flavors."""
_UNITS = {"": 1, "K": 1, "M": 1 << 10, "G": 1 << 20}


@dataclass(frozen=True)
class Node:
    """Numbers of the guest's CPUs, memory in MB."""

    cpus: tuple[int, ...]
    memory_mb: int


def nodes(flavor: Mapping, properties: Mapping) -> tuple[Node, ...]:
    """The guest's nodes; none where nobody asks for them. Raises Invalid where CPUs and memory cannot be divided so."""
    if all(_said(name, flavor, properties) is None for name in SPECS):
        return ()
    count = _number(_said("numa_nodes", flavor, properties) or "1", "hw:numa_nodes")
    if not 0 < count <= flavor["vcpus"]:
        raise exception.Invalid(f"hw:numa_nodes is {count}; a server of this flavor has 1 to {flavor['vcpus']} nodes")
    if any(_said(f"{what}.{number}", flavor, properties) is not None for what in ("numa_cpus", "numa_mem") for number in range(count)):
        return _as_said(count, flavor, properties)
    if flavor["vcpus"] % count or flavor["memory_mb"] % count:
        raise exception.Invalid("Asymmetric NUMA topologies require explicit assignment of CPUs and memory to nodes in image or flavor")
    cpus, memory = flavor["vcpus"] // count, flavor["memory_mb"] // count
    return tuple(Node(tuple(range(number * cpus, (number + 1) * cpus)), memory) for number in range(count))


def _as_said(count: int, flavor: Mapping, properties: Mapping) -> tuple[Node, ...]:
    found = []
    for number in range(count):
        cpus, memory = (_said(f"{what}.{number}", flavor, properties) for what in ("numa_cpus", "numa_mem"))
        if cpus is None or memory is None:
            raise exception.Invalid(f"NUMA node {number} lacks hw:numa_cpus.{number} or hw:numa_mem.{number}")
        found.append(Node(tuple(read_cpus(cpus)), _number(memory, f"hw:numa_mem.{number}")))
    if sorted(cpu for node in found for cpu in node.cpus) != list(range(flavor["vcpus"])):
        raise exception.Invalid(f"hw:numa_cpus.N do not name each of the {flavor['vcpus']} CPUs once")
    if sum(node.memory_mb for node in found) != flavor["memory_mb"]:
        raise exception.Invalid(f"hw:numa_mem.N do not add up to the {flavor['memory_mb']} MB of the flavor")
    return tuple(found)


def page_kib(flavor: Mapping, properties: Mapping) -> int | None:
    """The size of memory pages that was asked for in numbers; None where the host chooses."""
    match = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", _said("mem_page_size", flavor, properties) or "", re.IGNORECASE)
    return int(match[1]) * _UNITS[match[2].upper()] if match else None


def read_cpus(text: str) -> list[int]:
    """The numbers of ``0-3,8,^2``. Raises Invalid."""
    found: set[int] = set()
    removed: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\^?)(\d{1,4})(?:-(\d{1,4}))?", part)
        if not match:
            raise exception.Invalid(f"{text!r} is not a list of CPUs")
        (removed if match[1] else found).update(range(int(match[2]), int(match[3] or match[2]) + 1))
    return sorted(found - removed)


def _said(name: str, flavor: Mapping, properties: Mapping) -> str | None:
    value = (flavor.get("extra_specs") or {}).get(f"hw:{name}") or properties.get(f"hw_{name}")
    return None if value in (None, "") else str(value)


def _number(text: str, name: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise exception.Invalid(f"{name} is {text!r}, which is not a number")
    return int(text)
