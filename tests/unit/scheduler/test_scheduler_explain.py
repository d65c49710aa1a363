"""Explaining: the nearest miss in words, each host's verdict, capacity as a placement until nothing fits, and filters that raise."""
import copy
import random

import numpy as np
import pytest

from nova_lite.numa import sets
from nova_lite.scheduler.core import explain, one_host
from nova_lite.scheduler.core.filters.rule import Filter
from nova_lite.scheduler.core.request import Group, Options, Request
from nova_lite.scheduler.core.select import Rules, select
from nova_lite.scheduler.core.table import Aggregate, HostRow, HostTable

NOW = 1000.0
SMALL = Request(1, 1024, 1)


def host(name, **values) -> HostRow:
    return HostRow(**{"id": 1, "name": name, "node": name, "vcpus": 8, "memory_mb": 8192, "disk_gb": 100, "up_until": NOW + 1, **values})


def table_of(*rows, aggregates=()) -> HostTable:
    table = HostTable()
    table.set_aggregates(aggregates)
    for row in rows:
        table.put(row)
    return table


def why(table, request, rules=None) -> str:
    return str(select(table, request, rules=rules or Rules(), now=NOW).why)


@pytest.mark.parametrize(("rows", "request_", "text"), [
    # The hosts of the issue: three that lack memory, forty that are disabled.
    ([host(f"m{n}", memory_mb=512 + 100 * n) for n in range(3)] + [host(f"d{n}", enabled=False, memory_mb=256) for n in range(40)], SMALL,
     "43 hosts considered: 43 lack 1024 MB of RAM. Nearest miss: 3 hosts that otherwise fit lack 312 MB of RAM or more"),
    ([host(f"m{n}", memory_mb=512) for n in range(3)] + [host(f"d{n}", enabled=False) for n in range(40)], SMALL,
     "43 hosts considered: 3 lack 1024 MB of RAM, 40 are disabled or down. Nearest miss: 40 hosts that otherwise fit are disabled or down"),
    ([host("a", vcpus=2, memory_mb=512)], Request(3, 1024, 1),
     "1 host considered: 1 lacks 1024 MB of RAM. Nearest miss: 1 host that otherwise fits lacks 512 MB of RAM and lacks 1 vCPU"),
    ([host("a", memory_mb_used=8192)], SMALL, "1 host considered: 1 lacks 1024 MB of RAM"),
    ([host("a"), host("b")], Request(1, 1, 1, excluded=frozenset("ab")), "2 hosts considered: 2 failed to build it before"),
    ([], SMALL, "There is no host to consider"),
])
def test_the_nearest_miss_in_words(rows, request_, text):
    assert why(table_of(*rows), request_) == text


def test_explain_agrees_with_select_and_changes_nothing():
    rng = random.Random(1)
    rows = [host(f"h{n}", memory_mb_used=rng.choice((0, 2048, 8000)), vcpus=rng.choice((1, 8)), enabled=rng.random() > 0.2) for n in range(60)]
    table, rules = table_of(*rows), Rules()
    request = Request(2, 1024, 1, group=Group("g", "anti-affinity", {"h1": 1}), excluded=frozenset({"h2"}))
    before = copy.deepcopy(table.memory_used)
    found = explain.explain(table, request, rules, NOW, limit=100)
    assert (table.memory_used == before).all() and len(found["hosts"]) == 60
    passing = [each for each in found["hosts"] if each["passes"]]
    assert len(passing) == found["passing"] == 60 - sum(each["hosts"] for each in found["removed"])
    assert [each["weight"] for each in passing] == sorted((each["weight"] for each in passing), reverse=True)
    by_name = {each["host"]: each for each in found["hosts"]}
    assert by_name["h2"]["removed_by"] == ["RetryFilter"] and "ServerGroupAntiAffinityFilter" in by_name["h1"]["removed_by"]
    assert all(each["removed_by"] for each in found["hosts"] if not each["passes"])
    # What needs the fewest changes comes first among those that fail.
    counts = [len(each["removed_by"]) for each in found["hosts"] if not each["passes"] and each["removed_by"] != ["RetryFilter"]]
    assert counts == sorted(counts)
    selection = select(table, request, rules=rules, now=NOW, details=True)
    assert selection.hosts[0] == passing[0]["host"]
    assert selection.weights[0] == passing[0]["weights"]
    # A host that failed before may be taken by another rule first.
    assert 59 - found["passing"] <= sum(count for _name, count in selection.removed) <= 60 - found["passing"]


