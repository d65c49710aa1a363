"""select: from a host table and a request to the hosts that take it, or to the reasons why none does.

One pass of the filters over all rows, one of the weighers over those that pass; for more than one server only the row just chosen is
judged and weighed again. The chosen rows are counted as used in the table at once; ``undo`` takes that back. Called by ``scheduler.claims``.
"""
import dataclasses
import random

import numpy as np

from nova_lite.scheduler.core import filters, weighers
from nova_lite.scheduler.core.board import Board
from nova_lite.scheduler.core.query import Query
from nova_lite.scheduler.core.request import Options, Request
from nova_lite.scheduler.core.table import HostTable


class Rules:
    """The filters and weighers in force, from the operator's options. Raises ValueError for a name that does not exist."""

    def __init__(self, options: Options | None = None):
        self.options = options or Options()
        self.filters = filters.enabled(self.options.enabled_filters)
        self.forced = tuple(rule for rule in self.filters if rule.when_forced)
        self.weighers = tuple(weighers.WEIGHERS.values())
        known = {weigher.multiplier for weigher in self.weighers}
        unknown = sorted(set(self.options.multipliers) - known)
        if unknown:
            raise ValueError(f"There is no weigher for {', '.join(unknown)}. There are: {', '.join(sorted(known))}.")


@dataclasses.dataclass(frozen=True, slots=True)
class Why:
    """Why a server found no host. ``removed``: (filter name, hosts it removed, words) in order; never names a host."""

    considered: int
    removed: tuple[tuple[str, int, str], ...]

    def __str__(self) -> str:
        if not self.considered:
            return "There is no host to consider"
        reasons = ", ".join(words for _name, _count, words in self.removed)
        hosts = "1 host" if self.considered == 1 else f"{self.considered} hosts"
        return f"{hosts} considered: {reasons}" if reasons else f"{hosts} considered"


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """``hosts``: one name a server, in order, fewer than asked for where room ran out (then ``why`` says it). ``alternates``: next best."""

    hosts: tuple[str, ...]
    alternates: tuple[str, ...] = ()
    why: Why | None = None

    def alternates_of(self, host: str, count: int) -> list[str]:
        """Up to ``count`` hosts to try after ``host``, best first."""
        return [name for name in self.alternates if name != host][:count]


def select(table: HostTable, request: Request, count: int = 1, *, rules: Rules, now: float, alternates: int = 0, rng=random) -> Selection:
    """Choose hosts for ``count`` servers of one request, and count them as used in the table.

    ``now``: seconds since 1970, for which hosts are alive. ``alternates``: how many further hosts to name.
    """
    query = Query(table, request, rules.options, now)
    rows, checks = _prepare(query, rules)
    passed = _passing(table, rows, checks, request)
    if not len(passed):
        return Selection((), why=_explain(query, rows, checks))
    board = Board(query, rules.weighers, passed)
    again = [check for rule, check in checks if rule.consumes]
    names: list[str] = []
    while True:
        position = board.best(rules.options, rng)
        row = int(board.rows[position])
        query.place(row)
        names.append(table.names[row])
        if len(names) == count:
            break
        if all(check(slice(row, row + 1))[0] for check in again):
            board.update(position)
        else:
            board.drop(position)
        if request.group is not None and request.group.policy == "affinity" and not request.group.hosts and len(names) == 1:
            board = Board(query, rules.weighers, _passing(table, rows, checks, request))
        if not len(board):
            return Selection(tuple(names), why=_explain(query, rows, checks))
    spare = tuple(table.names[board.rows[position]] for position in board.heaviest(alternates + 1)) if alternates else ()
    return Selection(tuple(names), spare)


def undo(table: HostTable, request: Request, host: str) -> None:
    """Take back what ``select`` counted for one server on a host. A host that left the table is fine."""
    row = table.rows.get(host)
    if row is not None:
        table.consume(row, request.vcpus, request.memory_mb, request.disk_gb, sign=-1)


def _prepare(query, rules):
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
    checks = [(rule, rule.prepare(query)) for rule in (rules.forced if forced else rules.filters)]
    return rows, [(rule, check) for rule, check in checks if check is not None]


def _passing(table, rows, checks, request):
    """Numbers of the rows that pass every check, ascending."""
    mask = None
    for _rule, check in checks:
        verdict = check(rows)
        # Not in place: a verdict may be a view of a column.
        mask = verdict if mask is None else mask & verdict
    if mask is None:
        mask = np.ones(table.size if isinstance(rows, slice) else len(rows), np.bool_)
    passed = np.flatnonzero(mask)
    if not isinstance(rows, slice):
        passed = rows[passed]
    return _less(table, passed, request.excluded)


def _less(table, passed, names):
    rows = [table.rows[name] for name in names if name in table.rows]
    return passed[~np.isin(passed, rows)] if rows else passed


def _explain(query, rows, checks) -> Why:
    table, excluded = query.table, query.request.excluded
    numbers = np.arange(table.size) if isinstance(rows, slice) else rows
    considered, removed = len(numbers), []
    numbers = _less(table, numbers, excluded)
    if len(numbers) < considered:
        count = considered - len(numbers)
        removed.append(("RetryFilter", count, f"{count} failed to build it before"))
    for rule, check in checks:
        kept = numbers[check(numbers)]
        if len(kept) < len(numbers):
            removed.append((rule.name, len(numbers) - len(kept), rule.reason(query, len(numbers) - len(kept))))
        numbers = kept
    return Why(considered, tuple(removed))
