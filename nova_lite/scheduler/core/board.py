"""Board: the hosts that passed, with their weights; kept exact while servers of one request are placed on them one after another.

Only ``select`` uses it. Positions on the board keep the order of the table's rows, so that equal hosts are taken in that order.
"""
import numpy as np

from nova_lite.scheduler.core import weighers


class Lane:
    """One weigher's raw weights of the hosts on the board. ``factor``: its multiplier over the span of the weights, 0 without a span."""

    __slots__ = ("name", "floor", "raw", "column", "multiplier", "consumes", "low", "high", "factor")

    def __init__(self, weigher, raw, multiplier, rows):
        self.name = weigher.name
        self.floor = weigher.floor
        self.raw = raw
        self.consumes = weigher.consumes
        self.multiplier = multiplier if isinstance(multiplier, float) else multiplier[rows]
        self.column = raw(rows)
        if self.floor is not None:
            np.maximum(self.column, self.floor, out=self.column)
        self.span()

    def span(self) -> bool:
        """Find the least and largest weight anew; whether one of them moved."""
        low = float(self.column.min()) if self.floor is None else self.floor
        high = float(self.column.max())
        moved = not hasattr(self, "low") or low != self.low or high != self.high
        self.low, self.high = low, high
        self.factor = self.multiplier / (high - low) if high > low else 0.0
        return moved

    def put(self, position, row) -> bool:
        """Weigh one host anew; whether the span moved."""
        value = float(self.raw(slice(row, row + 1))[0])
        if self.floor is not None and value < self.floor:
            value = self.floor
        old = self.column[position]
        self.column[position] = value
        at_edge = value > self.high or old == self.high or (self.floor is None and (value < self.low or old == self.low))
        return at_edge and self.span()

    def drop(self, position) -> bool:
        """Take a host out; whether the span moved."""
        old = self.column[position]
        self.column = without(self.column, position)
        own = not isinstance(self.multiplier, float)
        if own:
            self.multiplier = without(self.multiplier, position)
        if not len(self.column):
            return False
        # Factors that differ by host stand in a column of their own, which has to be made anew.
        return (own or old in (self.high, self.low)) and (self.span() or own)

    @property
    def idle(self) -> bool:
        return isinstance(self.factor, float) and self.factor == 0.0


def without(column, position):
    """The column less one place, in order; moves what follows within the same memory."""
    column[position:-1] = column[position + 1:]
    return column[:-1]


class Board:
    """``rows``: table rows that passed, ascending. ``score``: their weights in all."""

    def __init__(self, query, rules, rows):
        self.rows = rows
        self._few = None
        self.lanes = []
        for weigher in rules:
            multiplier = weighers.multiplier(weigher, query)
            raw = weigher.prepare(query) if multiplier is not None else None
            if raw is not None:
                self.lanes.append(Lane(weigher, raw, multiplier, rows))
        self.score = np.empty(len(rows))
        self._term = np.empty(len(rows))
        self._score_all()

    def __len__(self) -> int:
        return len(self.rows)

    def best(self, options, rng) -> int:
        """The position of the host to take: the heaviest, or as the options for subsets and ties say."""
        if options.host_subset_size > 1 and len(self.rows) > 1:
            return int(rng.choice(self._best_few(options.host_subset_size)))
        position = int(self.score.argmax())
        if options.shuffle_best_same_weighed_hosts:
            return int(rng.choice(np.flatnonzero(self.score == self.score[position]).tolist()))
        return position

    def _best_few(self, count: int) -> list[int]:
        """``heaviest``, from positions found before as long as nobody outside of them can be heavier."""
        if self._few is None or len(self._few) < min(count, len(self.rows)):
            self._few = np.array(self.heaviest(4 * count))
            self._least = self.score[self._few[-1]] if len(self._few) < len(self.rows) else -np.inf
        scores = self.score[self._few]
        order = np.argsort(-scores, kind="stable")[:count]
        if scores[order[-1]] < self._least:
            self._few = None
            return self._best_few(count)
        return self._few[order].tolist()

    def heaviest(self, count: int) -> list[int]:
        """Positions of the ``count`` heaviest hosts, heaviest first."""
        if count >= len(self.rows):
            return np.argsort(-self.score, kind="stable").tolist()
        if count > 8:
            top = np.sort(np.argpartition(-self.score, count)[:count])
            return top[np.argsort(-self.score[top], kind="stable")].tolist()
        # A few passes are cheaper than a partition, and take equal hosts in the table's order.
        found, held = [], []
        for _ in range(count):
            position = int(self.score.argmax())
            found.append(position)
            held.append(self.score[position])
            self.score[position] = -np.inf
        self.score[found] = held
        return found

    def update(self, position: int) -> None:
        """The host at ``position`` took a server and still passes: weigh it anew."""
        row = self.rows[position]
        moved = False
        for lane in self.lanes:
            if lane.consumes and lane.put(position, row):
                moved = True
        if moved:
            self._score_all()
        else:
            self.score[position] = self._score_one(position)

    def drop(self, position: int) -> None:
        """The host at ``position`` passes no more."""
        self._few = None
        self.rows = without(self.rows, position)
        self.score = without(self.score, position)
        self._term = self._term[:-1]
        moved = False
        for lane in self.lanes:
            if lane.drop(position):
                moved = True
        if moved and len(self.rows):
            self._score_all()

    def weights(self, position: int) -> float:
        """The weight in all of one host."""
        return float(self.score[position])

    def terms(self, position: int) -> dict[str, float]:
        """The weights of one host by weigher, those left out that tell no hosts apart."""
        found = {}
        for lane in self.lanes:
            if not lane.idle:
                factor = lane.factor if isinstance(lane.factor, float) else lane.factor[position]
                found[lane.name] = float((lane.column[position] - lane.low) * factor)
        return found

    def _score_all(self) -> None:
        self._few = None
        score, term = self.score, self._term
        score.fill(0.0)
        for lane in self.lanes:
            if lane.idle:
                continue
            if lane.low:
                np.subtract(lane.column, lane.low, out=term)
                np.multiply(term, lane.factor, out=term)
            else:
                np.multiply(lane.column, lane.factor, out=term)
            np.add(score, term, out=score)

    def _score_one(self, position: int) -> float:
        total = 0.0
        for lane in self.lanes:
            if lane.idle:
                continue
            factor = lane.factor if isinstance(lane.factor, float) else lane.factor[position]
            total += (lane.column[position] - lane.low) * factor
        return total
