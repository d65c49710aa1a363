"""What extra specs (``capabilities:...``) and JSON queries (``$...``) may ask of a host, by Nova's names, as columns."""
import json
from collections.abc import Callable

import numpy as np

NUMBERS: dict[str, Callable] = {
    "free_ram_mb": lambda table, rows: table.memory_free[rows],
    "free_disk_mb": lambda table, rows: table.disk_free[rows] * 1024,
    "total_usable_ram_mb": lambda table, rows: table.memory_total[rows],
    "total_usable_disk_gb": lambda table, rows: table.disk_total[rows],
    "disk_mb_used": lambda table, rows: table.disk_used[rows] * 1024,
    "vcpus_total": lambda table, rows: table.vcpus_total[rows],
    "vcpus_used": lambda table, rows: table.vcpus_used[rows],
    "num_instances": lambda table, rows: table.servers[rows],
    "num_io_ops": lambda table, rows: table.io_ops[rows],
    "failed_builds": lambda table, rows: table.build_failures[rows],
    "hypervisor_version": lambda table, rows: table.hypervisor_version[rows],
    "cpu_allocation_ratio": lambda table, rows: table.vcpu_ratio[rows],
    "ram_allocation_ratio": lambda table, rows: table.memory_ratio[rows],
    "disk_allocation_ratio": lambda table, rows: table.disk_ratio[rows],
}
TEXTS: dict[str, Callable] = {
    "host": lambda table, rows: _picked(table.names, rows),
    "nodename": lambda table, rows: _picked(table.nodes, rows),
    "hypervisor_hostname": lambda table, rows: _picked(table.nodes, rows),
    "host_ip": lambda table, rows: _picked(table.addresses, rows),
    "hypervisor_type": lambda table, rows: np.array(table.types.values, object)[table.type_class[rows]],
}
CPU_INFO = "cpu_info"
CONSUMED = frozenset({"free_ram_mb", "free_disk_mb", "disk_mb_used", "vcpus_used", "num_instances", "num_io_ops"})
"""Those that placing a server changes."""


def _picked(texts, rows):
    return np.array(texts[rows] if isinstance(rows, slice) else [texts[row] for row in rows], object)


def cpu_value(text: str, path: tuple[str, ...]):
    """What a host's ``cpu_info`` has at a path of keys, or None."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
