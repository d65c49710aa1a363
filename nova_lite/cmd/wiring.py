"""The composition root: options in, daemons out. Nothing else reads options or makes clients."""
import dataclasses
import os
from collections.abc import Callable

from nova_lite import config, exception, log
from nova_lite.context import RequestContext
from nova_lite.db.engine import Database
from nova_lite.interfaces.compute import ComputeInterface
from nova_lite.interfaces.network import NetworkInterface
from nova_lite.interfaces.scheduler import SchedulerInterface
from nova_lite.rpc import client as client_
from nova_lite.rpc import transport as transport_

LOG = log.get(__name__)


@dataclasses.dataclass(frozen=True)
class Site:
    """What every daemon of a process shares. ``on_superseded()`` ends the process when another start took over."""

    conf: config.ConfigOpts
    db: Database
    transport: transport_.Transport
    scheduler: object
    compute: object
    network: object
    on_superseded: Callable[[], None]


def database_url(conf: config.ConfigOpts) -> str:
    """The state database: as configured, or an SQLite file in the state folder."""
    return conf.database.connection or f"sqlite:///{os.path.join(conf.state_path, 'nova-lite.db')}"


def site(conf: config.ConfigOpts, on_superseded: Callable[[], None]) -> Site:
    """Open the database and the transport. Raises ConfigurationError."""
    try:
        os.makedirs(conf.state_path, mode=0o755, exist_ok=True)
    except OSError as error:
        raise exception.ConfigurationError(reason=f"state_path = {conf.state_path} cannot be used: {error}")
    transport = transport_.connect(conf.rpc.url, {"publish_timeout": conf.rpc.publish_timeout, "round_trip_interval": conf.rpc.round_trip_interval})
    return Site(conf, Database(database_url(conf), conf.database.pool_size), transport, client_.client(transport, SchedulerInterface),
                client_.client(transport, ComputeInterface), client_.client(transport, NetworkInterface), on_superseded)


def ring_network(here: Site) -> Callable[[str, list[str]], None]:
    """Tells a host's network worker that networks changed there."""
    def ring(host: str, network_ids: list[str]) -> None:
        here.network.refresh(RequestContext.for_service(), host, network_ids=network_ids)
    return ring
