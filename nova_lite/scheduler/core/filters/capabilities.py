"""What the flavor's extra specs demand of the host itself: ComputeCapabilities, and required or forbidden traits."""
import numpy as np

from nova_lite.scheduler.core.filters import operators
from nova_lite.scheduler.core.filters.attributes import CPU_INFO, NUMBERS, TEXTS, cpu_value
from nova_lite.scheduler.core.filters.rule import Filter

SCOPE = "capabilities"
TRAIT = "trait:"


def compute_capabilities(query):
    specs = dict(query.request.extra_specs)
    bits = specs.pop("hw:maxphysaddr_bits", None)
    if bits is not None:
        specs["capabilities:cpu_info:maxphysaddr:bits"] = f">= {bits}"
    checks = []
    for key, want in specs.items():
        scope = key.split(":")
        if scope[0] == SCOPE and len(scope) > 1:
            checks.append(_check(query.table, scope[1], tuple(scope[2:]), want))
        elif len(scope) == 1 and key in (*NUMBERS, *TEXTS, CPU_INFO):
            # Without a scope a key that no host has is not for this filter.
            checks.append(_check(query.table, key, (), want))
    if not checks:
        return None
    return lambda rows: np.logical_and.reduce([check(rows) for check in checks])


def _check(table, name, path, want):
    if name in NUMBERS and not path:
        return lambda rows: operators.match_numbers(NUMBERS[name](table, rows), want)
    if name in TEXTS and not path:
        return lambda rows: np.array([operators.match(text, want) for text in TEXTS[name](table, rows)], np.bool_)
    if name == CPU_INFO:
        verdicts = table.lookup(table.cpus, ("cpu", path, want), lambda text: _cpu_matches(text, path, want))
        return lambda rows: verdicts[table.cpu_class[rows]]
    return lambda rows: np.zeros(len(table.zone[rows]), np.bool_)


def _cpu_matches(text, path, want):
    value = cpu_value(text, path)
    return value is not None and operators.match(str(value), want)


def traits(query):
    wanted = {}
    for source in (query.request.extra_specs, query.request.image):
        wanted |= {key.removeprefix(TRAIT): value for key, value in source.items() if key.startswith(TRAIT)}
    required = frozenset(name for name, value in wanted.items() if value == "required")
    forbidden = frozenset(name for name, value in wanted.items() if value == "forbidden")
    if not required and not forbidden:
        return None
    table = query.table
    verdicts = table.lookup(table.trait_sets, ("traits", required, forbidden),
                            lambda have: required <= set(have) and not forbidden & set(have))
    return lambda rows: verdicts[table.traits_class[rows]]


FILTERS = (
    Filter("ComputeCapabilitiesFilter", compute_capabilities, "does not have the capabilities that the flavor asks for",
           "do not have the capabilities that the flavor asks for", consumes=True),
    Filter("TraitsFilter", traits, "lacks a required trait or has a forbidden one", "lack a required trait or have a forbidden one",
           when_forced=True),
)
