"""SQL of networks and their subnets. Who may see a network: its project, everybody where it is shared or external, admins all."""
import random
import uuid

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import context as context_
from nova_lite import exception
from nova_lite.db import filtering
from nova_lite.db.models import network as models
from nova_lite.db.unless_taken import insert_unless_taken

VNIS = (1, (1 << 24) - 1)
VNI_TRIES = 64


def visible(ctx: context_.RequestContext):
    """The WHERE clause of the networks that the caller may see."""
    if ctx.is_admin:
        return sa.true()
    return sa.or_(models.Network.project_id == ctx.project_id, models.Network.shared, models.Network.external)


def visible_subnet(ctx: context_.RequestContext):
    """The WHERE clause of the subnets that the caller may see: their own and those of shared networks."""
    if ctx.is_admin:
        return sa.true()
    shared = sa.select(models.Network.id).where(models.Network.shared)
    return sa.or_(models.Subnet.project_id == ctx.project_id, models.Subnet.network_id.in_(shared))


def create_network(tx: orm.Session, values: dict) -> models.Network | None:
    """Write a network; a segment number (``vni``) is drawn where none is given.

    Returns None when the id or the segment number asked for is taken.
    """
    values = {"id": str(uuid.uuid4()), **values}
    asked = values.get("vni")
    for _ in range(1 if asked else VNI_TRIES):
        row = {**values, "vni": asked or random.SystemRandom().randint(*VNIS)}
        if insert_unless_taken(tx, models.Network, [row]):
            return tx.get(models.Network, values["id"])
        if tx.get(models.Network, values["id"]) is not None:
            return None
    return None


def get_network(tx: orm.Session, ctx: context_.RequestContext, network_id: str) -> models.Network:
    """The network, if the caller may see it. Raises NetworkNotFound."""
    network = tx.scalar(sa.select(models.Network).where(models.Network.id == network_id, visible(ctx)))
    if network is None:
        raise exception.NetworkNotFound(network_id=network_id)
    return network


def list_networks(tx: orm.Session, ctx: context_.RequestContext, page: filtering.Page) -> list[models.Network]:
    """The networks that the caller may see."""
    return filtering.select_page(tx, models.Network, page, visible(ctx))


def usable_networks(tx: orm.Session, project_id: str, limit: int = 2) -> list[tuple[str, bool]]:
    """(id, whether it has a subnet) of networks that a server gets without asking: the project's own and shared ones."""
    has_subnet = sa.exists().where(models.Subnet.network_id == models.Network.id)
    own = sa.or_(models.Network.project_id == project_id, models.Network.shared)
    return [tuple(row) for row in tx.execute(sa.select(models.Network.id, has_subnet).where(own).limit(limit))]


def requested_networks(tx: orm.Session, ctx: context_.RequestContext, ids: set[str]) -> dict[str, list]:
    """{network id: [Network, its Subnets...]} of those asked for that the caller may see."""
    found: dict[str, list] = {}
    query = sa.select(models.Network, models.Subnet).outerjoin(models.Subnet, models.Subnet.network_id == models.Network.id)
    for network, subnet in tx.execute(query.where(models.Network.id.in_(ids), visible(ctx)).order_by(models.Subnet.created_at, models.Subnet.id)):
        found.setdefault(network.id, [network]).extend([subnet] if subnet is not None else [])
    return found


def update_network(tx: orm.Session, network: models.Network, values: dict) -> None:
    """Change columns and count the revision."""
    _update(tx, network, values)


def lock_network(tx: orm.Session, network_id: str) -> bool:
    """Hold the network until the end of the transaction, so that its subnets change one at a time. False: it is gone."""
    changed = sa.update(models.Network).where(models.Network.id == network_id).values(revision=models.Network.revision + 1)
    return tx.execute(changed.execution_options(synchronize_session=False)).rowcount == 1


def delete_network(tx: orm.Session, network_id: str) -> bool:
    """Remove the network with its subnets, and ports that are the network room's own (``network:...``). False: a port came meanwhile."""
    own = sa.and_(models.Port.network_id == network_id, models.Port.device_owner.like("network:%"))
    try:
        tx.execute(sa.delete(models.Port).where(own))
        tx.execute(sa.delete(models.Subnet).where(models.Subnet.network_id == network_id))
        tx.execute(sa.delete(models.Network).where(models.Network.id == network_id))
    except sa.exc.IntegrityError:
        return False
    return True


def used_by_others(tx: orm.Session, network: models.Network) -> bool:
    """Whether another project has a port on the network."""
    others = sa.select(models.Port.id).where(models.Port.network_id == network.id, models.Port.project_id != network.project_id)
    return tx.scalar(others.limit(1)) is not None


def create_subnet(tx: orm.Session, values: dict) -> models.Subnet:
    """Write a subnet; the caller has checked it and holds the network's lock."""
    subnet = models.Subnet(**{"id": str(uuid.uuid4()), **values})
    tx.add(subnet)
    tx.flush()
    return subnet


def get_subnet(tx: orm.Session, ctx: context_.RequestContext, subnet_id: str) -> models.Subnet:
    """The subnet, if the caller may see it. Raises SubnetNotFound."""
    subnet = tx.scalar(sa.select(models.Subnet).where(models.Subnet.id == subnet_id, visible_subnet(ctx)))
    if subnet is None:
        raise exception.SubnetNotFound(subnet_id=subnet_id)
    return subnet


def list_subnets(tx: orm.Session, ctx: context_.RequestContext, page: filtering.Page) -> list[models.Subnet]:
    """The subnets that the caller may see."""
    return filtering.select_page(tx, models.Subnet, page, visible_subnet(ctx))


def subnets_of(tx: orm.Session, network_ids) -> dict[str, list[models.Subnet]]:
    """{network id: its subnets in order of creation}; networks without are left out."""
    found: dict[str, list[models.Subnet]] = {}
    query = sa.select(models.Subnet).where(models.Subnet.network_id.in_(list(network_ids)))
    for subnet in tx.scalars(query.order_by(models.Subnet.created_at, models.Subnet.id)):
        found.setdefault(subnet.network_id, []).append(subnet)
    return found


def update_subnet(tx: orm.Session, subnet: models.Subnet, values: dict) -> None:
    """Change columns and count the revision."""
    _update(tx, subnet, values)


def delete_subnet(tx: orm.Session, subnet_id: str) -> bool:
    """Remove the subnet and the addresses that the network room itself holds on it. False: a port got an address meanwhile."""
    own = sa.select(models.Port.id).where(models.Port.device_owner.like("network:%"))
    try:
        tx.execute(sa.delete(models.PortAddress).where(models.PortAddress.subnet_id == subnet_id, models.PortAddress.port_id.in_(own)))
        tx.execute(sa.delete(models.Subnet).where(models.Subnet.id == subnet_id))
    except sa.exc.IntegrityError:
        return False
    return True


def count(tx: orm.Session, model, project_id: str) -> int:
    """How many rows of ``model`` (any of this room's tables with an owner) the project has."""
    return tx.scalar(sa.select(sa.func.count()).select_from(model).where(model.project_id == project_id))


def _update(tx: orm.Session, row, values: dict) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.revision += 1
    tx.flush()
