"""SQL of ports as the Network API shows them: list, show, create, change, delete, and their addresses."""
import uuid
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import context as context_
from nova_lite import exception
from nova_lite.db import filtering
from nova_lite.db.models.network import Network, Port, PortAddress
from nova_lite.db.unless_taken import insert_unless_taken


def visible(ctx: context_.RequestContext):
    """The WHERE clause of the ports that the caller may see: their own and those on their networks."""
    if ctx.is_admin:
        return sa.true()
    own_networks = sa.select(Network.id).where(Network.project_id == ctx.project_id)
    return sa.or_(Port.project_id == ctx.project_id, Port.network_id.in_(own_networks))


def get_port(tx: orm.Session, ctx: context_.RequestContext, port_id: str) -> Port:
    """The port, if the caller may see it. Raises PortNotFound."""
    port = tx.scalar(sa.select(Port).where(Port.id == port_id, visible(ctx)))
    if port is None:
        raise exception.PortNotFound(port_id=port_id)
    return port


def list_ports(tx: orm.Session, ctx: context_.RequestContext, page: filtering.Page, *, fixed_ips: Iterable[tuple[str, list[str]]] = (),
               security_groups: Iterable[str] = ()) -> list[Port]:
    """The ports that the caller may see.

    ``fixed_ips``: ("ip_address" | "ip_address_substr" | "subnet_id", values): a port must have an address that fits each. ``security_groups``: ids.
    """
    conditions = [visible(ctx)]
    for kind, values in fixed_ips:
        column = PortAddress.subnet_id if kind == "subnet_id" else PortAddress.address
        fits = sa.or_(*[column.contains(value, autoescape=True) for value in values]) if kind.endswith("_substr") else column.in_(values)
        conditions.append(Port.id.in_(sa.select(PortAddress.port_id).where(fits)))
    groups = list(security_groups)
    if groups:
        text = sa.cast(sa.type_coerce(Port.security_groups, sa.Text), sa.Text)
        conditions.append(sa.or_(*[text.contains(f'"{group}"', autoescape=True) for group in groups]))
    return filtering.select_page(tx, Port, page, *conditions)


def requested_ports(tx: orm.Session, project_id: str, ids: Iterable[str]) -> dict[str, tuple[Port, bool]]:
    """{port id: (Port, whether it has an address)} of those asked for that are the project's."""
    has_address = sa.exists().where(PortAddress.port_id == Port.id)
    query = sa.select(Port, has_address).where(Port.id.in_(set(ids)), Port.project_id == project_id)
    return {port.id: (port, addressed) for port, addressed in tx.execute(query)}


def addresses_of(tx: orm.Session, port_ids: Iterable[str]) -> dict[str, list[dict]]:
    """{port id: [{"subnet_id", "ip_address"}]}."""
    found: dict[str, list[dict]] = {}
    query = sa.select(PortAddress).where(PortAddress.port_id.in_(list(port_ids))).order_by(PortAddress.port_id, PortAddress.address)
    for row in tx.scalars(query):
        found.setdefault(row.port_id, []).append({"subnet_id": row.subnet_id, "ip_address": row.address})
    return found


def create_port(tx: orm.Session, values: dict) -> Port | None:
    """Write a port without addresses. None: its MAC is taken on the network."""
    row = {"id": str(uuid.uuid4()), **values}
    if not insert_unless_taken(tx, Port, [row]):
        return None
    return tx.get(Port, row["id"])


def update_port(tx: orm.Session, port: Port, values: dict) -> None:
    """Change columns and count the revision."""
    for name, value in values.items():
        setattr(port, name, value)
    port.revision += 1
    tx.flush()


def mac_taken(tx: orm.Session, network_id: str, mac: str) -> bool:
    """Whether a port of the network has the MAC."""
    return tx.scalar(sa.select(Port.id).where(Port.network_id == network_id, Port.mac == mac)) is not None


def remove_addresses(tx: orm.Session, port_id: str, addresses: Iterable[str]) -> None:
    """Take addresses from a port."""
    tx.execute(sa.delete(PortAddress).where(PortAddress.port_id == port_id, PortAddress.address.in_(list(addresses))))


def delete_port(tx: orm.Session, port_id: str) -> None:
    """Remove the port and its addresses."""
    tx.execute(sa.delete(Port).where(Port.id == port_id))


def in_use(tx: orm.Session, network_id: str) -> str | None:
    """The id of a port on the network that is not the network room's own."""
    return tx.scalar(sa.select(Port.id).where(Port.network_id == network_id, ~Port.device_owner.like("network:%")).limit(1))


def in_use_on_subnet(tx: orm.Session, subnet_id: str) -> str | None:
    """The id of a port with an address on the subnet that is not the network room's own."""
    query = sa.select(Port.id).join(PortAddress, PortAddress.port_id == Port.id)
    return tx.scalar(query.where(PortAddress.subnet_id == subnet_id, ~Port.device_owner.like("network:%")).limit(1))


def addresses_on_subnet(tx: orm.Session, subnet_id: str) -> list[str]:
    """Every address in use on the subnet."""
    return list(tx.scalars(sa.select(PortAddress.address).where(PortAddress.subnet_id == subnet_id)))
