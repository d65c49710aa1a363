"""Filters and weighers that other packages bring, by entry point.

Groups ``nova_lite.scheduler.filters`` and ``nova_lite.scheduler.weighers``; the entry point's name is the rule's. It loads a Filter or Weigher
over columns (``scheduler.core.filters.rule``, ``scheduler.core.weighers.rule``), or a class for one host at a time (``scheduler.core.one_host``).
A filter works once its name is among ``enabled_filters``; a weigher works as soon as it is installed, by its multiplier.
"""
import dataclasses

import stevedore

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
    for plugin in stevedore.ExtensionManager(group, invoke_on_load=False, on_load_failure_callback=_failed):
        if plugin.name in ours or plugin.name in [rule.name for rule in found]:
            raise ValueError(f"{plugin.entry_point.value} of {group} has the name of another one: {plugin.name}.")
        found.append(_made(plugin, method, kind, adapt))
        LOG.info("%s %s comes from %s", kind.__name__.lower(), plugin.name, plugin.entry_point.value)
    return found


def _made(plugin, method: str, kind: type, adapt):
    if isinstance(plugin.plugin, kind):
        return dataclasses.replace(plugin.plugin, name=plugin.name)
    if isinstance(plugin.plugin, type) and callable(getattr(plugin.plugin, method, None)):
        return adapt(plugin.name, plugin.plugin())
    raise ValueError(f"{plugin.entry_point.value} is neither a {kind.__name__} nor a class with a method {method}.")


def _failed(_manager, entry_point, error) -> None:
    raise ValueError(f"{entry_point.name} ({entry_point.value}) cannot be loaded: {error}")
