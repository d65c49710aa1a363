"""Claims of the scheduler: servers that wait, and room for many of them at once, by compare-and-set on their hosts' rows.

On PostgreSQL one statement takes the room, hands the servers over and writes the allocations; elsewhere there is one a host and size and three in
all for servers and allocations. Servers that wish more of a host than room are claimed one by one, with the hosts' rows locked.
Called by ``scheduler``; what else changes usage is in ``db.allocations``.
"""
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import orjson
import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import clock
from nova_lite.db import extras as extras_
from nova_lite.db.allocations import take, usage
from nova_lite.db.models.base import Json
from nova_lite.db.models.compute import Allocation, Host, Server

_SERVERS = Server.__table__


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """Room for one server on one host. ``token``: the task that must still be the server's. Memory in MB, disk in GB.

    ``decision``: how the host was chosen, to be kept with the server; None keeps what is there. ``wish``: what else it must hold there.
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
    wish: extras_.Wish | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """``won``: committed with the transaction; ``lost``: the host has no room; ``stale``: the task is no longer the server's."""

    won: list[Claim]
    lost: list[Claim]
    stale: list[Claim]


_WAITING = sa.select(*(_SERVERS.c[name] for name in (
    "id", "task_id", "task_action", "task_request_id", "project_id", "reservation_id", "image_id", "group_id", "flavor", "image", "request"))).where(
    _SERVERS.c.task_action == "create", _SERVERS.c.task_state == "scheduling", _SERVERS.c.deleted.is_(False)).order_by(
    _SERVERS.c.reservation_id, _SERVERS.c.launch_index, _SERVERS.c.id)
_THESE = _WAITING.where(_SERVERS.c.id.in_(sa.bindparam("ids", expanding=True)))
_TOGETHER = _WAITING.where(_SERVERS.c.reservation_id.in_(sa.bindparam("ids", expanding=True)), _SERVERS.c.host.is_(None))


def waiting(tx: orm.Session, tokens: Mapping[str, str]) -> list:
    """Of the servers ``{id: token}`` those that still wait for a host under that task, in order of reservation and launch index.

    Rows with what placing asks of a server: ids, task, flavor, image, request.
    """
    return [server for server in tx.execute(_THESE, {"ids": list(tokens)}) if server.task_id == tokens[server.id]]


def waiting_together(tx: orm.Session, reservations: Iterable[str]) -> list:
    """All servers of these reservations that wait for their first host, as such rows."""
    return [server for server in tx.execute(_TOGETHER, {"ids": list(reservations)}) if not server.request.get("attempts")]


def claim(tx: orm.Session, server_id: str, token: str, host: str, vcpus: int, memory_mb: int, disk_gb: int, *, zone: str) -> bool:
    """Claim a host by name for one server whose task is ``scheduling``. False: no room there, or the task is no longer the server's."""
    found = tx.execute(sa.select(Host.id, Host.hypervisor_hostname).where(Host.name == host)).one_or_none()
    if found is None:
        return False
    return bool(claim_many(tx, [Claim(server_id, token, found[0], host, found[1], zone, vcpus, memory_mb, disk_gb)]).won)


def claim_many(tx: orm.Session, claims: Sequence[Claim]) -> Outcome:
    """Claim each, or not, independently of the others; a server must not be among them twice.

    The server's row gets host, node and zone, and its task goes from ``scheduling`` to ``spawning``.
    """
    if not claims:
        return Outcome([], [], [])
    # In order of host, so that two schedulers never wait for each other crosswise.
    ordered = sorted(claims, key=lambda each: (each.host_id, each.server_id))
    plain = [each for each in ordered if each.wish is None]
    if len(plain) == len(ordered):
        return _claim_room(tx, plain)
    hosts = extras_.lock(tx, (each.host_id for each in ordered))
    found = _claim_room(tx, plain) if plain else Outcome([], [], [])
    for each in ordered:
        if each.wish is not None:
            _claim_extras(tx, each, hosts, found)
    return found


