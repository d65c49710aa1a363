"""Allocation ratios: each host has those of its own configuration, and those of its aggregates instead where they say some.

Of several aggregates the least counts, as Nova's per-aggregate filters had it. What holds is kept in the host's row, where claims and schedulers
read it; this module keeps it true. Called by ``db.hosts`` when a host reports and by the actions on aggregates.
"""
import math
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import exception
from nova_lite.db.models.compute import Aggregate, AggregateHost, Host
from nova_lite.db.now import now

KEYS = {"cpu_allocation_ratio": "vcpu_ratio", "ram_allocation_ratio": "memory_ratio", "disk_allocation_ratio": "disk_ratio"}
"""Keys of an aggregate's metadata, and the columns of its hosts that follow them."""


def check(metadata: Mapping[str, str | None]) -> None:
    """Raises Invalid, naming the key, where a ratio is no number above 0."""
    for key in KEYS.keys() & metadata.keys():
        if metadata[key] is not None and _number(metadata[key]) is None:
            raise exception.Invalid(f"Aggregate metadata {key} must be a number above 0, not '{metadata[key]}'.")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None


def apply(tx: orm.Session, names: Iterable[str]) -> None:
    """Make the ratios of these hosts what their aggregates say, or else they themselves. Writes only where something differs."""
    names = list(names)
    tx.flush()
    said: dict[str, dict[str, float]] = {}
    for host, meta in tx.execute(sa.select(AggregateHost.host, Aggregate.meta).join(Aggregate, Aggregate.id == AggregateHost.aggregate_id)
                                 .where(AggregateHost.host.in_(names))):
        for key, column in KEYS.items():
            value = _number(meta[key]) if key in meta else None
            if value is not None:
                said.setdefault(host, {})[column] = min(value, said.get(host, {}).get(column, math.inf))
    for host in tx.execute(sa.select(Host.id, Host.name, Host.own_ratios, *(getattr(Host, column) for column in KEYS.values()))
                           .where(Host.name.in_(names)).order_by(Host.id)).all():
        holds = {column: getattr(host, column) for column in KEYS.values()}
        wanted = {**holds, **host.own_ratios, **said.get(host.name, {})}
        if wanted != holds:
            tx.execute(sa.update(Host).where(Host.id == host.id).values(
                **wanted, version=Host.version + 1, facts_version=Host.facts_version + 1, changed_at=now())
                .execution_options(synchronize_session=False))