@pytest.mark.parametrize("seed", range(5))
def test_capacity_is_what_can_be_placed(seed):
    rng = random.Random(seed)
    rows = [host(f"h{n}", vcpus=rng.choice((2, 8)), vcpu_ratio=rng.choice((1.0, 2.5)), memory_mb_used=rng.choice((0, 3000, 8000)),
                 servers=rng.randint(0, 3), enabled=rng.random() > 0.2) for n in range(20)]
    table = table_of(*rows)
    rules = Rules(Options(enabled_filters=("ComputeFilter", "NumInstancesFilter"), max_servers_per_host=5))
    found = explain.capacity(table, SMALL, rules, NOW)
    assert found["servers"] == len(select(table, SMALL, 10000, rules=rules, now=NOW).hosts) > 0
    assert sum(each["servers"] for each in found["binds"]) == found["servers"]
    assert sum(each["hosts"] for each in found["binds"]) == found["passing"]
    assert explain.capacity(table, SMALL, rules, NOW)["servers"] == 0


def test_dedicated_cpus_bind_too():
    cells = sets.divide(sets.equal_cells(2, 16, 8192, 2, 0), sets.read("0-2,8-10", "3-7,11-15"))
    numa = {"cells": [cell.as_json() for cell in cells], "vcpu_ratio": 1.0, "memory_ratio": 1.0}
    rows = [host(f"h{n}", extras={"numa": numa}, extras_used={"numa": {"0": {"dedicated": list(range(3, 3 + n)), "memory_mb": n}}} if n else {})
            for n in range(3)] + [host("plain")]
    flavor = {"vcpus": 2, "memory_mb": 64, "extra_specs": {"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "require"}}
    asked, table, rules = Request.of(flavor, None, None), table_of(*rows), Rules(Options(enabled_filters=()))
    found = explain.capacity(table, asked, rules, NOW)
    # Five CPUs of each cell are two cores and one thread; of the first cells of the others one and two threads are gone.
    assert found["servers"] == len(select(table, asked, 100, rules=rules, now=NOW).hosts) == 4 + 4 + 3
    assert found["binds"] == [{"filter": "NUMATopologyFilter", "hosts": 3, "servers": 11}]
    assert why(table, asked) == "4 hosts considered: 4 lack 2 free dedicated CPUs beside each other and 64 MB on one NUMA node"


def raising(name, verdict):
    def prepare(query):
        def check(rows):
            return np.array([verdict(query.table.names[row]) for row in np.arange(query.table.size)[rows]], np.bool_)
        return check
    return Filter(name, prepare, "is odd", "are odd", consumes=True)


def test_a_filter_that_raises_drops_the_hosts_that_it_cannot_judge():
    def verdict(name):
        if name == "b":
            raise RuntimeError("no idea")
        return name != "c"
    rules = Rules(Options(enabled_filters=("OddFilter", "ComputeFilter")), [raising("OddFilter", verdict)])
    table = table_of(*map(host, "abcd"))
    selection = select(table, Request(1, 8192, 1), 3, rules=rules, now=NOW)
    assert set(selection.hosts) == {"a", "d"}
    assert str(selection.why).startswith("4 hosts considered: 2 lack 8192 MB of RAM, 1 is odd, 1 could not be judged by OddFilter.")


def test_a_filter_that_cannot_be_prepared_drops_all_hosts_of_that_request_alone():
    def prepare(query):
        if query.request.hints.get("colour"):
            raise KeyError("colour")
    rules = Rules(Options(enabled_filters=("ColourFilter",)), [Filter("ColourFilter", prepare, "has no colour", "have no colour")])
    table = table_of(host("a"), host("b"))
    assert why(table, Request(1, 1, 1, hints={"colour": "red"}), rules) == "2 hosts considered: 2 could not be judged by ColourFilter"
    assert len(select(table, Request(1, 1, 1), rules=rules, now=NOW).hosts) == 1


def test_rules_for_one_host_at_a_time_see_what_columns_see():
    class RackFilter:
        def passes(self, host, request):
            return host.metadata("rack") == "r1" and host.memory_mb_room >= request.memory_mb

    class NameWeigher:
        default = 1000.0

        def weigh(self, host, request):
            return -ord(host.name)

    table = table_of(host("a"), host("b", aggregates=(1,)), host("c", aggregates=(1,), memory_mb_used=1024),
                     aggregates=[Aggregate(1, "rack 1", meta={"rack": "r1"}), Aggregate(2, "rack 2", meta={"rack": "r2"})])
    rules = Rules(Options(enabled_filters=("RackFilter",)), [one_host.filter_of("RackFilter", RackFilter())],
                  [one_host.weigher_of("NameWeigher", NameWeigher())])
    selection = select(table, Request(1, 4096, 1), 5, rules=rules, now=NOW)
    assert selection.hosts == ("b", "b", "c")
    assert "RackFilter" in str(selection.why)
    facts = one_host.facts(table, table.rows["c"])
    assert (facts.memory_mb, facts.memory_mb_used, facts.memory_mb_room, facts.zone, facts.servers) == (8192, 5120, 3072, "nova", 1)
