"""select: from a host table and a request to the hosts that take it, or to the reasons why none does.

One pass of the filters over all rows, one of the weighers over those that pass; for more than one server only the row just chosen is
judged and weighed again. The chosen rows are counted as used in the table at once; ``undo`` takes that back. Called by ``scheduler.claims``.
"""
import dataclasses
import random
from collections.abc import Iterable

import numpy as np

from nova_lite.scheduler.core import filters, weighers, why
from nova_lite.scheduler.core.board import Board
from nova_lite.scheduler.core.filters import guard
from nova_lite.scheduler.core.filters.rule import Filter
from nova_lite.scheduler.core.query import Query
from nova_lite.scheduler.core.request import Options, Request
from nova_lite.scheduler.core.table import HostTable
from nova_lite.scheduler.core.weighers.rule import Weigher
from nova_lite.scheduler.core.why import Why


class Rules:
    """The filters and weighers in force, from the operator's options. Raises ValueError for a name that does not exist.

    ``more_filters``: those from elsewhere that may be enabled; ``more_weighers``: those from elsewhere, in force beside ours.
    """

    def __init__(self, options: Options | None = None, more_filters: Iterable[Filter] = (), more_weighers: Iterable[Weigher] = ()):
        self.options = options or Options()
        required = ("MetricsFilter",) if self.options.metrics_weight_setting and self.options.metrics_required else ()
        self.filters = filters.enabled((*self.options.enabled_filters, *required), more_filters)
        self.forced = tuple(rule for rule in self.filters if rule.when_forced)
        self.weighers = (*weighers.WEIGHERS.values(), *more_weighers)
        known = {weigher.multiplier for weigher in self.weighers}
        unknown = sorted(set(self.options.multipliers) - known)
        if unknown:
            raise ValueError(f"There is no weigher for {', '.join(unknown)}. There are: {', '.join(sorted(known))}.")


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """``hosts``: one name a server, in order, fewer than asked for where room ran out (then ``why`` says it). ``alternates``: next best.

    Where details were asked for: ``weights``, one a host, by weigher, and how many hosts each filter removed of those ``considered``.
    """

    hosts: tuple[str, ...]
    alternates: tuple[str, ...] = ()
    why: Why | None = None
    weights: tuple[dict[str, float], ...] = ()
    considered: int = 0
    removed: tuple[tuple[str, int], ...] = ()

    def alternates_of(self, host: str, count: int) -> list[str]:
        """Up to ``count`` hosts to try after ``host``, best first."""
        return [name for name in self.alternates if name != host][:count]


def select(table: HostTable, request: Request, count: int = 1, *, rules: Rules, now: float, alternates: int = 0, rng=random,
           details: bool = False) -> Selection:
    """Choose hosts for ``count`` servers of one request, and count them as used in the table.

    ``now``: seconds since 1970, for which hosts are alive. ``alternates``: how many further hosts to name. ``details``: say how they came about.
    """
    query = Query(table, request, rules.options, now)
    rows, checks = prepare(query, rules)
    removed: list[tuple[str, int]] | None = [] if details else None
    passed = _passing(table, rows, checks, request, removed)
    if not len(passed):
        return Selection((), why=_explain(query, rows, checks))
    board = Board(query, rules.weighers, passed)
    names, weights = [], []
    board, ended = _fill(query, rules, rows, checks, board, count, rng, names, weights if details else None)
    considered = table.size if isinstance(rows, slice) else len(rows)
    if ended:
        return Selection(tuple(names), (), _explain(query, rows, checks), tuple(weights), considered, tuple(removed or ()))
    spare = tuple(table.names[board.rows[position]] for position in board.heaviest(alternates + 1)) if alternates else ()
    return Selection(tuple(names), spare, None, tuple(weights), considered, tuple(removed or ()))


def _fill(query, rules, rows, checks, board, count, rng, names, weights):
    """Place one server after another; the board as it is then, and whether room ran out."""
    table, request = query.table, query.request
    again = [check for rule, check in checks if rule.consumes]
    while True:
        position = board.best(rules.options, rng)
        row = int(board.rows[position])
        if weights is not None:
            weights.append(board.terms(position))
        query.place(row)
        names.append(table.names[row])
        if len(names) == count:
            return board, False
        if all(check(slice(row, row + 1))[0] for check in again):
            board.update(position)
        else:
            board.drop(position)
        if request.group is not None and request.group.policy == "affinity" and not request.group.hosts and len(names) == 1:
            passed = _passing(table, rows, checks, request)
            if not len(passed):
                return board, True
            board = Board(query, rules.weighers, passed)
        if not len(board):
            return board, True


def undo(table: HostTable, request: Request, host: str) -> None:
    """Take back what ``select`` counted for one server on a host. A host that left the table is fine."""
    row = table.rows.get(host)
    table.demand[request.vcpus, request.memory_mb] -= 1
    if row is not None:
        table.consume(row, request.vcpus, request.memory_mb, request.disk_gb, sign=-1)
        table.likeness.consume(row, host, request.image, -1)
        if request.extras is not None:
            table.holdings.consume(row, host, request.extras, -1)


def prepare(query: Query, rules: Rules) -> tuple[slice | np.ndarray, list]:
    """The rows that the request lets in question, and (filter, check) pairs in order."""
    table, request = query.table, query.request
    forced = request.force_host or request.force_node
    host, node = (request.force_host, request.force_node) if forced else (request.host, request.node)
    rows: slice | np.ndarray = slice(0, table.size)
    if host:
        rows = np.array([table.rows[host]] if host in table.rows else [], np.intp)
        if node:
            rows = rows[[table.nodes[row] == node for row in rows]]
    elif node:
        rows = np.array([row for row, name in enumerate(table.nodes) if name == node], np.intp)
    checks = [(rule, guard.prepare(rule, query)) for rule in (rules.forced if forced else rules.filters)]
    return rows, [(rule, check) for rule, check in checks if check is not None]


def _passing(table, rows, checks, request, removed=None):
    """Numbers of the rows that pass every check, ascending; ``removed`` gets how many each check took."""
    mask = None
    left = table.size if isinstance(rows, slice) else len(rows)
    for rule, check in checks:
        verdict = check(rows)
        # Not in place: a verdict may be a view of a column.
        mask = verdict if mask is None else mask & verdict
        if removed is not None:
            before, left = left, int(np.count_nonzero(mask))
            if left < before:
                removed.append((rule.name, before - left))
    if mask is None:
        mask = np.ones(table.size if isinstance(rows, slice) else len(rows), np.bool_)
    passed = np.flatnonzero(mask)
    if not isinstance(rows, slice):
        passed = rows[passed]
    return less(table, passed, request.excluded)


def less(table: HostTable, passed: np.ndarray, names: Iterable[str]) -> np.ndarray:
    """``passed`` without the rows of these hosts."""
    rows = [table.rows[name] for name in names if name in table.rows]
    return passed[~np.isin(passed, rows)] if rows else passed


def _explain(query, rows, checks) -> Why:
    numbers = np.arange(query.table.size) if isinstance(rows, slice) else rows
    left = less(query.table, numbers, query.request.excluded)
    return why.explain(query, left, len(numbers) - len(left), checks)
