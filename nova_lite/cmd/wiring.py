"""The composition root: options in, daemons out. Nothing else reads options or makes clients."""
import dataclasses
import os
from collections.abc import Callable

from nova_lite import config, exception, log
from nova_lite.compute.actions.deps import Deps as ComputeDeps
from nova_lite.context import RequestContext
from nova_lite.db.engine import Database
from nova_lite.interfaces.compute import ComputeInterface
from nova_lite.interfaces.network import NetworkInterface
from nova_lite.interfaces.scheduler import SchedulerInterface
from nova_lite.network.actions.deps import Deps as NetworkDeps
from nova_lite.rpc import client as client_
from nova_lite.rpc import transport as transport_

LOG = log.get(__name__)
VXLAN_OVERHEAD = 50
"""Bytes that a tunnel over IPv4 takes of each frame."""


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


def quota_defaults(conf: config.ConfigOpts) -> dict[str, int]:
    """Resource → default limit."""
    return {name: conf.quota[name] for name in conf.quota}


def compute_deps(here: Site) -> ComputeDeps:
    """What the Compute API's handlers get."""
    conf = here.conf
    return ComputeDeps(here.db, here.scheduler, here.compute, here.network, quota_defaults(conf),
                       default_availability_zone=conf.compute.default_availability_zone, default_schedule_zone=conf.compute.default_schedule_zone,
                       service_down_time=conf.service.down_time, max_limit=conf.api.max_limit,
                       reclaim_interval=conf.compute.reclaim_interval, allow_resize_to_same_host=conf.compute.allow_resize_to_same_host)


def ring_network(here: Site) -> Callable[[str, list[str]], None]:
    """Tells a host's network worker that networks changed there."""
    def ring(host: str, network_ids: list[str]) -> None:
        here.network.refresh(RequestContext.for_service(), host, network_ids=network_ids)
    return ring


def network_deps(here: Site) -> NetworkDeps:
    """What the Network API's handlers get."""
    return NetworkDeps(here.db, ring_network(here), quota_defaults(here.conf), mtu=here.conf.network.mtu - VXLAN_OVERHEAD,
                       max_limit=here.conf.api.max_limit)


def make_policy(conf: config.ConfigOpts):
    """The policies with the operator's overrides; the file is looked for beside the configuration files and in /etc/nova_lite."""
    # Imported here: only APIs ask policies, and their library costs the other daemons some MB.
    from nova_lite import policy

    folders = [os.path.dirname(os.path.abspath(path)) for path in conf.config_file or ()]
    for folder in [*folders, "/etc/nova_lite"]:
        path = os.path.join(folder, conf.api.policy_file)
        if os.path.exists(path):
            return policy.Policy(path)
    return policy.Policy()


def keystone_options(conf: config.ConfigOpts) -> dict:
    """The section ``[keystone_authtoken]`` of the configuration files as plain values, for keystonemiddleware."""
    found = config.section(conf, "keystone_authtoken")
    if not found:
        raise exception.ConfigurationError(reason="api.auth_strategy = keystone needs a section [keystone_authtoken] in the configuration file")
    return found
