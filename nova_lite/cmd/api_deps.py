"""What the APIs need of options and policies. Apart from the wiring, since their libraries cost the other daemons some MB."""
import os

from nova_lite import config, exception, policy
from nova_lite.cmd.wiring import Site, ring_network
from nova_lite.compute.actions.deps import Deps as ComputeDeps
from nova_lite.network.actions.deps import Deps as NetworkDeps
from nova_lite.pci import aliases

VXLAN_OVERHEAD = 50
"""Bytes that a tunnel over IPv4 takes of each frame."""


def quota_defaults(conf: config.ConfigOpts) -> dict[str, int]:
    """Resource → default limit."""
    return {name: conf.quota[name] for name in conf.quota}


def compute_deps(here: Site) -> ComputeDeps:
    """What the Compute API's handlers get."""
    conf = here.conf
    return ComputeDeps(here.db, here.scheduler, here.compute, here.network, quota_defaults(conf),
                       default_availability_zone=conf.compute.default_availability_zone, default_schedule_zone=conf.compute.default_schedule_zone,
                       service_down_time=conf.service.down_time, max_limit=conf.api.max_limit,
                       reclaim_interval=conf.compute.reclaim_interval, allow_resize_to_same_host=conf.compute.allow_resize_to_same_host,
                       pci_aliases=aliases.read(conf.pci.alias))


def network_deps(here: Site) -> NetworkDeps:
    """What the Network API's handlers get."""
    return NetworkDeps(here.db, ring_network(here), quota_defaults(here.conf), mtu=here.conf.network.mtu - VXLAN_OVERHEAD,
                       max_limit=here.conf.api.max_limit)


def make_policy(conf: config.ConfigOpts) -> policy.Policy:
    """The policies with the operator's overrides; the file is looked for beside the configuration files and in /etc/nova_lite."""
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
