"""The auditor of one host's networks: folders, devices, namespaces, DHCP and its leases against the ports that are here."""
import os

from nova_lite.db import host_networks as db_host_networks
from nova_lite.network import naming
from nova_lite.network.worker import description, dhcp, namespace
from nova_lite.network.worker.bridge import device_names
from nova_lite.network.worker.settings import NetworkSettings


def audit(db, settings: NetworkSettings, host: str) -> list[dict]:
    """Findings on ``host``: dicts with ``kind``, ``what`` in words, and what they are about. Nothing with driver = none.

    Devices of networks that neither this database nor this host's folder knows may be another cloud's: they are not looked at.
    """
    if settings.driver == "none":
        return []
    with db.read() as tx:
        wanted, known = db_host_networks.networks_on(tx, host), db_host_networks.all_networks(tx)
    folders = set(os.listdir(settings.folder)) if os.path.isdir(settings.folder) else set()
    names, found = device_names(), []
    for network_id in sorted(wanted | known | folders):
        if network_id in wanted:
            found += _lacks(db, settings, host, network_id, names)
        else:
            found += _left(settings, network_id, names)
    return [{"kind": "network", "what": what, "network": network_id, "host": host} for network_id, what in found]


def _left(settings, network_id: str, names: set[str]) -> list[tuple[str, str]]:
    found = [f"device {name} is left, no port of the network is here" for name in (
        naming.bridge_name(network_id), naming.gateway_name(network_id), naming.tunnel_name(network_id)) if name in names]
    if namespace.identity(naming.namespace_name(network_id)) is not None:
        found.append(f"namespace {naming.namespace_name(network_id)} is left, no port of the network is here")
    if os.path.exists(settings.folder_of(network_id)):
        found.append("its folder is left, no port of the network is here")
    if dhcp.Dhcp(settings).pid(network_id) is not None:
        found.append("its dnsmasq runs, no port of the network is here")
    return [(network_id, what) for what in found]


def _lacks(db, settings, host: str, network_id: str, names: set[str]) -> list[tuple[str, str]]:
    found = [f"device {name} is missing" for name in (naming.bridge_name(network_id), naming.gateway_name(network_id)) if name not in names]
    if namespace.identity(naming.namespace_name(network_id)) is None:
        found.append(f"namespace {naming.namespace_name(network_id)} is missing")
    wanted = description.load(db, network_id, host)
    if wanted is not None and any(dhcp.is_served(subnet) for subnet in wanted.subnets):
        service = dhcp.Dhcp(settings)
        if service.pid(network_id) is None:
            found.append("its dnsmasq does not run")
        found += [f"the lease of {address} to {mac} is of no port here" for mac, address in service.stale(wanted)]
        if not service.is_told(wanted):
            found.append("dnsmasq does not know the ports that are here")
    return [(network_id, what) for what in found]
