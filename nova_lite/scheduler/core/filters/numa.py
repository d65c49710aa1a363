"""NUMATopologyFilter: whether a host has the cells, dedicated CPUs and pages that a server asks for. Always in force; the claim asks again."""
import dataclasses

import numpy as np

from nova_lite.scheduler.core import extras, numa
from nova_lite.scheduler.core.filters.rule import Filter
from nova_lite.scheduler.core.holdings import plus

NONE: tuple[dict, dict] = ({}, {})
MOST_SLOTS = 1000


def numa_topology(query):
    need = query.request.extras
    if need is None or need.numa is None:
        return None
    # Other rules speak of custom resources; devices have to be near, so they are in this one too.
    asked = dataclasses.replace(need, resources=())
    table, known = query.table, query.table.holdings.known(asked)

    def lies(row: int) -> bool:
        name = table.names[row]
        pair = table.holdings.hosts.get(name, NONE)
        seen = known.get(name)
        if seen is None or seen[0] is not pair:
            seen = known[name] = (pair, numa.possible(*pair, asked.numa) and (not asked.pci or extras.fit(*pair, asked) is not None))
        return seen[1]

    return lambda rows: np.fromiter(map(lies, np.arange(table.size)[rows].tolist()), np.bool_)


def numa_slots(query):
    table, asked = query.table, dataclasses.replace(query.request.extras, resources=())

    def times(row: int) -> int:
        has, used = table.holdings.hosts.get(table.names[row], NONE)
        for count in range(MOST_SLOTS):
            hold = extras.fit(has, used, asked)
            if hold is None:
                return count
            used = plus(used, {kind: value for kind, value in hold.items() if kind != "guest"})
        return MOST_SLOTS

    return lambda rows: np.array([times(row) for row in np.arange(table.size)[rows].tolist()], float)


FILTERS = (
    Filter("NUMATopologyFilter", numa_topology, "lacks {request.extras.numa_words}", "lack {request.extras.numa_words}", consumes=True,
           when_forced=True, slots=numa_slots),
)
