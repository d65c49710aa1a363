"""How much room servers of a flavor take on a host, and what changes when a server changes its flavor. Pure."""
import re
from collections.abc import Mapping

from nova_lite.numa import wanted

MB_IN_GB = 1024
COLUMNS = {"VCPU": "vcpus", "MEMORY_MB": "memory_mb", "DISK_GB": "disk_gb"}
RESOURCE = re.compile(f"resources(?:[a-zA-Z0-9_-]{{1,64}})?:({'|'.join(COLUMNS)})")


def room(flavor: Mapping, image: Mapping | None = None) -> dict[str, int]:
    """vCPUs, MB of RAM, GB of disk: swap counts as disk, rounded up. Extra specs may say otherwise (``resources:VCPU=0``).

    Dedicated CPUs, which flavor or ``image`` (the copy that a server keeps) ask for, are counted elsewhere.
    """
    disk = flavor["root_gb"] + flavor["ephemeral_gb"] + -(-flavor["swap"] // MB_IN_GB)
    shared = flavor["vcpus"] - wanted.dedicated_cpus(flavor, (image or {}).get("properties") or {})
    return {"vcpus": shared, "memory_mb": flavor["memory_mb"], "disk_gb": disk} | _said(flavor.get("extra_specs") or {})


def _said(extra_specs: Mapping) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, value in extra_specs.items():
        match = RESOURCE.fullmatch(key)
        if match and str(value).strip().isdigit():
            column = COLUMNS[match[1]]
            found[column] = found.get(column, 0) + int(value)
    return found


def both(one: Mapping, other: Mapping, image: Mapping | None = None) -> dict[str, int]:
    """Room for a server that has either flavor, and the disks of both."""
    first, second = room(one, image), room(other, image)
    return {"vcpus": max(first["vcpus"], second["vcpus"]), "memory_mb": max(first["memory_mb"], second["memory_mb"]),
            "disk_gb": first["disk_gb"] + second["disk_gb"]}


def quota_change(before: Mapping, after: Mapping) -> tuple[dict[str, int], dict[str, int]]:
    """What counts more and what counts less against the quota when ``after`` takes the place of ``before``."""
    changes = {"cores": after["vcpus"] - before["vcpus"], "ram": after["memory_mb"] - before["memory_mb"]}
    return ({name: value for name, value in changes.items() if value > 0}, {name: -value for name, value in changes.items() if value < 0})
