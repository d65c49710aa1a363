"""The hosts of a process with the fake driver: which there are, and their machines, those from before where they are kept."""
import os
import re

from nova_lite import exception
from nova_lite.numa import sets
from nova_lite.pci.devices import Device


def host_names(conf) -> list[str]:
    """The compute hosts that a process with these options is: one, or as many as the fake driver plays."""
    if conf.compute.driver != "fake" or conf.compute.fake_hosts == 1:
        return [conf.host]
    return [f"{conf.host}-{number}" for number in range(1, conf.compute.fake_hosts + 1)]


def machines(conf) -> dict:
    """The fake machines of this process by host name; other drivers take no notice of it."""
    if conf.compute.driver != "fake" or not conf.compute.fake_keep:
        return {}
    from nova_lite.virt.fake_kept import KeptMachines
    return KeptMachines(os.path.join(conf.state_path, "fake-machines"))


def _devices(texts: list[str]) -> tuple[Device, ...]:
    """``8086:0443:2``: two devices of these ids, on the NUMA nodes 0 and 1 in turn."""
    found: list[Device] = []
    for text in texts:
        match = re.fullmatch(r"([\da-f]{4}):([\da-f]{4}):(\d+)", text)
        if match is None:
            raise exception.ConfigurationError(reason=f"compute.fake_pci_devices: {text} is not vendor:product:count")
        found += [Device(f"0000:{0x80 + number // 32:02x}:{number % 32:02x}.0", match[1], match[2], numa_node=number % 2)
                  for number in range(len(found), len(found) + int(match[3]))]
    return tuple(found)


def make(plugin, conf, host: str, machines: dict, cpus: sets.CpuSets):
    """The driver of one host. ``machines``: as the function of that name gave them, the same for all hosts of the process; a copy is not saved.

    ``cpus``: which of its CPUs guests may have, and how.
    """
    own = conf.compute
    cells = sets.equal_cells(own.fake_numa_nodes, own.fake_vcpus, own.fake_memory_mb, own.fake_threads, own.fake_large_pages)
    driver = plugin(host, vcpus=own.fake_vcpus, memory_mb=own.fake_memory_mb, disk_gb=own.fake_disk_gb, delay=own.fake_delay,
                    hypervisor=machines.get(host), machines=machines, move_seconds=own.fake_move_seconds,
                    cells=cells, cpus=cpus, devices=_devices(own.fake_pci_devices))
    if not own.fake_keep:
        return driver
    from nova_lite.virt.fake_kept import Kept, KeptMachines
    return Kept(driver, machines) if isinstance(machines, KeptMachines) else driver
