"""Guard: a filter that raises drops the hosts it cannot judge, each on its own, and the request goes on with the others."""
import numpy as np

from nova_lite import log
from nova_lite.scheduler.core.filters.rule import Check, Filter
from nova_lite.scheduler.core.query import Query

LOG = log.get(__name__)


def prepare(rule: Filter, query: Query) -> Check | None:
    """``rule.prepare(query)``, guarded; ``query.failed`` gets the rows that the filter could not judge."""
    try:
        check = rule.prepare(query)
    except Exception:
        _say(rule, query)
        check = _always_failing
    return None if check is None else Guard(rule, check, query)


def _always_failing(rows):
    raise ValueError("the filter could not be prepared for this request")


def _say(rule, query):
    if rule.name not in query.failed:
        query.failed[rule.name] = set()
        LOG.warning("the filter %s failed; hosts that it cannot judge are left out", rule.name, exc_info=True)


class Guard:
    """A check that asks host by host once it raised, or answered something else than one verdict a row."""

    __slots__ = ("rule", "check", "query")

    def __init__(self, rule: Filter, check: Check, query: Query):
        self.rule, self.check, self.query = rule, check, query

    def __call__(self, rows) -> np.ndarray:
        try:
            return self.check(rows)
        except Exception:
            _say(self.rule, self.query)
        numbers = np.arange(self.query.table.size)[rows]
        return np.fromiter((self._one(int(number)) for number in numbers), np.bool_, len(numbers))

    def _one(self, number: int) -> bool:
        try:
            return bool(self.check(slice(number, number + 1))[0])
        except Exception:
            self.query.failed[self.rule.name].add(number)
            return False
