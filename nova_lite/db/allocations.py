"""Claims on hosts: room taken by compare-and-set and given back, so that a host's used columns always equal the sum of its allocations.

Every change of usage goes through here and ``db.claims``; ``audit`` recomputes the sums independently. Many of them may share a transaction.
Called by the compute worker (release, note_failure), moves and ``nova-lite-manage``.
"""
import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import clock, exception
from nova_lite.db import extras as extras_
from nova_lite.db.extras import Wish
from nova_lite.db.models.compute import Allocation, Host
from nova_lite.db.now import now

RESOURCES = ("vcpus", "memory_mb", "disk_gb")
CAPACITY = (*RESOURCES, *(f"{name}_{kind}" for name in RESOURCES for kind in ("used", "reserved")), "vcpu_ratio", "memory_ratio", "disk_ratio")
"""The columns of a host that ``fit`` reads."""


def fit(host, amounts, servers) -> list:
    """Conditions under which a host's row has room for ``servers`` times these amounts: used + amount <= (total - reserved) * ratio for each.

    ``host`` and ``amounts``: columns or values by name.
    """
    ratios = {"vcpus": host["vcpu_ratio"], "memory_mb": host["memory_ratio"], "disk_gb": host["disk_ratio"]}
    return [host[f"{name}_used"] + amounts[name] * servers <= (host[name] - host[f"{name}_reserved"]) * ratios[name] for name in RESOURCES]


def take(tx: orm.Session, host_id: int, vcpus: int, memory_mb: int, disk_gb: int, servers: int = 1) -> bool:
    """Raise a host's usage for ``servers`` servers of this size each, if all of it fits; False changes nothing.

    Fits: used + amount <= (total - reserved) * ratio for each resource, and no single server is larger than what the host has.
    """
    return tx.execute(_TAKE, {"v": vcpus, "m": memory_mb, "d": disk_gb, "n": servers, "host": host_id}).rowcount == 1


def usage(tx: orm.Session, host_id: int, vcpus: int, memory_mb: int, disk_gb: int, servers: int) -> None:
    """Change a host's usage by ``servers`` servers of this size, whether it fits or not; below 0 gives back."""
    tx.execute(_USE, {"v": vcpus, "m": memory_mb, "d": disk_gb, "n": servers, "host": host_id})


_HOSTS = Host.__table__
_AMOUNTS = {"vcpus": sa.bindparam("v", type_=sa.Integer), "memory_mb": sa.bindparam("m", type_=sa.Integer),
            "disk_gb": sa.bindparam("d", type_=sa.Integer)}
_COUNT = sa.bindparam("n", type_=sa.Integer)
_USE = sa.update(_HOSTS).where(_HOSTS.c.id == sa.bindparam("host")).values(
    **{f"{name}_used": _HOSTS.c[f"{name}_used"] + amount * _COUNT for name, amount in _AMOUNTS.items()}, servers=_HOSTS.c.servers + _COUNT,
    version=_HOSTS.c.version + 1, changed_at=now())
_TAKE = _USE.where(*fit(_HOSTS.c, _AMOUNTS, _COUNT), *(_HOSTS.c[name] >= amount for name, amount in _AMOUNTS.items()))


def add(tx: orm.Session, server_id: str, host_id: int, vcpus: int, memory_mb: int, disk_gb: int, wish: Wish | None = None) -> bool:
    """Room on one more host for a server that moves or returns, if it fits; False changes nothing. The server must hold none there."""
    hold = None
    if wish is not None:
        has, used = extras_.lock(tx, [host_id])[host_id]
        hold = wish.fit(has, used)
        if hold is None:
            return False
    if not take(tx, host_id, vcpus, memory_mb, disk_gb):
        return False
    tx.execute(sa.insert(Allocation).values(server_id=server_id, host_id=host_id, vcpus=vcpus, memory_mb=memory_mb, disk_gb=disk_gb,
                                            extras=None if hold is None else {wish.flavorid: hold}, created_at=clock.now()))
    if hold is not None:
        extras_.put_used(tx, host_id, extras_.total([used, hold]))
    return True


def release(tx: orm.Session, server_id: str, host: str | None = None) -> list[str]:
    """Give back what a server holds on ``host``, or everywhere. Returns the hosts that got room back; nothing to do is fine."""
    query = sa.select(Allocation, Host.name).join(Host, Host.id == Allocation.host_id).where(Allocation.server_id == server_id).order_by(Host.id)
    freed = []
    for held, name in tx.execute(query if host is None else query.where(Host.name == host)).all():
        gone = tx.execute(sa.delete(Allocation).where(Allocation.server_id == server_id, Allocation.host_id == held.host_id).execution_options(
            synchronize_session=False))
        tx.expunge(held)
        # Of two who release at once only the one whose DELETE found the row gives the room back.
        if gone.rowcount == 1:
            usage(tx, held.host_id, held.vcpus, held.memory_mb, held.disk_gb, -1)
            if held.extras is not None:
                extras_.recount(tx, held.host_id)
            freed.append(name)
    return freed


