"""Filters: which hosts may take a request. ``FILTERS`` is the table of all of them, under Nova's names.

A filter's ``prepare(query)`` answers a function of rows (a slice, or an array of row numbers) that gives True for those that pass, or None
where the request gives it nothing to do. It reads only the rows it is given, and the request.
"""
from collections.abc import Iterable

from nova_lite.scheduler.core.filters import affinity, aggregates, basic, capabilities, capacity, extras, json_query, limits, metrics, numa
from nova_lite.scheduler.core.filters.rule import Filter

FILTERS: dict[str, Filter] = {
    rule.name: rule
    for module in (capacity, extras, numa, basic, capabilities, affinity, aggregates, limits, json_query, metrics)
    for rule in module.FILTERS
}
ALWAYS: tuple[Filter, ...] = (*capacity.FILTERS, FILTERS["TraitsFilter"], *extras.FILTERS, *numa.FILTERS)
"""In force before all others, whatever is enabled."""


def enabled(names: Iterable[str], more: Iterable[Filter] = ()) -> tuple[Filter, ...]:
    """The filters in force for a list of enabled names, in order; ``more``: filters from elsewhere that may be among them.

    Raises ValueError naming the unknown one and those that exist.
    """
    known = {**{rule.name: rule for rule in more}, **FILTERS}
    chosen = list(ALWAYS)
    for name in names:
        if name not in known:
            raise ValueError(f"There is no filter {name!r} (option enabled_filters). There are: {', '.join(sorted(known))}.")
        if known[name] not in chosen:
            chosen.append(known[name])
    return tuple(chosen)
