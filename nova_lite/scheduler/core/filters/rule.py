"""Filter: one line of the table of filters."""
import dataclasses
from collections.abc import Callable

import numpy as np

from nova_lite.scheduler.core.query import Query

Check = Callable[[slice | np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """``one`` and ``many`` complete the sentence "1 host ..." and "7 hosts ..." for users: they may name fields of the request only.

    ``consumes``: it reads what placing a server changes, so a chosen row is judged again. ``when_forced``: also judges a forced host.
    """

    name: str
    prepare: Callable[[Query], Check | None]
    one: str
    many: str
    consumes: bool = False
    when_forced: bool = False

    def reason(self, query: Query, count: int) -> str:
        """``412 lack 512 MB of RAM``."""
        return f"{count} {(self.one if count == 1 else self.many).format(request=query.request, options=query.options)}"
