"""What hosts have besides vCPUs, memory and disk: custom resource classes. In force for whoever asks for it; the claim asks again."""
import numpy as np

from nova_lite.scheduler.core import resources
from nova_lite.scheduler.core.filters.rule import Filter


def custom_resources(query):
    need = query.request.extras
    if need is None or not need.resources:
        return None
    holdings, asked = query.table.holdings, need.resources
    # The last one is for hosts that have none, whose class is -1.
    allowed = np.append(query.table.lookup(holdings.kinds, ("resources", asked), lambda kind: _allows(kind, asked)), False)
    columns = [(holdings.room(name), amount) for name, amount in asked]
    return lambda rows: np.logical_and.reduce([allowed[holdings.kind[rows]], *(room[rows] >= amount for room, amount in columns)])


def _allows(kind, asked) -> bool:
    return resources.allows({name: dict(facts) for name, facts in kind}, asked)


def resource_slots(query):
    columns = [(query.table.holdings.room(name), amount) for name, amount in query.request.extras.resources]
    return lambda rows: np.maximum(np.minimum.reduce([room[rows] // amount for room, amount in columns]), 0)


FILTERS = (
    Filter("CustomResourcesFilter", custom_resources, "lacks {request.extras.resource_words}", "lack {request.extras.resource_words}",
           consumes=True, when_forced=True, slots=resource_slots),
)
