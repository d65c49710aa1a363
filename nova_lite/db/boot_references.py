"""What a request for servers refers to (flavor, image, key pair, networks), read in one statement: ``compute.actions.references`` judges it."""
import dataclasses
from collections.abc import Iterable

import orjson
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext import compiler

from nova_lite import context as context_
from nova_lite.db import flavors, images, networks
from nova_lite.db.models.compute import Flavor, KeyPair
from nova_lite.db.models.image import Image, ImageProperty
from nova_lite.db.models.network import Network, Subnet


@dataclasses.dataclass(frozen=True)
class References:
    """What there is of it and the caller may use; None, or missing among ``networks`` ({id: [Network, its Subnets...]}), where not."""

    flavor: Flavor | None
    image: images.Record | None
    public_key: str | None
    networks: dict[str, list]


class _json_object(sa.sql.functions.FunctionElement):  # noqa: N801 - reads as a function in statements
    """Names and values of many rows as the text of one JSON object."""

    type = sa.Text()
    inherit_cache = True


@compiler.compiles(_json_object, "sqlite")
def _sqlite(element, compiler, **options):
    return f"json_group_object({compiler.process(element.clauses, **options)})"


@compiler.compiles(_json_object, "postgresql")
def _postgresql(element, compiler, **options):
    return f"CAST(json_object_agg({compiler.process(element.clauses, **options)}) AS TEXT)"


@compiler.compiles(_json_object, "mysql")
@compiler.compiles(_json_object, "mariadb")
def _mysql(element, compiler, **options):
    return f"JSON_OBJECTAGG({compiler.process(element.clauses, **options)})"


def read(tx: orm.Session, ctx: context_.RequestContext, flavorid: str, image_id: str | None, key_name: str | None,
         network_ids: Iterable[str]) -> References:
    """All of it, as ``ctx`` sees it; without the flavor nothing. One row a subnet."""
    properties = sa.select(_json_object(ImageProperty.name, ImageProperty.value)).where(ImageProperty.image_id == Image.id).correlate(Image)
    public_key = sa.select(KeyPair.public_key).where(KeyPair.user_id == ctx.user_id, KeyPair.name == key_name)
    viewer = images.Viewer(ctx.project_id, ctx.is_admin)
    query = (
        sa.select(Flavor, Image, properties.scalar_subquery(), public_key.scalar_subquery(), Network, Subnet).select_from(Flavor)
        .outerjoin(Image, sa.and_(Image.id == image_id, Image.deleted_at.is_(None), images.visible(viewer)))
        .outerjoin(Network, sa.and_(Network.id.in_(list(network_ids)), networks.visible(ctx)))
        .outerjoin(Subnet, Subnet.network_id == Network.id)
        .where(Flavor.flavorid == flavorid, flavors.usable(ctx)).order_by(Subnet.created_at, Subnet.id))
    rows = tx.execute(query).all()
    if not rows:
        return References(None, None, None, {})
    flavor, image, text, key, _network, _subnet = rows[0]
    found: dict[str, list] = {}
    for *_, network, subnet in rows:
        if network is not None:
            found.setdefault(network.id, [network]).extend([subnet] if subnet is not None else [])
    record = images.Record(image, orjson.loads(text or "{}"), []) if image is not None else None
    return References(flavor, record, key, found)
