"""SQL of the ports that servers have. A port is a server's when ``request_index`` says so: ``device_id`` alone may be any user's text."""
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import exception
from nova_lite.db.models.network import Network, Port, PortAddress, Subnet
from nova_lite.db.unless_taken import insert_unless_taken

UNPLUGGED = {"device_id": "", "device_owner": "", "host": None, "request_index": None, "tag": None, "status": "DOWN"}


def _of(server_id: str):
    return sa.and_(Port.device_id == server_id, Port.request_index.is_not(None))


def plan(tx: orm.Session, server_id: str, network_ids: Iterable[str]) -> tuple[dict[str, list], set[int]]:
    """({network id: [Network, its Subnets...]}, which NICs (``request_index``) the server has already), in one statement."""
    query = (sa.select(Network, Subnet, Port.request_index)
             .outerjoin(Subnet, Subnet.network_id == Network.id)
             .outerjoin(Port, sa.and_(Port.network_id == Network.id, _of(server_id)))
             .where(Network.id.in_(set(network_ids))).order_by(Subnet.created_at, Subnet.id))
    networks: dict[str, list] = {}
    present: set[int] = set()
    for network, subnet, index in tx.execute(query):
        known = networks.setdefault(network.id, [network])
        if subnet is not None and subnet not in known:
            known.append(subnet)
        if index is not None:
            present.add(index)
    return networks, present


def move_to_host(tx: orm.Session, server_id: str, host: str | None) -> list[str]:
    """Bind every port of the server to ``host`` (None: nowhere). Returns the ids of the networks."""
    ids = list(tx.scalars(sa.select(Port.network_id).where(_of(server_id)).distinct()))
    if ids:
        values = {"host": host, "status": "ACTIVE" if host else "DOWN"}
        tx.execute(sa.update(Port).where(_of(server_id)).values(values).execution_options(synchronize_session=False))
    return ids


def take_port(tx: orm.Session, port_id: str, server_id: str, values: dict) -> bool:
    """Give a port that the user made to a server. False: it is gone, or in use."""
    free = sa.and_(Port.id == port_id, Port.device_id == "")
    statement = sa.update(Port).where(free).values(device_id=server_id, revision=Port.revision + 1, **values)
    return tx.execute(statement.execution_options(synchronize_session=False)).rowcount == 1


def insert_ports(tx: orm.Session, rows: list[dict]) -> int:
    """Write new ports; returns how many were free to make (MAC, server's NIC). Raises DatabaseDeadlock when a network was just deleted."""
    try:
        return insert_unless_taken(tx, Port, rows)
    except sa.exc.IntegrityError as error:
        raise exception.DatabaseDeadlock() from error


def present(tx: orm.Session, port_ids: Iterable[str]) -> set[str]:
    """Those of the ports that exist."""
    return set(tx.scalars(sa.select(Port.id).where(Port.id.in_(list(port_ids)))))


def insert_addresses(tx: orm.Session, rows: list[dict]) -> int:
    """Write addresses; returns how many were free. Raises DatabaseDeadlock when a subnet was just deleted."""
    try:
        return insert_unless_taken(tx, PortAddress, rows)
    except sa.exc.IntegrityError as error:
        raise exception.DatabaseDeadlock() from error


def taken_addresses(tx: orm.Session, network_ids: Iterable[str]) -> list[tuple[str, str, str]]:
    """(network id, address, port id) of every address in use on the networks."""
    query = sa.select(PortAddress.network_id, PortAddress.address, PortAddress.port_id).where(PortAddress.network_id.in_(set(network_ids)))
    return [tuple(row) for row in tx.execute(query)]


def next_index(tx: orm.Session, server_id: str) -> int:
    """The place of the server's next NIC."""
    last = tx.scalar(sa.select(sa.func.max(Port.request_index)).where(_of(server_id)))
    return 0 if last is None else last + 1


def release(tx: orm.Session, server_id: str, port_id: str | None = None) -> list[str]:
    """Delete the ports (or only ``port_id``) that came with the server, free the others; the ids of the networks they were on."""
    mine = _of(server_id) if port_id is None else sa.and_(_of(server_id), Port.id == port_id)
    rows = tx.execute(sa.select(Port.network_id, Port.server_made).where(mine)).all()
    if any(made for _, made in rows):
        tx.execute(sa.delete(Port).where(mine, Port.server_made).execution_options(synchronize_session=False))
    if any(not made for _, made in rows):
        tx.execute(sa.update(Port).where(mine).values({**UNPLUGGED, "revision": Port.revision + 1})
                   .execution_options(synchronize_session=False))
    return sorted({network_id for network_id, _ in rows})


def held(tx: orm.Session, server_id: str) -> list[Port]:
    """The server's ports in NIC order, held against others' changes until the end of this transaction."""
    query = sa.select(Port).where(_of(server_id)).order_by(Port.request_index).with_for_update()
    return list(tx.scalars(query.execution_options(populate_existing=True)))


def plugs(tx: orm.Session, server_id: str) -> list[tuple[Port, Network, PortAddress | None, Subnet | None]]:
    """One row an address (or a port without) of the server, in NIC order; everything a guest must be told."""
    query = (sa.select(Port, Network, PortAddress, Subnet).join(Network, Network.id == Port.network_id)
             .outerjoin(PortAddress, PortAddress.port_id == Port.id).outerjoin(Subnet, Subnet.id == PortAddress.subnet_id)
             .where(_of(server_id)).order_by(Port.request_index, Subnet.ip_version, PortAddress.address)
             .execution_options(populate_existing=True))
    return [tuple(row) for row in tx.execute(query)]


# Built once: every request that shows servers runs it.
_ADDRESSES = (sa.select(Port.device_id, Network.name, PortAddress.address, Port.mac, Port.id, Port.security_groups)
              .join(Network, Network.id == Port.network_id).join(PortAddress, PortAddress.port_id == Port.id)
              .where(Port.device_id.in_(sa.bindparam("server_ids", expanding=True)), Port.request_index.is_not(None))
              .order_by(Port.request_index, PortAddress.address))


def address_rows(tx: orm.Session, server_ids: Sequence[str]) -> list[tuple]:
    """(server id, network name, address, mac, port id, security group ids) of all addresses of the servers, in NIC order."""
    return [tuple(row) for row in tx.execute(_ADDRESSES, {"server_ids": list(server_ids)})]


def server_of_address(tx: orm.Session, network_id: str, address: str) -> str | None:
    """The server that has the address on the network."""
    query = (sa.select(Port.device_id).join(PortAddress, PortAddress.port_id == Port.id)
             .where(PortAddress.network_id == network_id, PortAddress.address == address, Port.request_index.is_not(None)))
    return tx.scalar(query)


def servers_with_address(tx: orm.Session, pattern: str, version: int) -> list[str]:
    """Ids of servers with an address that the SQL LIKE ``pattern`` fits; ``version`` 4 or 6."""
    colon = PortAddress.address.like("%:%")
    query = (sa.select(Port.device_id).join(PortAddress, PortAddress.port_id == Port.id).distinct()
             .where(PortAddress.address.like(pattern), colon if version == 6 else ~colon, Port.request_index.is_not(None)))
    return list(tx.scalars(query))
