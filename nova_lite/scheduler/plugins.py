"""Filters and weighers that other packages bring, by entry point.

Groups ``nova_lite.scheduler.filters`` and ``nova_lite.scheduler.weighers``; the entry point's name is the rule's. It loads a Filter or Weigher
over columns (``scheduler.core.filters.rule``, ``scheduler.core.weighers.rule``), or a class for one host at a time (``scheduler.core.one_host``).
A filter works once its name is among ``enabled_filters``; a weigher works as soon as it is installed, by its multiplier.
"""
import dataclasses
import importlib.metadata

from nova_lite import log
from nova_lite.scheduler.core import filters, one_host
from nova_lite.scheduler.core.filters.rule import Filter
from nova_lite.scheduler.core.request import Options
from nova_lite.scheduler.core.select import Rules
from nova_lite.scheduler.core.weighers import WEIGHERS
from nova_lite.scheduler.core.weighers.rule import Weigher

LOG = log.get(__name__)
FILTERS, WEIGHERS_ = "nova_lite.scheduler.filters", "nova_lite.scheduler.weighers"


def rules(options: Options) -> Rules:
    """The rules in force, ours and those installed. Raises ValueError for names that do not exist, are taken, or do not load."""
    return Rules(options, _load(FILTERS, "passes", Filter, one_host.filter_of, filters.FILTERS),
                 _load(WEIGHERS_, "weigh", Weigher, one_host.weigher_of, WEIGHERS))


def _load(group: str, method: str, kind: type, adapt, ours) -> list:
    found = []
    for entry in importlib.metadata.entry_points(group=group):
        if entry.name in ours or entry.name in [rule.name for rule in found]:
            raise ValueError(f"{entry.value} of {group} has the name of another one: {entry.name}.")
        found.append(_made(entry, method, kind, adapt))
        LOG.info("%s %s comes from %s", kind.__name__.lower(), entry.name, entry.value)
    return found


def _made(entry, method: str, kind: type, adapt):
    try:
        plugin = entry.load()
    except Exception as error:
        raise ValueError(f"{entry.name} ({entry.value}) cannot be loaded: {error}") from error
    if isinstance(plugin, kind):
        return dataclasses.replace(plugin, name=entry.name)
    if isinstance(plugin, type) and callable(getattr(plugin, method, None)):
        return adapt(entry.name, plugin())
    raise ValueError(f"{entry.value} is neither a {kind.__name__} nor a class with a method {method}.")
