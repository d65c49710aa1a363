"""Explaining without deciding: each host's verdict and weights for one request, and how many more servers of it fit. Changes nothing.

Called by ``scheduler.manager`` for the operator's questions.
"""
import numpy as np

from nova_lite.scheduler.core import select as core
from nova_lite.scheduler.core import why
from nova_lite.scheduler.core.board import Board
from nova_lite.scheduler.core.query import Query
from nova_lite.scheduler.core.request import Request
from nova_lite.scheduler.core.table import HostTable


def explain(table: HostTable, request: Request, rules: core.Rules, now: float, limit: int) -> dict:
    """Hosts considered, how many each rule removed, and ``hosts``: up to ``limit``, those that pass first, best first.

    Each host: ``host``, ``zone``, ``passes``, ``removed_by`` (all rules that it fails), ``weight`` and ``weights`` by weigher.
    """
    query = Query(table, request, rules.options, now)
    rows, checks = core.prepare(query, rules)
    numbers = np.arange(table.size) if isinstance(rows, slice) else rows
    left = core.less(table, numbers, request.excluded)
    verdicts = why.verdicts(left, checks)
    passed = left[verdicts.all(axis=0)]
    found = why.explain(query, left, len(numbers) - len(left), checks)
    board = Board(query, rules.weighers, passed) if len(passed) else None
    shown = [_passing(table, board, position) for position in (board.heaviest(limit) if board is not None else ())]
    failing = np.flatnonzero(~verdicts.all(axis=0))
    order = failing[np.argsort((~verdicts[:, failing]).sum(axis=0), kind="stable")]
    for position in order[:limit - len(shown)]:
        removed_by = [rule.name for (rule, _check), line in zip(checks, verdicts, strict=True) if not line[position]]
        shown.append(_shown(table, int(left[position]), False, removed_by))
    again = [_shown(table, int(row), False, ["RetryFilter"]) for row in numbers[~np.isin(numbers, left)]]
    return {"considered": found.considered, "passing": len(passed), "removed": removed(found), "nearest_miss": found.nearest,
            "hosts": (shown + again)[:limit]}


def removed(found: why.Why) -> list[dict]:
    """How many hosts each rule removed, in order."""
    return [{"filter": name, "hosts": count, "reason": words} for name, count, words in found.removed]


def _shown(table, row: int, passes: bool, removed_by: list[str]) -> dict:
    return {"host": table.names[row], "zone": table.zones.values[table.zone[row]], "passes": passes, "removed_by": removed_by}


def _passing(table, board: Board, position: int) -> dict:
    return {**_shown(table, int(board.rows[position]), True, []), "weight": board.weights(position), "weights": board.terms(position)}


def capacity(table: HostTable, request: Request, rules: core.Rules, now: float) -> dict:
    """``servers``: how many more of the request fit on the hosts that pass, and ``binds``: what ends it, by rule.

    Rules that say nothing of numbers count as they stand now; one that admits no number of servers is not among ``binds``.
    """
    query = Query(table, request, rules.options, now)
    rows, checks = core.prepare(query, rules)
    numbers = np.arange(table.size) if isinstance(rows, slice) else rows
    verdicts = why.verdicts(numbers, checks)
    passed = numbers[verdicts.all(axis=0)]
    counting = [(rule, rule.slots(query)) for rule, _check in checks if rule.slots is not None]
    found = why.explain(query, numbers, 0, checks)
    slots = np.array([count(passed) for _rule, count in counting]).reshape(len(counting), len(passed))
    least = slots.min(axis=0) if len(counting) else np.zeros(0)
    binding = slots.argmin(axis=0) if len(counting) else np.zeros(0)
    binds = [{"filter": rule.name, "hosts": int((binding == position).sum()), "servers": int(least[binding == position].sum())}
             for position, (rule, _count) in enumerate(counting)]
    return {"servers": int(least.sum()), "considered": found.considered, "passing": len(passed), "binds": [each for each in binds if each["hosts"]],
            "removed": removed(found)}
