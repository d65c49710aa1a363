"""Weighers: which of the hosts that pass is best. ``WEIGHERS`` is the table of all of them, under Nova's names.

Each weigher's raw weights are normalised to 0..1 over the hosts that passed and multiplied by its multiplier; the sums are compared.
"""
import math

from nova_lite.scheduler.core.weighers import affinity, basic, likeness, metrics
from nova_lite.scheduler.core.weighers.rule import Weigher

WEIGHERS: dict[str, Weigher] = {rule.name: rule for module in (basic, affinity, metrics, likeness) for rule in module.WEIGHERS}


def multiplier(weigher: Weigher, query):
    """What the weigher counts: a number, or a column where aggregates' metadata say otherwise for some hosts. None: nothing anywhere."""
    base = float(query.options.multipliers.get(weigher.multiplier, weigher.default))
    table, key = query.table, weigher.multiplier
    if key not in table.metadata_keys:
        return weigher.sign * base or None
    by_class = table.by_aggregates((key, base), lambda aggregates: weigher.sign * _least(aggregates, key, base), float)
    return by_class[table.aggregate_class[:table.size]]


def _least(aggregates, key, default):
    try:
        values = [float(aggregate.meta[key]) for aggregate in aggregates if key in aggregate.meta]
    except ValueError:
        return default
    return min(values, default=default) if all(math.isfinite(value) for value in values) else default
