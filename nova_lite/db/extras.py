"""What servers hold of a host besides vCPUs, memory and disk: custom resources, PCI devices, NUMA nodes. All of it is JSON.

A *hold* is what a server of one flavor has on one host: ``{"resources": {class: amount}, "pci": [addresses], "numa": {...}, "guest": {...}}``,
each key where there is something. ``allocations.extras`` is ``{flavor id: hold}``: one for the server's flavor, and one more while a resize on
its own host waits to be confirmed. ``hosts.extras_used`` is the sum over the host's allocations of what ``COUNTED`` names; ``guest`` is for the
driver and counts nowhere. What fits is said by a function that the scheduler passes (``Wish``): this module adds up and writes.

Who changes what is held has the host's row locked until the end of its transaction. Used by ``db.allocations`` and ``db.claims``.
"""
import dataclasses
from collections.abc import Callable, Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite.db.models.compute import Allocation, Host

COUNTED = ("resources", "pci", "numa")

Fit = Callable[[Mapping, Mapping], dict | None]
"""Given what a host has (``hosts.extras``) and what is used of it, the hold of one server more; None where it does not fit. Pure."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """What a server of a flavor wants to hold."""

    flavorid: str
    fit: Fit


def held(extras: Mapping | None) -> dict:
    """What one allocation counts for: of two holds of a server the larger numbers, and what is in either of the lists."""
    return _merged([_counted(hold) for hold in (extras or {}).values()], max, lambda items: sorted(set(items)))


def total(counted: Iterable[Mapping]) -> dict:
    """The sum of holds, or of sums: numbers add up, lists are joined, mappings are summed key by key. What is nothing is left out."""
    return _merged([_counted(each) for each in counted], sum, sorted)


def _counted(hold: Mapping) -> dict:
    return {kind: hold[kind] for kind in COUNTED if kind in hold}


def _merged(values: list, numbers: Callable, items: Callable):
    if not values or isinstance(values[0], Mapping):
        keys = sorted({key for value in values for key in value})
        found = {key: _merged([value[key] for value in values if key in value], numbers, items) for key in keys}
        return {key: value for key, value in found.items() if value}
    if isinstance(values[0], list):
        return items(item for value in values for item in value)
    return numbers(values)


def lock(tx: orm.Session, host_ids: Iterable[int]) -> dict[int, tuple[dict, dict]]:
    """Lock hosts' rows in order of id: ``{id: (what it has, what is used of it)}``."""
    found = tx.execute(sa.select(Host.id, Host.extras, Host.extras_used).where(Host.id.in_(sorted(set(host_ids)))).order_by(
        Host.id).with_for_update(key_share=True))
    return {host_id: (extras, used) for host_id, extras, used in found}


def put_used(tx: orm.Session, host_id: int, used: Mapping) -> None:
    """Write what is used of a host. The caller raises its version in the same transaction."""
    tx.execute(sa.update(Host).where(Host.id == host_id).values(extras_used=used).execution_options(synchronize_session=False))


def used_by_others(tx: orm.Session, host_id: int, server_id: str | None = None) -> dict:
    """The sum over a host's allocations, without those of ``server_id``. The host's row has to be locked."""
    query = sa.select(Allocation.extras).where(Allocation.host_id == host_id, Allocation.extras.is_not(None))
    return total(held(extras) for extras in tx.scalars(query if server_id is None else query.where(Allocation.server_id != server_id)))


def recount(tx: orm.Session, host_id: int) -> None:
    """Make what is used of a host the sum of its allocations again. The caller has changed, and so locked, the host's row."""
    put_used(tx, host_id, used_by_others(tx, host_id))


def of_server(tx: orm.Session, server_id: str, host: str) -> dict:
    """``{flavor id: hold}`` of a server on a host; empty where it holds nothing."""
    return tx.scalar(sa.select(Allocation.extras).join(Host, Host.id == Allocation.host_id).where(
        Allocation.server_id == server_id, Host.name == host)) or {}


def audit(tx: orm.Session) -> list[dict]:
    """Hosts whose ``extras_used`` is not the sum of their allocations, or of which something is held twice, in rows as of ``allocations.audit``."""
    sums: dict[str, list[dict]] = {}
    for host, extras in tx.execute(sa.select(Host.name, Allocation.extras).join(Allocation, Allocation.host_id == Host.id).where(
            Allocation.extras.is_not(None)).order_by(Host.id)):
        sums.setdefault(host, []).append(held(extras))
    used = dict(tx.execute(sa.select(Host.name, Host.extras_used).where(sa.or_(
        sa.type_coerce(Host.extras_used, sa.Text) != "{}", Host.name.in_(sums)))).all())
    wrong = []
    for host in sorted(used):
        real = total(sums.get(host, ()))
        if used[host] != real:
            wrong.append({"host": host, "column": "extras_used", "used": used[host], "sum": real})
        wrong += [{"host": host, "column": f"{path} held twice", "used": 1, "sum": count} for path, count in _twice(real)]
    return wrong


def _twice(value, path: str = "extras") -> Iterable[tuple[str, int]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _twice(inner, f"{path} {key}")
    elif isinstance(value, list):
        for item in sorted(set(value)):
            if value.count(item) > 1:
                yield f"{path} {item}", value.count(item)
