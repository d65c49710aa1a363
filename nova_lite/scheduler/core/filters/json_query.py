"""JsonFilter: the hint ``query``, such as ``["and", [">=", "$free_ram_mb", 1024], ["=", "$hypervisor_type", "QEMU"]]``.

A query that cannot be read is satisfied by no host. An unknown ``$name`` is left out of its list, as if it had not been written.
"""
import functools
import json
import operator

import numpy as np

from nova_lite.scheduler.core.filters.attributes import CPU_INFO, NUMBERS, TEXTS, cpu_value
from nova_lite.scheduler.core.filters.rule import Filter

COMPARISONS = {"=": operator.eq, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
MAX_DEPTH = 20


class Unreadable(ValueError):
    """The query is not in the grammar."""


def json_filter(query):
    text = query.request.hints.get("query")
    if isinstance(text, list) and len(text) == 1 and isinstance(text[0], str):
        text = text[0]
    if not text:
        return None
    table = query.table
    try:
        tree = json.loads(text) if isinstance(text, str) else text
        _check(tree, 0)
    except (ValueError, RecursionError):
        return lambda rows: np.zeros(len(table.zone[rows]), np.bool_)
    return lambda rows: truth(evaluate(tree, table, rows), len(table.zone[rows]))


def _check(tree, depth):
    if not isinstance(tree, list) or depth > MAX_DEPTH:
        raise Unreadable(tree)
    if tree and (not isinstance(tree[0], str) or tree[0] not in (*COMPARISONS, "in", "not", "or", "and")):
        raise Unreadable(tree[0])
    for item in tree[1:]:
        if isinstance(item, list):
            _check(item, depth + 1)


def evaluate(tree, table, rows):
    """The value of a checked query: an array, or one value for all rows."""
    if not tree:
        return True
    values = [value for value in (_value(item, table, rows) for item in tree[1:]) if value is not None]
    size = len(table.zone[rows])
    if tree[0] == "or":
        return functools.reduce(np.logical_or, (truth(value, size) for value in values), np.zeros(size, np.bool_))
    if tree[0] == "and":
        return functools.reduce(np.logical_and, (truth(value, size) for value in values), np.ones(size, np.bool_))
    if tree[0] == "not":
        return functools.reduce(np.logical_or, (~truth(value, size) for value in values), np.zeros(size, np.bool_))
    if len(values) < 2:
        return np.zeros(size, np.bool_)
    if tree[0] == "in":
        return functools.reduce(np.logical_or, (_compare(operator.eq, values[0], value, size) for value in values[1:]))
    return functools.reduce(np.logical_and, (_compare(COMPARISONS[tree[0]], values[0], value, size) for value in values[1:]))


def _value(item, table, rows):
    if isinstance(item, list):
        return evaluate(item, table, rows)
    if not isinstance(item, str) or not item.startswith("$"):
        return None if item == "" else item
    name, *path = item[1:].split(".")
    if name in NUMBERS and not path:
        return NUMBERS[name](table, rows)
    if name in TEXTS and not path:
        return TEXTS[name](table, rows)
    if name == CPU_INFO and path:
        values = np.empty(len(table.cpus.values), object)
        values[:] = [_scalar(cpu_value(text, tuple(path))) for text in table.cpus.values]
        return values[table.cpu_class[rows]]
    return None


def _scalar(value):
    return value if isinstance(value, str | int | float) else None


def _compare(compare, first, second, size):
    try:
        return truth(compare(first, second), size)
    except TypeError:
        # Some rows hold what cannot be ordered: ask each.
        return np.array([_orderly(compare, one, two) for one, two in zip(_spread(first, size), _spread(second, size), strict=True)], np.bool_)


def _spread(value, size):
    return value.tolist() if isinstance(value, np.ndarray) else [value] * size


def _orderly(compare, one, two) -> bool:
    try:
        return bool(compare(one, two))
    except TypeError:
        return False


def truth(value, size) -> np.ndarray:
    """A value of a query as one bool a row."""
    return value.astype(np.bool_) if isinstance(value, np.ndarray) else np.full(size, bool(value))


FILTERS = (Filter("JsonFilter", json_filter, "does not satisfy the query", "do not satisfy the query", consumes=True),)
