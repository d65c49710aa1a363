"""The network worker put together, with the metadata service."""
import functools
from collections.abc import Callable

from nova_lite.cmd import daemons, fakes, wiring
from nova_lite.cmd.wiring import Site
from nova_lite.interfaces.network import NetworkInterface
from nova_lite.network.worker.manager import NetworkWorker
from nova_lite.network.worker.settings import NetworkSettings
from nova_lite.service.daemon import Daemon


def network(here: Site) -> list[Daemon]:
    """The network worker of this host, or of each host that the fake driver plays, with the metadata service inside the networks."""
    return [_network(here, host) for host in fakes.host_names(here.conf)]


def _network(here: Site, host: str) -> Daemon:
    conf = here.conf
    worker = NetworkWorker(here.db, NetworkSettings.from_conf(conf), host, _metadata(here), wiring.ring_network(here))
    worker.check_host()
    daemon = daemons.daemon(here, "nova-network", host)
    daemon.register()
    daemon.on_stop(worker.stop)
    daemons.serve(here, daemon, NetworkInterface, worker, host)
    daemon.every(30.0, worker.reconcile, delay=0.0)
    return daemon


def _metadata(here: Site) -> Callable:
    """The metadata application, made by the first guest that asks: it brings WebOb, 2 MB."""
    vendor_data = daemons.vendor_data(here)

    @functools.cache
    def made() -> Callable:
        from nova_lite.api.metadata.application import MetadataApplication
        return MetadataApplication(here.db, here.conf.network.dns_domain, vendor_data)
    return lambda environ, start_response: made()(environ, start_response)
