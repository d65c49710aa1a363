"""The auditor put together: the database, the image store, and where this machine is a compute host what its hypervisor, files and networks have."""
from nova_lite import concurrency, exception, log
from nova_lite.cmd import fakes, images, workers
from nova_lite.cmd.wiring import Site
from nova_lite.compute import audit as of_database
from nova_lite.compute.worker import audit as of_guests
from nova_lite.compute.worker import channel_note as of_channels
from nova_lite.db import hosts as hosts_
from nova_lite.image.actions import audit as of_images
from nova_lite.network.worker import audit as of_networks
from nova_lite.network.worker.settings import NetworkSettings

LOG = log.get(__name__)


def audit(here: Site, settle: float) -> list[dict]:
    """What is at odds, and still is ``settle`` seconds later: what is under way is no finding. Dicts with ``kind``, ``what`` and ids."""
    found = _look(here)
    if found and settle:
        concurrency.sleep(settle)
        again = _look(here)
        found = [finding for finding in found if finding in again]
    return found


def _look(here: Site) -> list[dict]:
    found = of_database.audit(here.db) + of_images.audit(images.deps(here))
    for host in _hosts_here(here):
        found += of_networks.audit(here.db, NetworkSettings.from_conf(here.conf), host)
        found += _guests(here, host)
        found += of_channels.audit(here.db, host, here.conf.state_path)
    return found


def _hosts_here(here: Site) -> list[str]:
    with here.db.read() as tx:
        known = {service.host for service in hosts_.services(tx, binary=hosts_.COMPUTE)}
    return [host for host in fakes.host_names(here.conf) if host in known]


def _guests(here: Site, host: str) -> list[dict]:
    driver = workers.driver_to_look_with(here.conf, host)
    if driver is None:
        return []
    try:
        driver.start_host(lambda _event: None)
        try:
            return of_guests.audit(here.db, driver, host)
        finally:
            driver.stop_host()
    except (exception.ConfigurationError, exception.HypervisorError) as error:
        return [{"kind": "hypervisor", "what": f"cannot be asked: {error}", "host": host}]
