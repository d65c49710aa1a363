"""What one host has to do for one network, read from the database into one value."""
import dataclasses
import ipaddress
import logging

from nova_lite import exception
from nova_lite.db import host_networks as db_host_networks
from nova_lite.network import ipam
from nova_lite.network.actions import server_ports

LOG = logging.getLogger(__name__)
METADATA_ADDRESS = "169.254.169.254"


@dataclasses.dataclass(frozen=True)
class SubnetHere:
    """``server``: the address that DHCP, DNS and the gateway have on this host, None where there is none."""

    id: str
    cidr: str
    version: int
    gateway: str | None
    server: str | None
    dhcp: bool
    dns: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    ipv6_mode: str | None = None

    @property
    def interface(self) -> str | None:
        """``server`` with the subnet's prefix length."""
        return f"{self.server}/{ipaddress.ip_network(self.cidr).prefixlen}" if self.server else None


@dataclasses.dataclass(frozen=True)
class Description:
    """``leases``: (mac, address, subnet id) of the ports bound to this host; ``plugged``: whether there is any; ``peers``: other hosts by name."""

    network_id: str
    mtu: int
    vni: int
    subnets: tuple[SubnetHere, ...]
    leases: tuple[tuple[str, str, str], ...]
    plugged: bool
    peers: dict[str, str]

    def interfaces(self) -> list[str]:
        """The addresses of the namespace, with prefix lengths."""
        own = [subnet.interface for subnet in self.subnets if subnet.interface]
        return own + ([f"{METADATA_ADDRESS}/32"] if any(subnet.version == 4 and subnet.server for subnet in self.subnets) else [])

    def tunnels(self, my_ip: str) -> list[str]:
        """The addresses that frames for the other hosts are sent to."""
        return sorted(set(self.peers.values()) - {my_ip})


def load(db, network_id: str, host: str) -> Description | None:
    """The network as ``host`` has to provide it; None when the network is gone."""
    with db.read() as tx:
        network, subnets = db_host_networks.describe(tx, network_id)
        if network is None:
            return None
        ports = db_host_networks.plugged(tx, network_id, host)
        peers = db_host_networks.peers(tx, network_id, host)
        bare = [subnet for subnet in subnets if subnet.gateway_ip is None and subnet.enable_dhcp]
        servers = db_host_networks.service_addresses(tx, network_id) if bare else {}
    for subnet in bare:
        if subnet.id not in servers:
            servers[subnet.id] = _give_service_address(db, network, subnet)
    return Description(
        network_id=network_id, mtu=network.mtu, vni=network.vni, plugged=bool(ports), peers=peers,
        subnets=tuple(SubnetHere(id=subnet.id, cidr=subnet.cidr, version=subnet.ip_version, gateway=subnet.gateway_ip,
                                 server=subnet.gateway_ip or servers.get(subnet.id), dhcp=subnet.enable_dhcp, dns=tuple(subnet.dns_nameservers),
                                 routes=tuple((route["destination"], route["nexthop"]) for route in subnet.host_routes),
                                 ipv6_mode=subnet.ipv6_address_mode) for subnet in subnets),
        leases=tuple((mac, address, subnet_id) for _, mac, address, subnet_id in ports if address))


def _give_service_address(db, network, subnet) -> str | None:
    """An address for DHCP on a subnet without a gateway: the same on all hosts, since each answers only its own guests."""
    try:
        with db.write() as tx:
            known = db_host_networks.service_addresses(tx, network.id)
            if subnet.id in known:
                return known[subnet.id]
            port_id = db_host_networks.make_service_port(tx, network, ipam.gateway_mac(network.id))
            return server_ports.claim_addresses(tx, {network.id: [network, subnet]}, [(port_id, network.id, [subnet])])[0][1]
    except exception.NoMoreAddresses:
        LOG.warning("no address is left for DHCP on subnet %s: it has none", subnet.id)
        return None
