"""Likeness: how many servers with which image properties each host of a table has. Kept only where ImagePropertiesWeigher counts for something.

A *pair* is a property's name and its value as text; each pair that anybody asked about, or any server has, is a column.
"""
from collections import Counter
from collections.abc import Mapping

import numpy as np

PREFIXES = ("hw_", "os_", "img_")
MOST_COLUMNS = 1024
"""Beyond it columns that nobody has any more are forgotten."""

Pair = tuple[str, str]


def pairs(properties: Mapping) -> list[Pair]:
    """Of an image's properties those that say something of the machine."""
    return [(name, str(value)) for name, value in properties.items() if name.startswith(PREFIXES)]


class Likeness:
    """Only ``HostTable`` and what fills it change it. ``hosts``: by name, how many servers have each pair."""

    def __init__(self, capacity: int):
        self._capacity = capacity
        self._columns: dict[Pair, np.ndarray] = {}
        self.hosts: dict[str, Counter[Pair]] = {}

    def column(self, pair: Pair) -> np.ndarray:
        """How many servers with the pair each row has."""
        if pair not in self._columns:
            if len(self._columns) >= MOST_COLUMNS:
                self._columns = {known: column for known, column in self._columns.items() if column.any()}
            self._columns[pair] = np.zeros(self._capacity)
        return self._columns[pair]

    def put(self, row: int, name: str, counts: Counter) -> None:
        """A host has these servers, and no others."""
        for pair in self.hosts.pop(name, ()):
            self.column(pair)[row] = 0
        for pair, count in counts.items():
            self.column(pair)[row] = count
        if counts:
            self.hosts[name] = counts

    def consume(self, row: int, name: str, properties: Mapping, sign: int) -> None:
        """Count one server more, or with -1 one less, with these properties."""
        if self._columns:
            found = self.hosts.setdefault(name, Counter())
            for pair in pairs(properties):
                found[pair] += sign
                self.column(pair)[row] += sign

    def move(self, row: int, last: int) -> None:
        """The host of row ``last`` is in ``row`` from now on."""
        for column in self._columns.values():
            column[row] = column[last]
            column[last] = 0

    def grow(self) -> None:
        """Twice as many rows."""
        self._capacity *= 2
        for pair, column in self._columns.items():
            self._columns[pair] = np.concatenate([column, np.zeros_like(column)])
