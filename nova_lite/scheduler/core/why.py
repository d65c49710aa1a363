"""Why: how many hosts each rule removed, in order, and the nearest miss. Words for users: they count hosts and never name one.

Made only when a server finds no host, and for the operator who asks (``scheduler.core.explain``).
"""
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class Why:
    """``removed``: (filter name, hosts it removed, words) in order. ``nearest``: the hosts that fail by least, in words, where that says more."""

    considered: int
    removed: tuple[tuple[str, int, str], ...]
    nearest: str = ""

    def __str__(self) -> str:
        if not self.considered:
            return "There is no host to consider"
        reasons = ", ".join(words for _name, _count, words in self.removed)
        text = f"{hosts(self.considered)} considered"
        if reasons:
            text += f": {reasons}"
        return f"{text}. Nearest miss: {self.nearest}" if self.nearest else text


def hosts(count: int) -> str:
    """``1 host``, ``7 hosts``."""
    return "1 host" if count == 1 else f"{count} hosts"


def verdicts(numbers: np.ndarray, checks) -> np.ndarray:
    """Which of the rows ``numbers`` pass which check: one line a check."""
    found = np.empty((len(checks), len(numbers)), np.bool_)
    for line, (_rule, check) in zip(found, checks, strict=True):
        line[:] = check(numbers)
    return found


def explain(query, numbers: np.ndarray, excluded: int, checks) -> Why:
    """``numbers``: rows of the hosts that no earlier build failed on; ``excluded``: how many others were considered."""
    removed = [("RetryFilter", excluded, f"{excluded} failed to build it before")] if excluded else []
    passed = verdicts(numbers, checks)
    kept = np.ones(len(numbers), np.bool_)
    for line, (rule, _check) in zip(passed, checks, strict=True):
        count = int(np.count_nonzero(kept & ~line))
        if count:
            removed.append((rule.name, count, _reason(query, rule, numbers[kept & ~line])))
            kept &= line
    return Why(len(numbers) + excluded, tuple(removed), _nearest(query, numbers, passed, checks, len(removed)))


def _reason(query, rule, rows) -> str:
    unjudged = len(query.failed.get(rule.name, set()).intersection(rows.tolist()))
    words = [rule.reason(query, len(rows) - unjudged)] if unjudged < len(rows) else []
    return ", ".join([*words, f"{unjudged} could not be judged by {rule.name}"] if unjudged else words)


def _nearest(query, numbers, passed, checks, reasons: int) -> str:
    """The hosts that fail the fewest rules, and of these the most frequent set of rules."""
    failed = ~passed
    fails = failed.sum(axis=0)
    if not len(numbers) or not fails.min():
        return ""
    closest = np.flatnonzero(fails == fails.min())
    codes = failed[:, closest].T @ (1 << np.arange(len(checks), dtype=np.int64))
    kinds, counts = np.unique(codes, return_counts=True)
    kind = int(kinds[counts.argmax()])
    rows = numbers[closest[codes == kind]]
    rules = [rule for position, (rule, _check) in enumerate(checks) if kind >> position & 1]
    amounts = [rule.least(query, rows) for rule in rules]
    if reasons == 1 and len(rules) == 1 and (amounts[0] is None or amounts[0] == rules[0].asks(query.request)):
        return ""
    words = " and ".join(rule.words(query, len(rows)) if amount is None else rule.lacks(amount, len(rows))
                         for rule, amount in zip(rules, amounts, strict=True))
    return f"{hosts(len(rows))} that otherwise {'fits' if len(rows) == 1 else 'fit'} {words}"
