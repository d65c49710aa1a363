"""Claims on hosts: room taken by compare-and-set and given back, so that a host's used columns always equal the sum of its allocations.

Every change of usage goes through ``claim`` and ``release``; ``audit`` recomputes the sums independently. Many of them may share a transaction.
Called by the scheduler (claim), the compute worker (release, build_ended), moves and ``nova-lite-manage``.
"""
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import clock, exception
from nova_lite.db.models.base import Json
from nova_lite.db.models.compute import Allocation, Host, Server
from nova_lite.db.now import now


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """Room for one server on one host. ``token``: the task that must still be the server's. Memory in MB, disk in GB.

    ``decision``: how the host was chosen, to be kept with the server; None keeps what is there.
    """

    server_id: str
    token: str
    host_id: int
    host: str
    node: str
    zone: str
    vcpus: int
    memory_mb: int
    disk_gb: int
    decision: dict | None = None


def waiting(tx: orm.Session, tokens: Mapping[str, str]) -> list[Server]:
    """Of the servers ``{id: token}`` those that still wait for a host under that task, in order of reservation and launch index."""
    found = tx.scalars(sa.select(Server).where(
        Server.id.in_(list(tokens)), Server.task_action == "create", Server.task_state == "scheduling", Server.deleted.is_(False))
        .order_by(Server.reservation_id, Server.launch_index, Server.id))
    return [server for server in found if server.task_id == tokens[server.id]]


def waiting_together(tx: orm.Session, reservations: Iterable[str]) -> list[Server]:
    """All servers of these reservations that wait for their first host."""
    return [server for server in tx.scalars(sa.select(Server).where(
        Server.reservation_id.in_(list(reservations)), Server.host.is_(None), Server.task_action == "create",
        Server.task_state == "scheduling", Server.deleted.is_(False)).order_by(Server.reservation_id, Server.launch_index, Server.id))
        if not server.request.get("attempts")]


def take(tx: orm.Session, host_id: int, vcpus: int, memory_mb: int, disk_gb: int, servers: int = 1, building: bool = True) -> bool:
    """Raise a host's usage for ``servers`` servers of this size each, if all of it fits; False changes nothing.

    Fits: used + amount <= (total - reserved) * ratio for each resource, and no single server is larger than what the host has.
    """
    fits = [
        used + amount * servers <= (total - reserved) * ratio
        for used, amount, total, reserved, ratio in (
            (Host.vcpus_used, vcpus, Host.vcpus, Host.vcpus_reserved, Host.vcpu_ratio),
            (Host.memory_mb_used, memory_mb, Host.memory_mb, Host.memory_mb_reserved, Host.memory_ratio),
            (Host.disk_gb_used, disk_gb, Host.disk_gb, Host.disk_gb_reserved, Host.disk_ratio))
    ]
    sizes = (Host.vcpus >= vcpus, Host.memory_mb >= memory_mb, Host.disk_gb >= disk_gb)
    done = tx.execute(_usage(host_id, vcpus, memory_mb, disk_gb, servers, building=servers if building else 0).where(*fits, *sizes))
    return done.rowcount == 1


def _usage(host_id, vcpus, memory_mb, disk_gb, servers, building=0):
    return sa.update(Host).where(Host.id == host_id).values(
        vcpus_used=Host.vcpus_used + vcpus * servers, memory_mb_used=Host.memory_mb_used + memory_mb * servers,
        disk_gb_used=Host.disk_gb_used + disk_gb * servers, servers=Host.servers + servers, io_ops=Host.io_ops + building,
        version=Host.version + 1, changed_at=now()).execution_options(synchronize_session=False)


def claim(tx: orm.Session, server_id: str, token: str, host: str, vcpus: int, memory_mb: int, disk_gb: int, *, zone: str) -> bool:
    """Claim a host by name for one server whose task is ``scheduling``. False: no room there, or the task is no longer the server's."""
    found = tx.execute(sa.select(Host.id, Host.hypervisor_hostname).where(Host.name == host)).one_or_none()
    if found is None:
        return False
    return bool(claim_many(tx, [Claim(server_id, token, found[0], host, found[1], zone, vcpus, memory_mb, disk_gb)]).won)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """``won``: committed with the transaction; ``lost``: the host has no room; ``stale``: the task is no longer the server's."""

    won: list[Claim]
    lost: list[Claim]
    stale: list[Claim]


def claim_many(tx: orm.Session, claims: Sequence[Claim]) -> Outcome:
    """Claim each, or not, independently of the others: one statement a distinct host and size, and three in all for servers and allocations.

    The server's row gets host, node and zone, and its task goes from ``scheduling`` to ``spawning``.
    """
    won, lost = [], []
    # In order of host, so that two schedulers never wait for each other crosswise.
    groups: dict[tuple, list[Claim]] = {}
    for each in sorted(claims, key=lambda each: each.host_id):
        groups.setdefault((each.host_id, each.vcpus, each.memory_mb, each.disk_gb), []).append(each)
    for size, group in groups.items():
        if take(tx, *size, servers=len(group)):
            won.extend(group)
        elif len(group) == 1:
            lost.extend(group)
        else:
            for each in group:
                (won if take(tx, *size) else lost).append(each)
    stale = _hand_over(tx, won)
    for each in stale:
        tx.execute(_usage(each.host_id, each.vcpus, each.memory_mb, each.disk_gb, -1, building=-1))
        won.remove(each)
    if won:
        moment = clock.now()
        tx.execute(sa.insert(Allocation), [
            {"server_id": each.server_id, "host_id": each.host_id, "vcpus": each.vcpus, "memory_mb": each.memory_mb, "disk_gb": each.disk_gb,
             "created_at": moment} for each in won])
    return Outcome(won, lost, stale)


