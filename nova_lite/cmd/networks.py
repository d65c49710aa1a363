"""The network worker put together, with the metadata service."""
from nova_lite.api.metadata.application import MetadataApplication
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
    metadata = MetadataApplication(here.db, conf.network.dns_domain, daemons.vendor_data(here))
    worker = NetworkWorker(here.db, NetworkSettings.from_conf(conf), host, metadata, wiring.ring_network(here))
    worker.check_host()
    daemon = daemons.daemon(here, "nova-network", host)
    daemon.register()
    daemon.on_stop(worker.stop)
    daemons.serve(here, daemon, NetworkInterface, worker, host)
    daemon.every(30.0, worker.reconcile, delay=0.0)
    return daemon
