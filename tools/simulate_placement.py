#!/usr/bin/env python3
"""Replay a trace of servers against the scheduler's core: how many hosts are needed, how full they are, what is refused, decisions a second.

    tools/with_venv.sh python tools/simulate_placement.py TRACE --weights best_fit_weight_multiplier=1
    tools/with_venv.sh python tools/simulate_placement.py TRACE --weights holes_weight_multiplier=1 --png packed.png

TRACE: lines ``start_s,end_s,cores,ram_gb,batch`` in order of arrival, plain or gzip; no ``end_s``: still running at the end. Three runs on
identical, empty hosts without over-commit: on more hosts than can be needed (the peak of hosts in use), on as many as the lower bound, and on
3 % more. With ``--migrations-per-day`` hosts that are little used are emptied once an hour where all their servers fit on other used hosts, as long
as the moves since the start are no more than so many a server and day. Density: what the running servers need, in hosts (cores or RAM, whichever
is more), over the hosts in use, both summed over time.
"""
import argparse
import csv
import dataclasses
import gzip
import heapq
import json
import math
import pathlib
import sys
import time
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nova_lite.scheduler.core import weighers  # noqa: E402
from nova_lite.scheduler.core.request import Options, Request  # noqa: E402
from nova_lite.scheduler.core.select import Rules, select  # noqa: E402
from nova_lite.scheduler.core.table import HostRow, HostTable  # noqa: E402

GB = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Arrival:
    """A server of the trace. Times in seconds, memory in MB; ``end`` is infinite for one that runs on."""

    start: float
    end: float
    vcpus: int
    memory_mb: int


@dataclasses.dataclass
class Replay:
    """What came of one run. ``curve``: (time, hosts needed at least, hosts in use) now and then."""

    hosts: int
    peak: int = 0
    rejected: int = 0
    decisions: int = 0
    moves: int = 0
    server_days: float = 0.0
    seconds: float = 0.0
    needed: float = 0.0
    used: float = 0.0
    curve: list = dataclasses.field(default_factory=list)

    @property
    def density(self) -> float:
        return self.needed / self.used if self.used else 0.0


def read(path: str) -> list[Arrival]:
    """The trace of a file. Raises ValueError for lines of another form."""
    with gzip.open(path, "rt") if path.endswith(".gz") else open(path, encoding="utf-8") as lines:
        return [Arrival(float(row["start_s"]), float(row["end_s"]) if row["end_s"] else math.inf, int(row["cores"]),
                        round(float(row["ram_gb"]) * GB)) for row in csv.DictReader(lines)]


def events(trace: list[Arrival]) -> Iterator[tuple[float, Arrival | None, Arrival | None]]:
    """(time, who arrives, None) and (time, None, who leaves), in order of time; who leaves at the same moment goes first."""
    leaving: list[tuple[float, int, Arrival]] = []
    for number, arrival in enumerate(trace):
        while leaving and leaving[0][0] <= arrival.start:
            at, _number, left = heapq.heappop(leaving)
            yield at, None, left
        yield arrival.start, arrival, None
        if arrival.end < math.inf:
            heapq.heappush(leaving, (max(arrival.end, arrival.start), number, arrival))


def lower_bound(trace: list[Arrival], cores: int, memory_mb: int) -> int:
    """Hosts that the trace needs at its peak, whoever places it."""
    vcpus = memory = peak = 0
    for _time, arrived, left in events(trace):
        one, sign = (arrived, 1) if arrived is not None else (left, -1)
        vcpus, memory = vcpus + sign * one.vcpus, memory + sign * one.memory_mb
        peak = max(peak, math.ceil(max(vcpus / cores, memory / memory_mb)))
    return peak


class Hosts:
    """Identical hosts, and which servers are on them. ``where``: the row of each, ``on``: those of each row."""

    def __init__(self, count: int, cores: int, memory_mb: int, rules: Rules):
        self.table = HostTable(capacity=count)
        self.rules, self.cores, self.memory_mb = rules, cores, memory_mb
        self.where: dict[int, int] = {}
        self.on: list[dict[int, Arrival]] = [{} for _ in range(count)]
        self.in_use = self.vcpus = self.memory = 0
        for number in range(count):
            self.table.put(HostRow(id=number, name=f"h{number:05}", node="", vcpus=cores, memory_mb=memory_mb, disk_gb=1))

    def place(self, arrival: Arrival, away_from: frozenset[str] = frozenset()) -> bool:
        """Find a host; False: none has room."""
        found = select(self.table, Request(arrival.vcpus, arrival.memory_mb, 0, excluded=away_from), rules=self.rules, now=0.0)
        if not found.hosts:
            return False
        self._put(arrival, self.table.rows[found.hosts[0]])
        return True

    def _put(self, arrival: Arrival, row: int) -> None:
        self.table.io_ops[row] = 0
        self.where[id(arrival)] = row
        self.on[row][id(arrival)] = arrival
        self.in_use += self.table.servers[row] == 1
        self.vcpus, self.memory = self.vcpus + arrival.vcpus, self.memory + arrival.memory_mb

    def leave(self, arrival: Arrival) -> None:
        """A server ends; one that was rejected is not here."""
        row = self.where.pop(id(arrival), None)
        if row is None:
            return
        del self.on[row][id(arrival)]
        self.table.consume(row, arrival.vcpus, arrival.memory_mb, 0, sign=-1)
        self.table.io_ops[row] = 0
        self.in_use -= self.table.servers[row] == 0
        self.vcpus, self.memory = self.vcpus - arrival.vcpus, self.memory - arrival.memory_mb

    def empty_some(self, budget: int, tries: int = 60) -> int:
        """Move the servers of the least used hosts to other used ones, whole hosts only, with at most ``budget`` moves; how many were made."""
        made = 0
        used = sorted((row for row in range(len(self.on)) if self.on[row]), key=lambda row: (len(self.on[row]), self.table.vcpus_used[row]))
        for row in used[:tries]:
            if self.on[row] and made + len(self.on[row]) <= budget:
                made += self._empty(row)
        return made

    def _empty(self, row: int) -> int:
        # A server that would go to an empty host is no gain.
        away = frozenset(name for other, name in enumerate(self.table.names) if other == row or not self.on[other])
        moved = []
        for arrival in sorted(self.on[row].values(), key=lambda one: -one.vcpus):
            self.leave(arrival)
            self.table.demand[arrival.vcpus, arrival.memory_mb] -= 1
            moved.append(arrival)
            if not self.place(arrival, away):
                break
        else:
            return len(moved)
        for arrival in moved:
            self.leave(arrival)
            self.table.consume(row, arrival.vcpus, arrival.memory_mb, 0)
            self._put(arrival, row)
        return 0

    @property
    def needed(self) -> float:
        """Hosts that would do for what runs, in fractions."""
        return max(self.vcpus / self.cores, self.memory / self.memory_mb)


