"""Weigher: one line of the table of weighers."""
import dataclasses
from collections.abc import Callable

import numpy as np

from nova_lite.scheduler.core.query import Query

Raw = Callable[[np.ndarray | slice], np.ndarray]


@dataclasses.dataclass(frozen=True, slots=True)
class Weigher:
    """``prepare(query)`` answers a function of rows giving their raw weights, or None where the request gives it nothing to weigh.

    ``multiplier``: name of the option (and of the aggregates' metadata key), ``default`` its value, ``sign`` what it is multiplied by.
    ``floor``: raw weights below count as it, and it is what normalises to 0; None takes the least weight present.
    """

    name: str
    prepare: Callable[[Query], Raw | None]
    multiplier: str
    default: float = 1.0
    sign: float = 1.0
    floor: float | None = None
    consumes: bool = True
