"""The small language of extra specs: ``>= 4``, ``s== x``, ``<in> avx``, ``<or> a <or> b``. A value without an operator means equality."""
import operator
from collections.abc import Callable

import numpy as np

NUMERIC: dict[str, Callable] = {
    "=": operator.ge, ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}
TEXT: dict[str, Callable] = {
    "s==": operator.eq, "s!=": operator.ne, "s<": operator.lt, "s<=": operator.le, "s>": operator.gt, "s>=": operator.ge,
}


def match(value: str, want: str) -> bool:
    """Whether a text satisfies ``want``. An operator without operand, or a number that is none, is satisfied by nothing."""
    words = str(want).split()
    first = words[0] if words else ""
    if first == "<or>":
        return value in words[1::2]
    if first == "<in>":
        return len(words) > 1 and words[1] in value
    if first == "<all-in>":
        return len(words) > 1 and all(word in value for word in words[1:])
    if first in TEXT:
        return len(words) > 1 and TEXT[first](value, words[1])
    if first in NUMERIC:
        try:
            return len(words) > 1 and NUMERIC[first](float(value), float(words[1]))
        except ValueError:
            return False
    return value == str(want)


def match_numbers(column: np.ndarray, want: str) -> np.ndarray:
    """``match`` for a column of numbers."""
    words = str(want).split()
    if len(words) > 1 and words[0] in NUMERIC:
        try:
            return NUMERIC[words[0]](column, float(words[1]))
        except ValueError:
            return np.zeros(len(column), np.bool_)
    values, inverse = np.unique(column, return_inverse=True)
    return np.array([match(number_text(value), want) for value in values.tolist()], np.bool_)[inverse]


def number_text(value: float) -> str:
    """A number as a host would report it: whole ones without a point."""
    return str(int(value)) if value == int(value) else str(value)