def change(tx: orm.Session, server_id: str, host: str, vcpus: int, memory_mb: int, disk_gb: int, *, wish: Wish | None = None,
           only: str | None = None) -> bool:
    """Make what a server holds on its host so much. What grows has to fit: False changes nothing. Holding just that is fine.

    ``wish``: what else it is to hold for another flavor, beside what it holds. ``only``: the flavor whose hold it keeps, others go.
    """
    held = tx.execute(sa.select(Allocation.host_id, Allocation.vcpus, Allocation.memory_mb, Allocation.disk_gb, Allocation.extras).join(
        Host, Host.id == Allocation.host_id).where(Allocation.server_id == server_id, Host.name == host)).one_or_none()
    if held is None:
        return False
    extras = held.extras
    if wish is not None:
        has, _used = extras_.lock(tx, [held.host_id])[held.host_id]
        hold = wish.fit(has, extras_.used_by_others(tx, held.host_id, server_id))
        if hold is None:
            return False
        extras = {**(extras or {}), wish.flavorid: hold}
    if only is not None:
        extras = {flavorid: hold for flavorid, hold in (extras or {}).items() if flavorid == only} or None
    more = (vcpus - held.vcpus, memory_mb - held.memory_mb, disk_gb - held.disk_gb)
    fits = [used + amount <= (total - reserved) * ratio for amount, used, total, reserved, ratio in (
        (more[0], Host.vcpus_used, Host.vcpus, Host.vcpus_reserved, Host.vcpu_ratio),
        (more[1], Host.memory_mb_used, Host.memory_mb, Host.memory_mb_reserved, Host.memory_ratio),
        (more[2], Host.disk_gb_used, Host.disk_gb, Host.disk_gb_reserved, Host.disk_ratio)) if amount > 0]
    mine = (Allocation.server_id == server_id, Allocation.host_id == held.host_id, Allocation.vcpus == held.vcpus,
            Allocation.memory_mb == held.memory_mb, Allocation.disk_gb == held.disk_gb)
    changed = tx.execute(sa.update(Host).where(Host.id == held.host_id, *fits).values(
        vcpus_used=Host.vcpus_used + more[0], memory_mb_used=Host.memory_mb_used + more[1], disk_gb_used=Host.disk_gb_used + more[2],
        version=Host.version + 1, changed_at=now()).execution_options(synchronize_session=False))
    if changed.rowcount != 1:
        return False
    won = tx.execute(sa.update(Allocation).where(*mine).values(vcpus=vcpus, memory_mb=memory_mb, disk_gb=disk_gb, extras=extras).execution_options(
        synchronize_session=False))
    if won.rowcount != 1:
        raise exception.DatabaseDeadlock()
    if extras != held.extras:
        extras_.recount(tx, held.host_id)
    return True


def note_failure(tx: orm.Session, host: str) -> None:
    """One more build failed there and might not have elsewhere."""
    _put_failures(tx, host, Host.build_failures + 1)


def forget_failures(tx: orm.Session, host: str) -> None:
    """A build succeeded there."""
    _put_failures(tx, host, 0)


def _put_failures(tx: orm.Session, host: str, failures) -> None:
    tx.execute(sa.update(Host).where(Host.name == host).values(
        build_failures=failures, version=Host.version + 1, changed_at=now()).execution_options(synchronize_session=False))


def audit(tx: orm.Session) -> list[dict]:
    """Hosts whose used columns differ from the sum of their allocations: ``{"host", "column", "used", "sum"}`` each. Empty is right.

    Those of ``extras_used`` have mappings as ``used`` and ``sum``.
    """
    columns = {"vcpus_used": Allocation.vcpus, "memory_mb_used": Allocation.memory_mb, "disk_gb_used": Allocation.disk_gb}
    query = (
        sa.select(Host.name, Host.servers, *(getattr(Host, name) for name in columns), sa.func.count(Allocation.server_id),
                  *(sa.func.coalesce(sa.func.sum(column), 0) for column in columns.values()))
        .outerjoin(Allocation, Allocation.host_id == Host.id).group_by(Host.id).order_by(Host.id))
    wrong = []
    for name, *numbers in tx.execute(query):
        half = len(numbers) // 2
        for column, used, total in zip(("servers", *columns), numbers[:half], numbers[half:], strict=True):
            if used != total:
                wrong.append({"host": name, "column": column, "used": used, "sum": int(total)})
    return wrong + extras_.audit(tx)
