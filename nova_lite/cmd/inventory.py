"""What a compute host tells the database of itself: what its driver finds, and what the operator's options and files make of it."""
import pathlib

from nova_lite.cmd.wiring import Site
from nova_lite.compute.worker.monitor import Monitor
from nova_lite.db import hosts as hosts_
from nova_lite.db import hypervisors
from nova_lite.pci import devices

GB_IN_MB = 1024


class Inventory:
    """``put`` is called now and then. Raises ConfigurationError where an option or a file of the provider config is wrong."""

    def __init__(self, here: Site, driver, host: str, epoch: int, monitor: Monitor | None):
        self._here, self._driver, self._host, self._epoch, self._monitor = here, driver, host, epoch, monitor
        self._specs = devices.read(here.conf.pci.device_spec)
        self._providers = _providers(here.conf.compute.provider_config_location)

    def put(self) -> None:
        """Tell the database what the host has, and with a monitor how busy it is."""
        found, conf, monitor = self._driver.inventory(), self._here.conf, self._monitor
        with self._here.db.write() as tx:
            resources, traits = self._provided(tx, found.hypervisor_hostname)
            extras = {"resources": resources, "pci": devices.offered(found.devices, self._specs),
                      "numa": _numa(found.cells, conf.compute)}
            hosts_.put_inventory(
                tx, self._host, self._epoch, hypervisor_hostname=found.hypervisor_hostname, hypervisor_type=found.hypervisor_type,
                hypervisor_version=found.hypervisor_version, host_ip=conf.my_ip, vcpus=found.vcpus, memory_mb=found.memory_mb, disk_gb=found.disk_gb,
                disk_available_gb=found.disk_available_gb, vcpus_reserved=min(conf.compute.reserved_host_cpus, found.vcpus),
                memory_mb_reserved=conf.compute.reserved_host_memory_mb, disk_gb_reserved=-(-conf.compute.reserved_host_disk_mb // GB_IN_MB),
                vcpu_ratio=conf.compute.cpu_allocation_ratio, memory_ratio=conf.compute.ram_allocation_ratio,
                disk_ratio=conf.compute.disk_allocation_ratio, cpu_info=found.cpu_info, supported=[list(item) for item in found.supported],
                traits=sorted({*found.traits, *traits}), metrics=monitor.cpu() if monitor is not None else {},
                extras={kind: value for kind, value in extras.items() if value})

    def _provided(self, tx, node: str) -> tuple[dict, tuple[str, ...]]:
        if not self._providers:
            return {}, ()
        from nova_lite.compute.worker import provider_config
        known = hypervisors.uuid_of(tx, self._host)
        mine = provider_config.of_host(self._providers, known, node)
        return ({}, ()) if mine is None else (mine.resources, mine.traits)


def _numa(cells, own) -> dict:
    """What ``scheduler.core.numa`` reads of a host: its cells, and how often what is shared in them may be promised."""
    if not cells:
        return {}
    return {"cells": [cell.as_json() for cell in cells], "vcpu_ratio": own.cpu_allocation_ratio, "memory_ratio": own.ram_allocation_ratio}


def _providers(folder: str) -> list:
    if not any(pathlib.Path(folder).glob("*.yaml")):
        return []
    from nova_lite.compute.worker import provider_config
    return provider_config.read(folder)
