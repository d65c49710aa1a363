"""Flavors, who may use them, and their extra specs."""
import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import context as context_
from nova_lite import exception
from nova_lite.db import engine
from nova_lite.db.models.compute import Flavor, FlavorAccess

COPIED = ("id", "flavorid", "name", "memory_mb", "vcpus", "root_gb", "ephemeral_gb", "swap", "rxtx_factor", "is_public", "disabled", "description",
          "extra_specs")


def snapshot(flavor: Flavor) -> dict:
    """The flavor as plain values: the copy that a server keeps."""
    return {name: getattr(flavor, name) for name in COPIED}


def _shared_with(project_id: str | None):
    return sa.exists().where(FlavorAccess.flavor_id == Flavor.id, FlavorAccess.project_id == project_id)


def usable(ctx: context_.RequestContext):
    """The WHERE clause of the flavors that the caller may use."""
    return sa.true() if ctx.is_admin else sa.or_(Flavor.is_public.is_(True), _shared_with(ctx.project_id))


def get(tx: orm.Session, ctx: context_.RequestContext, flavorid: str) -> Flavor:
    """A flavor that the caller may use. Raises FlavorNotFound."""
    flavor = tx.scalar(sa.select(Flavor).where(Flavor.flavorid == flavorid, usable(ctx)))
    if flavor is None:
        raise exception.FlavorNotFound(flavor_id=flavorid)
    return flavor


def get_locked(tx: orm.Session, flavorid: str) -> Flavor:
    """A flavor of any project, locked until the transaction ends. Raises FlavorNotFound."""
    flavor = tx.scalar(sa.select(Flavor).where(Flavor.flavorid == flavorid).with_for_update())
    if flavor is None:
        raise exception.FlavorNotFound(flavor_id=flavorid)
    return flavor


def find(tx: orm.Session, ctx: context_.RequestContext, *, is_public: bool | None = True, enabled_only: bool = False, min_ram: int | None = None,
         min_disk: int | None = None, sort_key: str = "flavorid", descending: bool = False, limit: int | None = None,
         marker: str | None = None) -> list[Flavor]:
    """Flavors that fit, NULLs last. ``is_public`` True adds those shared with the caller's project, None takes all.

    ``marker``: the flavorid of the last one seen. Raises Invalid where no such flavor exists.
    """
    query = sa.select(Flavor)
    if is_public is not None:
        shared = _shared_with(ctx.project_id) if is_public and ctx.project_id is not None else sa.false()
        query = query.where(sa.or_(Flavor.is_public.is_(is_public), shared))
    if enabled_only:
        query = query.where(Flavor.disabled.is_(False))
    if min_ram is not None:
        query = query.where(Flavor.memory_mb >= min_ram)
    if min_disk is not None:
        query = query.where(Flavor.root_gb >= min_disk)
    column = getattr(Flavor, sort_key)
    if marker is not None:
        last = tx.scalar(sa.select(Flavor).where(Flavor.flavorid == marker))
        if last is None:
            raise exception.Invalid(f"marker [{marker}] not found")
        query = query.where(_after(column, last, descending))
    order = (column.is_(None), column.desc(), Flavor.id.desc()) if descending else (column.is_(None), column, Flavor.id)
    return list(tx.scalars(query.order_by(*order).limit(limit)))


def _after(column, last: Flavor, descending: bool):
    further_id = Flavor.id < last.id if descending else Flavor.id > last.id
    if getattr(last, column.key) is None:
        return sa.and_(column.is_(None), further_id)
    # The database compares its own value: on MariaDB a float is not what it reads as.
    there = orm.aliased(Flavor)
    value = sa.select(getattr(there, column.key)).where(there.id == last.id).scalar_subquery()
    further = column < value if descending else column > value
    return sa.or_(column.is_(None), further, sa.and_(column == value, further_id))


def add(tx: orm.Session, flavor: Flavor) -> None:
    """Store a new flavor. Raises Conflict when its name or its id is taken."""
    taken = tx.scalar(sa.select(Flavor.flavorid).where(sa.or_(Flavor.flavorid == flavor.flavorid, Flavor.name == flavor.name)))
    if taken is not None:
        raise _taken(flavor, by_id=taken == flavor.flavorid)
    tx.add(flavor)
    try:
        tx.flush()
    except sa.exc.IntegrityError as error:
        if not engine.is_duplicate(error):
            raise
        raise _taken(flavor, by_id="flavorid" in str(error.orig)) from error


def _taken(flavor: Flavor, by_id: bool) -> exception.Conflict:
    if by_id:
        return exception.Conflict(f"Flavor with ID {flavor.flavorid} already exists.")
    return exception.Conflict(f"Flavor with name {flavor.name} already exists.")


def delete(tx: orm.Session, flavorid: str) -> None:
    """Delete a flavor and who may use it. Raises FlavorNotFound."""
    tx.execute(sa.delete(FlavorAccess).where(FlavorAccess.flavor_id.in_(sa.select(Flavor.id).where(Flavor.flavorid == flavorid))))
    if tx.execute(sa.delete(Flavor).where(Flavor.flavorid == flavorid)).rowcount == 0:
        raise exception.FlavorNotFound(flavor_id=flavorid)


def list_access(tx: orm.Session, flavor: Flavor) -> list[str]:
    """Ids of the projects that may use a flavor that is not public."""
    return list(tx.scalars(sa.select(FlavorAccess.project_id).where(FlavorAccess.flavor_id == flavor.id).order_by(FlavorAccess.project_id)))


def add_access(tx: orm.Session, flavor: Flavor, project_id: str) -> None:
    """Let a project use the flavor. Raises Conflict when it may already."""
    found = tx.get(FlavorAccess, (flavor.id, project_id))
    try:
        if found is None:
            tx.add(FlavorAccess(flavor_id=flavor.id, project_id=project_id))
            tx.flush()
            return
    except sa.exc.IntegrityError as error:
        if not engine.is_duplicate(error):
            raise
    raise exception.Conflict(f"Flavor access already exists for flavor {flavor.flavorid} and project {project_id} combination.")


def remove_access(tx: orm.Session, flavor: Flavor, project_id: str) -> None:
    """No longer let a project use the flavor. Raises NotFound when it may not."""
    gone = tx.execute(sa.delete(FlavorAccess).where(FlavorAccess.flavor_id == flavor.id, FlavorAccess.project_id == project_id))
    if gone.rowcount == 0:
        raise exception.NotFound(f"Flavor access not found for {flavor.flavorid} / {project_id} combination.")
