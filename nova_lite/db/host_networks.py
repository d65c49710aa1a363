"""SQL of the network worker: what one host needs of a network, which networks a host has, and the host-independent DHCP port."""
import uuid

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite.db.models.compute import Host
from nova_lite.db.models.moves import Move
from nova_lite.db.models.network import Network, Port, PortAddress, Subnet
from nova_lite.db.unless_taken import insert_unless_taken

DHCP_OWNER = "network:dhcp"


def _here(host: str):
    """Ports bound to the host, and those of servers that are on their way to it: a guest must find its network when it comes."""
    coming = sa.select(Move.server_id).where(Move.dest_host == host, Move.open.is_(True))
    return sa.or_(Port.host == host, sa.and_(Port.device_id.in_(coming), Port.request_index.is_not(None)))


def describe(tx: orm.Session, network_id: str) -> tuple[Network | None, list[Subnet]]:
    """The network with its subnets in order of creation; (None, []) when it is gone."""
    query = sa.select(Network, Subnet).outerjoin(Subnet, Subnet.network_id == Network.id).where(Network.id == network_id)
    rows = tx.execute(query.order_by(Subnet.created_at, Subnet.id)).all()
    return (rows[0][0] if rows else None), [subnet for _, subnet in rows if subnet is not None]


def plugged(tx: orm.Session, network_id: str, host: str) -> list[tuple[str, str, str | None, str | None]]:
    """(port id, mac, address, subnet id) of the network's ports on the host; ports without address once, with None."""
    query = (sa.select(Port.id, Port.mac, PortAddress.address, PortAddress.subnet_id)
             .outerjoin(PortAddress, PortAddress.port_id == Port.id)
             .where(_here(host), Port.network_id == network_id).order_by(Port.id, PortAddress.address))
    return [tuple(row) for row in tx.execute(query)]


def peers(tx: orm.Session, network_id: str, host: str) -> dict[str, str]:
    """{name: address} of the other hosts that have ports on the network, or are about to."""
    bound = sa.select(Host.name, Host.host_ip).join(Port, Port.host == Host.name).where(Port.network_id == network_id, Port.host != host)
    coming = (sa.select(Host.name, Host.host_ip).join(Move, Move.dest_host == Host.name).join(Port, Port.device_id == Move.server_id)
              .where(Port.network_id == network_id, Port.request_index.is_not(None), Move.open.is_(True), Move.dest_host != host))
    return {row.name: row.host_ip for row in tx.execute(bound.union(coming))}


def networks_on(tx: orm.Session, host: str) -> set[str]:
    """Ids of the networks that have ports on the host."""
    return set(tx.scalars(sa.select(Port.network_id).where(_here(host)).distinct()))


def all_networks(tx: orm.Session) -> set[str]:
    """Ids of all networks."""
    return set(tx.scalars(sa.select(Network.id)))


def hosts_of(tx: orm.Session, network_id: str) -> list[str]:
    """Names of the hosts that have ports on the network: who must hear of its changes."""
    return list(tx.scalars(sa.select(Port.host).where(Port.network_id == network_id, Port.host.is_not(None)).distinct()))


def service_addresses(tx: orm.Session, network_id: str) -> dict[str, str]:
    """{subnet id: address} that DHCP has on subnets without a gateway."""
    query = (sa.select(PortAddress.subnet_id, PortAddress.address).join(Port, Port.id == PortAddress.port_id)
             .where(Port.network_id == network_id, Port.device_owner == DHCP_OWNER))
    return {row.subnet_id: row.address for row in tx.execute(query)}


def service_port_id(network_id: str) -> str:
    """The id of the network's DHCP port: it follows from the network's, so that two hosts that make it make the same one."""
    return str(uuid.uuid5(uuid.UUID(network_id), "dhcp"))


def make_service_port(tx: orm.Session, network: Network, mac: str) -> str:
    """The network's DHCP port, made where it is missing; its id."""
    port_id = service_port_id(network.id)
    insert_unless_taken(tx, Port, [{"id": port_id, "network_id": network.id, "project_id": network.project_id, "mac": mac, "status": "ACTIVE",
                                    "device_id": f"dhcp-{network.id}", "device_owner": DHCP_OWNER}])
    return port_id
