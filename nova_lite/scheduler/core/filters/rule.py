"""Filter: one line of the table of filters."""
import dataclasses
from collections.abc import Callable

import numpy as np

from nova_lite.scheduler.core.query import Query
from nova_lite.scheduler.core.request import Request

Check = Callable[[slice | np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """``one`` and ``many`` complete the sentence "1 host ..." and "7 hosts ..." for users: they may name fields of the request only.

    ``consumes``: it reads what placing a server changes, so a chosen row is judged again. ``when_forced``: also judges a forced host.
    ``slots(query)`` answers a function of rows too: how many servers more the rule admits on each. A rule about room has ``asks`` (how much a
    request needs), ``room`` (how much is left on rows) and ``unit``, so that a near miss can be told in numbers.
    """

    name: str
    prepare: Callable[[Query], Check | None]
    one: str
    many: str
    consumes: bool = False
    when_forced: bool = False
    slots: Callable[[Query], Check] | None = None
    asks: Callable[[Request], float] | None = None
    room: Callable[[Query, np.ndarray], np.ndarray] | None = None
    unit: str = ""

    def reason(self, query: Query, count: int) -> str:
        """``412 lack 512 MB of RAM``."""
        return f"{count} {self.words(query, count)}"

    def words(self, query: Query, count: int) -> str:
        """``lack 512 MB of RAM``."""
        return (self.one if count == 1 else self.many).format(request=query.request, options=query.options)

    def least(self, query: Query, rows: np.ndarray) -> float | None:
        """The least that any of some rows lacks; None where the rule is not about room."""
        return None if self.room is None else float((self.asks(query.request) - self.room(query, rows)).min())

    def lacks(self, amount: float, count: int) -> str:
        """``lacks 512 MB of RAM``, ``lack 512 MB of RAM or more``."""
        room = f"{amount:.0f} {self.unit.removesuffix('s') if amount == 1 else self.unit}"
        return f"lacks {room}" if count == 1 else f"lack {room} or more"