_SERVERS = Server.__table__
_HAND_OVER = (
    sa.update(_SERVERS)
    .where(_SERVERS.c.id == sa.bindparam("server"), _SERVERS.c.task_id == sa.bindparam("token"), _SERVERS.c.task_state == "scheduling",
           _SERVERS.c.deleted.is_(False))
    .values(host=sa.bindparam("to_host"), node=sa.bindparam("to_node"), availability_zone=sa.bindparam("to_zone"), task_state="spawning",
            decision=sa.func.coalesce(sa.bindparam("how", type_=Json()), _SERVERS.c.decision),
            changed_at=sa.bindparam("moment"), updated_at=sa.bindparam("moment"))
)


def _hand_over(tx, claims):
    """Give each server to its host; the claims whose server was no longer waiting."""
    if not claims:
        return []
    moment = clock.now()
    values = [{"server": each.server_id, "token": each.token, "to_host": each.host, "to_node": each.node, "to_zone": each.zone,
               "how": each.decision, "moment": moment}
              for each in claims]
    if len(values) == 1:
        return [] if tx.execute(_HAND_OVER, values[0]).rowcount == 1 else list(claims)
    # The count of a statement run for many rows does not tell which of them missed: look first, and hold the rows.
    still = {row.id: row.task_id for row in tx.execute(
        sa.select(Server.id, Server.task_id).where(Server.id.in_([each.server_id for each in claims]), Server.task_state == "scheduling",
                                                   Server.deleted.is_(False)).order_by(Server.id).with_for_update())}
    values = [value for value in values if still.get(value["server"]) == value["token"]]
    if values:
        tx.execute(_HAND_OVER, values)
    return [each for each in claims if still.get(each.server_id) != each.token]


def add(tx: orm.Session, server_id: str, host_id: int, vcpus: int, memory_mb: int, disk_gb: int) -> bool:
    """Room on one more host for a server that moves or returns, if it fits; False changes nothing. The server must hold none there."""
    if not take(tx, host_id, vcpus, memory_mb, disk_gb, building=False):
        return False
    tx.execute(sa.insert(Allocation).values(server_id=server_id, host_id=host_id, vcpus=vcpus, memory_mb=memory_mb, disk_gb=disk_gb,
                                            created_at=clock.now()))
    return True


def give_up(tx: orm.Session, server_ids: Sequence[str]) -> None:
    """Undo claims of this very transaction: the servers wait for a host again, the hosts have no build of theirs."""
    if not server_ids:
        return
    held = tx.execute(sa.select(*Allocation.__table__.c).where(Allocation.server_id.in_(server_ids)).order_by(Allocation.host_id)).all()
    tx.execute(sa.delete(Allocation).where(Allocation.server_id.in_(server_ids)).execution_options(synchronize_session=False))
    for each in held:
        tx.execute(_usage(each.host_id, each.vcpus, each.memory_mb, each.disk_gb, -1, building=-1))
    tx.execute(sa.update(Server).where(Server.id.in_(server_ids)).values(host=None, node=None, availability_zone=None, task_state="scheduling")
               .execution_options(synchronize_session=False))


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
            tx.execute(_usage(held.host_id, held.vcpus, held.memory_mb, held.disk_gb, -1))
            freed.append(name)
    return freed


def change(tx: orm.Session, server_id: str, host: str, vcpus: int, memory_mb: int, disk_gb: int) -> bool:
    """Make what a server holds on its host so much. What grows has to fit: False changes nothing. Holding just that is fine."""
    held = tx.execute(sa.select(Allocation.host_id, Allocation.vcpus, Allocation.memory_mb, Allocation.disk_gb).join(
        Host, Host.id == Allocation.host_id).where(Allocation.server_id == server_id, Host.name == host)).one_or_none()
    if held is None:
        return False
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
    won = tx.execute(sa.update(Allocation).where(*mine).values(vcpus=vcpus, memory_mb=memory_mb, disk_gb=disk_gb).execution_options(
        synchronize_session=False))
    if won.rowcount != 1:
        raise exception.DatabaseDeadlock()
    return True


def build_ended(tx: orm.Session, host: str, ok: bool) -> None:
    """A build on the host is over: one less under way; a good one forgets earlier failures, a bad one counts."""
    tx.execute(sa.update(Host).where(Host.name == host).values(
        io_ops=sa.case((Host.io_ops > 0, Host.io_ops - 1), else_=0), build_failures=0 if ok else Host.build_failures + 1,
        version=Host.version + 1, changed_at=now()).execution_options(synchronize_session=False))


def audit(tx: orm.Session) -> list[dict]:
    """Hosts whose used columns differ from the sum of their allocations: ``{"host", "column", "used", "sum"}`` each. Empty is right."""
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
    return wrong