def _claim_room(tx, claims) -> Outcome:
    """Claims that wish nothing else."""
    if tx.get_bind().dialect.name == "postgresql":
        return _at_once(tx, claims)
    won, lost = _take(tx, claims)
    stale = _hand_over(tx, won)
    _untake(tx, stale)
    won = [each for each in won if each not in stale]
    if won:
        moment = clock.now()
        tx.execute(sa.insert(Allocation), [
            {"server_id": each.server_id, "host_id": each.host_id, "vcpus": each.vcpus, "memory_mb": each.memory_mb, "disk_gb": each.disk_gb,
             "created_at": moment} for each in won])
    return Outcome(won, lost, stale)


def _claim_extras(tx, each: Claim, hosts: dict[int, tuple[dict, dict]], found: Outcome) -> None:
    """One claim with a wish, on a host whose row is locked: what the row said is in ``hosts``, and is kept up to date there."""
    has, used = hosts.get(each.host_id, ({}, {}))
    hold = each.wish.fit(has, used)
    if hold is None or not take(tx, each.host_id, each.vcpus, each.memory_mb, each.disk_gb):
        found.lost.append(each)
    elif _hand_over(tx, [each]):
        _untake(tx, [each])
        found.stale.append(each)
    else:
        tx.execute(sa.insert(Allocation).values(
            server_id=each.server_id, host_id=each.host_id, vcpus=each.vcpus, memory_mb=each.memory_mb, disk_gb=each.disk_gb,
            extras={each.wish.flavorid: hold}, created_at=clock.now()))
        used = extras_.total([used, hold])
        extras_.put_used(tx, each.host_id, used)
        hosts[each.host_id] = (has, used)
        found.won.append(each)


def _at_once(tx, claims) -> Outcome:
    # Imported where it is used: PostgreSQL's dialect takes 2 MB, which those on other databases need not keep.
    from nova_lite.db import claim_statement
    asked = [{"at": place, "server_id": each.server_id, "token": each.token, "host_id": each.host_id, "host": each.host, "node": each.node,
              "zone": each.zone, "vcpus": each.vcpus, "memory_mb": each.memory_mb, "disk_gb": each.disk_gb,
              "decision": None if each.decision is None else orjson.dumps(each.decision).decode()} for place, each in enumerate(claims)]
    rows = tx.connection().execute(claim_statement.CLAIM, {
        "asked": orjson.dumps(asked).decode(), "host_ids": sorted({each.host_id for each in claims}), "moment": clock.now()}).all()
    verdicts = {row.server_id: row for row in rows}
    won = [each for each in claims if verdicts[each.server_id].served]
    stale = [each for each in claims if verdicts[each.server_id].fits and not verdicts[each.server_id].served]
    _untake(tx, stale)
    return Outcome(won, [each for each in claims if not verdicts[each.server_id].fits], stale)


def _take(tx, claims) -> tuple[list[Claim], list[Claim]]:
    won, lost = [], []
    groups: dict[tuple, list[Claim]] = {}
    for each in claims:
        groups.setdefault((each.host_id, each.vcpus, each.memory_mb, each.disk_gb), []).append(each)
    for size, group in groups.items():
        if take(tx, *size, servers=len(group)):
            won.extend(group)
        elif len(group) == 1:
            lost.extend(group)
        else:
            for each in group:
                (won if take(tx, *size) else lost).append(each)
    return won, lost


def _untake(tx, claims) -> None:
    for each in claims:
        usage(tx, each.host_id, each.vcpus, each.memory_mb, each.disk_gb, -1)


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


def give_up(tx: orm.Session, server_ids: Sequence[str]) -> None:
    """Undo claims of this very transaction: the servers wait for a host again, the hosts have no build of theirs."""
    if not server_ids:
        return
    held = tx.execute(sa.select(*Allocation.__table__.c).where(Allocation.server_id.in_(server_ids)).order_by(Allocation.host_id)).all()
    tx.execute(sa.delete(Allocation).where(Allocation.server_id.in_(server_ids)).execution_options(synchronize_session=False))
    for each in held:
        usage(tx, each.host_id, each.vcpus, each.memory_mb, each.disk_gb, -1)
        if each.extras is not None:
            extras_.recount(tx, each.host_id)
    tx.execute(sa.update(Server).where(Server.id.in_(server_ids)).values(host=None, node=None, availability_zone=None, task_state="scheduling")
               .execution_options(synchronize_session=False))