HOUR, DAY = 3600.0, 86400.0


def replay(trace: list[Arrival], count: int, cores: int, memory_mb: int, rules: Rules, points: int = 500, migrations: float = 0.0) -> Replay:
    """Place the whole trace on ``count`` hosts. ``migrations``: how many moves a server and day may be made."""
    hosts, result = Hosts(count, cores, memory_mb, rules), Replay(count)
    last, every = trace[0].start, max(1, len(trace) // points)
    tidy_at = last + HOUR
    for moment, arrived, left in events(trace):
        if migrations and moment >= tidy_at:
            tidy_at += HOUR
            result.moves += hosts.empty_some(int(migrations * result.server_days) - result.moves)
        result.server_days += len(hosts.where) * (moment - last) / DAY
        result.needed += hosts.needed * (moment - last)
        result.used += hosts.in_use * (moment - last)
        last = moment
        if left is not None:
            hosts.leave(left)
            continue
        begun = time.perf_counter()
        placed = hosts.place(arrived)
        result.seconds += time.perf_counter() - begun
        result.decisions += 1
        result.rejected += not placed
        result.peak = max(result.peak, int(hosts.in_use))
        if result.decisions % every == 0:
            result.curve.append((moment - trace[0].start, hosts.needed, int(hosts.in_use)))
    return result


def make_rules(filters: str, weights: list[str]) -> Rules:
    """The rules of a run: the named filters, and no weigher but the named ones."""
    multipliers = dict.fromkeys((weigher.multiplier for weigher in weighers.WEIGHERS.values()), 0.0)
    multipliers |= {name: float(value) for name, _, value in (text.partition("=") for text in weights)}
    return Rules(Options(enabled_filters=tuple(filters.split(",")), multipliers=multipliers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("trace", metavar="TRACE")
    parser.add_argument("--cores", type=int, default=48, help="of a host")
    parser.add_argument("--memory-gb", type=int, default=192, help="of a host")
    parser.add_argument("--filters", default="ComputeFilter", help="names, separated by commas; room for vCPUs and RAM is always asked for")
    parser.add_argument("--weights", nargs="*", default=["best_fit_weight_multiplier=1"], metavar="NAME=VALUE", help="all others are 0")
    parser.add_argument("--migrations-per-day", type=float, default=0.0, metavar="N", help="moves a server and day that may be made to empty hosts")
    parser.add_argument("--first", type=int, metavar="N", help="only the first N lines of the trace")
    parser.add_argument("--png", metavar="FILE", help="draw needed hosts and hosts in use over time, of the run on 3 %% more than the lower bound")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there too")
    args = parser.parse_args()
    trace = read(args.trace)[:args.first]
    memory_mb, rules = args.memory_gb * GB, make_rules(args.filters, args.weights)
    bound = lower_bound(trace, args.cores, memory_mb)
    print(f"{len(trace)} servers; lower bound {bound} hosts of {args.cores} cores and {args.memory_gb} GB")
    runs = {}
    for name, count in (("unbounded", 3 * bound), ("bound", bound), ("bound + 3 %", round(1.03 * bound))):
        runs[name] = run = replay(trace, count, args.cores, memory_mb, rules, migrations=args.migrations_per_day)
        print(f"{name:>12}: {count} hosts, peak {run.peak} ({run.peak / bound:.3f} of the bound), density {run.density:.3f}, "
              f"{run.rejected} rejected, {run.moves / run.server_days:.2f} moves a server and day, {run.decisions / run.seconds:.0f} decisions/s",
              flush=True)
    if args.png:
        import line_chart
        curve = runs["bound + 3 %"].curve
        pathlib.Path(args.png).write_bytes(line_chart.draw([[(x, needed) for x, needed, _used in curve], [(x, used) for x, _needed, used in curve]]))
    if args.json:
        plain = {name: {**dataclasses.asdict(run), "density": run.density} for name, run in runs.items()}
        pathlib.Path(args.json).write_text(json.dumps({"servers": len(trace), "bound": bound, "runs": plain}, indent=1) + "\n")


if __name__ == "__main__":
    main()
