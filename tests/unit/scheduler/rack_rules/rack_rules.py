"""An example of rules from elsewhere: a filter and a weigher for one host at a time, and a filter over columns.

Installed like any package (``pip install .``) beside the schedulers; ``enabled_filters = ...,RackFilter`` switches the filter on, and
``weight_multipliers = quiet_weight_multiplier:2.0`` says how much the weigher counts.
"""
from nova_lite.scheduler.core.filters.rule import Filter


class RackFilter:
    """Keeps servers out of racks whose aggregate says ``repair=yes``."""

    one, many = "is in a rack under repair", "are in racks under repair"

    def passes(self, host, request) -> bool:
        return host.metadata("repair") != "yes"


class QuietWeigher:
    """Prefers hosts with few servers."""

    multiplier = "quiet_weight_multiplier"

    def weigh(self, host, request) -> float:
        return -host.servers


def memory_size(query):
    """Servers that say so in their flavor go to hosts with at least that many MB of RAM in all: one comparison for all hosts."""
    wanted = query.request.extra_specs.get("host_memory_mb")
    if wanted is None:
        return None
    total, least = query.table.memory_total, float(wanted)
    return lambda rows: total[rows] >= least


MEMORY_SIZE = Filter("MemorySizeFilter", memory_size, "is too small a machine", "are too small machines")
