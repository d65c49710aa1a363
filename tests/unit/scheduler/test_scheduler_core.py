"""Every vectorised rule equals its plain reading on random hosts and requests, and ``select`` a placement one server after another."""
import dataclasses
import importlib.util
import pathlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_lite import config
from nova_lite.compute import room
from nova_lite.db.extras import total
from nova_lite.scheduler.core import extras, filters, resources, weighers
from nova_lite.scheduler.core.board import Board
from nova_lite.scheduler.core.query import Query
from nova_lite.scheduler.core.request import Group, Options, Request, disk_gb
from nova_lite.scheduler.core.select import Rules, select, undo
from nova_lite.scheduler.core.table import COLUMNS, Aggregate, HostRow, HostTable

_spec = importlib.util.spec_from_file_location("plain", pathlib.Path(__file__).with_name("plain.py"))
plain = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(plain)

NOW = plain.NOW
FEW = settings(max_examples=60, deadline=None)
ROOM = Request(vcpus=1, memory_mb=1, disk_gb=1)


def host(name, **values):
    return HostRow(**{"id": 1, "name": name, "node": f"node-{name}", "vcpus": 8, "memory_mb": 8192, "disk_gb": 100, **values})


def table_of(*rows, aggregates=()):
    table = HostTable()
    table.set_aggregates(aggregates)
    for row in rows:
        table.put(row)
    return table


# ---- rules against their plain reading
@FEW
@given(plain.host_lists, plain.requests)
def test_room_is_what_the_arithmetic_says(rows, request):
    query = Query(plain.table_of(rows), request, Options(), NOW)
    checks = [check for check in (rule.prepare(query) for rule in filters.capacity.FILTERS) if check]
    mask = np.all([check(slice(0, len(rows))) for check in checks], axis=0)
    assert mask.tolist() == [plain.has_room(row, request) for row in rows]


@pytest.mark.parametrize("name", sorted(plain.FILTERS))
@FEW
@given(data=st.data())
def test_each_filter_equals_its_plain_reading(name, data):
    rows, request = data.draw(plain.host_lists), data.draw(plain.requests)
    options = data.draw(plain.options)
    table = plain.table_of(rows)
    check = filters.FILTERS[name].prepare(Query(table, request, options, NOW))
    expected = [plain.FILTERS[name](row, request, options) for row in rows]
    verdict = check(slice(0, len(rows))) if check else np.ones(len(rows), bool)
    assert verdict.tolist() == expected
    if check:
        # One row at a time, and picked rows, give the same.
        assert [bool(check(slice(row, row + 1))[0]) for row in range(len(rows))] == expected
        picked = np.arange(len(rows))[::2]
        assert check(picked).tolist() == expected[::2]


@FEW
@given(plain.host_lists, plain.requests, st.dictionaries(st.tuples(st.integers(1, 4), st.integers(1, 6)), st.integers(1, 9), max_size=6))
def test_weights_of_packing_equal_their_plain_reading(rows, request, demand):
    table = plain.table_of(rows)
    table.demand.update(demand)
    query = Query(table, request, Options(), NOW)
    raw = weighers.WEIGHERS["BestFitWeigher"].prepare(query)
    assert raw(slice(0, len(rows))) == pytest.approx([plain.full(row) for row in rows])
    raw = weighers.WEIGHERS["HolesWeigher"].prepare(query)
    expected = [plain.full(row) - 2.0 * plain.lost_servers(row, request, demand) for row in rows]
    assert raw(slice(0, len(rows))) == pytest.approx(expected)
    assert [raw(slice(row, row + 1))[0] for row in range(len(rows))] == pytest.approx(expected)


@FEW
@given(plain.host_lists, plain.requests, plain.options)
def test_weights_of_metrics_equal_their_plain_reading(rows, request, options):
    table = plain.table_of([])
    for row in (*rows, *reversed(rows)):
        table.put(row)
    table.remove(rows[0].name)
    kept = {row.name: row for row in rows[1:]}
    raw = weighers.WEIGHERS["MetricsWeigher"].prepare(Query(table, request, options, NOW))
    assert (raw is None) == (not any(ratio for _name, ratio in options.metrics_weight_setting))
    if raw is not None:
        assert raw(slice(0, table.size)).tolist() == pytest.approx([plain.told(kept[name], options) for name in table.names])


def test_metrics_that_are_required_take_hosts_out_and_others_put_them_last():
    table = table_of(host("silent", memory_mb=9000), host("busy", metrics={"cpu.percent": 0.9}), host("idle", metrics={"cpu.percent": 0.1}))
    setting = {"metrics_weight_setting": (("cpu.percent", -1.0),), "multipliers": {"metrics_weight_multiplier": 10.0}}
    selection = select(table, ROOM, rules=Rules(Options(**setting)), now=NOW, alternates=3)
    assert (selection.hosts, selection.alternates_of("idle", 3)) == (("idle",), ["busy"])
    rules = Rules(Options(metrics_required=False, **setting))
    assert select(table, ROOM, rules=rules, now=NOW, alternates=3).alternates_of("idle", 3) == ["busy", "silent"]


def test_a_small_server_goes_where_no_larger_one_loses_its_room():
    table = table_of(host("odd", vcpus=9, vcpus_used=0, memory_mb=99), host("even", id=2, vcpus=12, vcpus_used=4, memory_mb=99))
    rules = Rules(Options(enabled_filters=(), multipliers={
        "holes_weight_multiplier": 1.0, "ram_weight_multiplier": 0.0, "cpu_weight_multiplier": 0.0}))
    table.demand[8, 8] = 5
    assert select(table, ROOM, rules=rules, now=NOW).hosts == ("odd",)
    assert select(table, ROOM, rules=rules, now=NOW).hosts == ("even",)
    undo(table, ROOM, "odd")
    assert table.demand[ROOM.vcpus, ROOM.memory_mb] == 1


def grown(rows, name, request):
    """The rows after one server of the request was placed on ``name``."""
    group = request.group
    if group is not None:
        request = dataclasses.replace(request, group=dataclasses.replace(group, hosts={**group.hosts, name: group.hosts.get(name, 0) + 1}))
    return [dataclasses.replace(
        row, vcpus_used=row.vcpus_used + request.vcpus, memory_mb_used=row.memory_mb_used + request.memory_mb,
        disk_gb_used=row.disk_gb_used + request.disk_gb, servers=row.servers + 1, io_ops=row.io_ops + 1,
        extras_used=used_with(row, request)) if row.name == name else row
        for row in rows], request


def used_with(row, request):
    """What is used of a host's extras once the request is there."""
    if request.extras is None:
        return row.extras_used
    return total([row.extras_used, extras.fit(row.extras, row.extras_used, request.extras)])


@settings(max_examples=200, deadline=None)
@given(plain.host_lists, plain.requests, st.integers(1, 8))
def test_select_places_each_server_on_a_heaviest_host_that_passes(rows, request, count):
    options = Options(enabled_filters=("AvailabilityZoneFilter", "ComputeFilter", "ImagePropertiesFilter", "ServerGroupAntiAffinityFilter"))
    table = plain.table_of(rows)
    selection = select(table, request, count, rules=Rules(options), now=NOW, alternates=3)
    for name in selection.hosts:
        passed = plain.passing(rows, request, options)
        weights = dict(zip([row.name for row in passed], plain.weigh(passed, request, options), strict=True))
        assert weights[name] == pytest.approx(max(weights.values()), abs=1e-6)
        rows, request = grown(rows, name, request)
    passed = plain.passing(rows, request, options)
    if len(selection.hosts) < count:
        assert passed == []
        assert selection.why is not None
    # What the table counts now is what the hosts would say.
    fresh = plain.table_of(rows)
    for column in COLUMNS:
        assert np.allclose(getattr(table, column)[:len(rows)], getattr(fresh, column)[:len(rows)], equal_nan=True), column
    assert_same_holdings(table, fresh)


def assert_same_holdings(table, fresh):
    assert table.holdings.hosts == fresh.holdings.hosts
    assert table.holdings.devices[:len(table)].tolist() == fresh.holdings.devices[:len(table)].tolist()
    for name in table.holdings.rooms.keys() | fresh.holdings.rooms.keys():
        assert table.holdings.room(name)[:len(table)].tolist() == fresh.holdings.room(name)[:len(table)].tolist()


@FEW
@given(plain.host_lists, plain.requests, st.integers(1, 4))
def test_undoing_a_placement_leaves_the_table_as_it_was(rows, request, count):
    table = plain.table_of(rows)
    for name in select(table, request, count, rules=Rules(), now=NOW).hosts:
        undo(table, request, name)
    # What devices they had is read anew: whoever undoes distrusts the host.
    for row in rows:
        table.holdings.put_used(table.rows[row.name], row.name, row.extras_used)
    fresh = plain.table_of(rows)
    for column in COLUMNS:
        assert np.allclose(getattr(table, column)[:len(rows)], getattr(fresh, column)[:len(rows)], equal_nan=True), column
    assert_same_holdings(table, fresh)


@FEW
@given(plain.host_lists, st.lists(st.integers(0, 11), max_size=8))
def test_rows_are_found_by_name_whatever_was_removed(rows, removed):
    table = plain.table_of(rows)
    kept = {row.name: row for row in rows}
    for index in removed:
        table.remove(f"h{index}")
        kept.pop(f"h{index}", None)
    assert len(table) == len(kept)
    assert sorted(table.names) == sorted(kept)
    for name, row in kept.items():
        at = table.rows[name]
        assert (table.names[at], table.nodes[at], table.addresses[at], table.ids[at]) == (name, row.node, row.host_ip, row.id)
        for kind in ("CUSTOM_GOLD", "CUSTOM_SILVER"):
            own = row.extras.get("resources", {}).get(kind)
            left = resources.room(own) - row.extras_used.get("resources", {}).get(kind, 0) if own else 0
            assert table.holdings.room(kind)[at] == left
        assert (table.vcpus_total[at], table.memory_used[at], table.enabled[at]) == (row.vcpus, row.memory_mb_used, row.enabled)


SPECS = st.dictionaries(st.sampled_from(["resources:VCPU", "resources1:VCPU", "resources:MEMORY_MB", "resources_A:DISK_GB", "resources:CUSTOM_GOLD"]),
                        st.sampled_from(["0", "1", "17", "x", "-1"])) | st.sampled_from([
                            {"hw:cpu_policy": "dedicated"}, {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0"}, {"resources:PCPU": "2"},
                            {"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate"}])


@FEW
@given(SPECS, st.integers(1, 8), st.integers(1, 8), st.integers(0, 3000))
def test_what_a_flavor_takes_is_the_same_for_the_scheduler_and_for_whoever_gives_it_back(specs, vcpus, gb, swap):
    flavor = {"vcpus": vcpus, "memory_mb": 64, "root_gb": gb, "ephemeral_gb": 1, "swap": swap, "extra_specs": specs}
    taken = Request.of(flavor, None, None)
    assert {"vcpus": taken.vcpus, "memory_mb": taken.memory_mb, "disk_gb": taken.disk_gb} == room.room(flavor)


def test_each_filter_has_a_plain_reading():
    assert set(plain.FILTERS) | {rule.name for rule in filters.capacity.FILTERS} == set(filters.FILTERS)


def test_defaults_of_the_configuration_are_those_of_the_rules():
    conf = config.load([], files=[])
    assert tuple(conf.scheduler.enabled_filters) == Options().enabled_filters
    assert conf.scheduler.max_instances_per_host == Options().max_servers_per_host
    same = {field.name for field in dataclasses.fields(Options)} - {"enabled_filters", "multipliers", "max_servers_per_host", "pci_aliases"}
    assert {name: _tuple(conf.scheduler[name]) for name in same} == {name: getattr(Options(), name) for name in same}
    assert {weigher.multiplier: weigher.default for weigher in weighers.WEIGHERS.values()} == {
        name: conf.scheduler[name] for name in conf.scheduler if name.endswith("_weight_multiplier")}


def _tuple(value):
    return tuple(value) if isinstance(value, list) else value


# ---- choosing
def test_the_emptiest_host_wins_and_the_next_are_alternates():
    table = table_of(host("a", memory_mb=4096), host("b", memory_mb=8192), host("c", memory_mb=6144))
    selection = select(table, ROOM, rules=Rules(), now=NOW, alternates=2)
    assert (selection.hosts, selection.alternates_of("b", 2)) == (("b",), ["c", "a"])


def test_negative_multipliers_stack():
    table = table_of(host("a", memory_mb=4096), host("b", memory_mb=8192))
    rules = Rules(Options(multipliers={"ram_weight_multiplier": -1.0, "cpu_weight_multiplier": 0.0, "io_ops_weight_multiplier": 0.0,
                                       "disk_weight_multiplier": 0.0}))
    assert select(table, ROOM, 3, rules=rules, now=NOW).hosts == ("a", "a", "a")


def test_the_last_host_may_fill_up_where_multipliers_differ_by_aggregate():
    aggregates = [Aggregate(1, "stack", None, {"ram_weight_multiplier": "-1.0"})]
    table = table_of(host("a", aggregates=(1,)), host("b"), aggregates=aggregates)
    selection = select(table, Request(1, 4096, 1), 5, rules=Rules(), now=NOW)
    assert (sorted(selection.hosts), str(selection.why)) == (["a", "a", "b", "b"], "2 hosts considered: 2 lack 4096 MB of RAM")


def test_failed_builds_outweigh_all_else():
    table = table_of(host("a", build_failures=1, memory_mb=99999), host("b"))
    assert select(table, ROOM, rules=Rules(), now=NOW).hosts == ("b",)


def test_a_subset_is_chosen_from_at_random_among_the_best():
    rows = [host(name, memory_mb=size) for name, size in (("a", 1000), ("b", 9000), ("c", 8000), ("d", 100))]
    rules = Rules(Options(host_subset_size=2))
    rng = random.Random(1)
    chosen = {select(table_of(*rows), ROOM, rules=rules, now=NOW, rng=rng).hosts[0] for _ in range(30)}
    assert chosen == {"b", "c"}


def test_ties_are_taken_in_order_or_shuffled():
    def best(**options):
        rng = random.Random(1)
        rules = Rules(Options(**options))
        return {select(table_of(host("a"), host("b"), host("c")), ROOM, rules=rules, now=NOW, rng=rng).hosts for _ in range(30)}
    assert best() == {("a",)}
    assert best(shuffle_best_same_weighed_hosts=True) == {("a",), ("b",), ("c",)}


def test_an_affinity_group_without_servers_goes_where_its_first_went():
    table = table_of(host("a", memory_mb=4096), host("b", memory_mb=8192))
    request = Request(1, 2048, 1, group=Group("g", "affinity"))
    selection = select(table, request, 5, rules=Rules(), now=NOW)
    assert selection.hosts == ("b",) * 4
    assert str(selection.why) == ("2 hosts considered: 1 lacks 2048 MB of RAM, 1 has no server of the group. "
                                  "Nearest miss: 1 host that otherwise fits lacks 2048 MB of RAM")


def test_anti_affinity_holds_within_one_request():
    table = table_of(*(host(name) for name in "abc"))
    request = Request(1, 1, 1, group=Group("g", "anti-affinity", {"b": 1}))
    selection = select(table, request, 4, rules=Rules(), now=NOW)
    assert selection.hosts == ("a", "c")
    assert str(selection.why) == "3 hosts considered: 3 already have servers of the group"


def test_undo_takes_a_placement_back():
    table, untouched = table_of(host("a"), host("b")), table_of(host("a"), host("b"))
    for name in select(table, Request(2, 100, 3), 5, rules=Rules(), now=NOW).hosts:
        undo(table, Request(2, 100, 3), name)
    undo(table, ROOM, "gone")
    for column in COLUMNS:
        assert (getattr(table, column) == getattr(untouched, column)).all(), column


def test_an_empty_table_and_hosts_that_are_all_excluded_say_so():
    assert str(select(HostTable(), ROOM, rules=Rules(), now=NOW).why) == "There is no host to consider"
    excluded = dataclasses.replace(ROOM, excluded=frozenset({"a", "b"}))
    why = select(table_of(host("a"), host("b")), excluded, rules=Rules(), now=NOW).why
    assert str(why) == "2 hosts considered: 2 failed to build it before"


# ---- table and request
def test_zones_follow_the_aggregates():
    table = table_of(host("a", aggregates=(1,)), host("b"), aggregates=[Aggregate(1, "x", "east")])
    assert (table.zone_of("a"), table.zone_of("b")) == ("east", "nova")
    table.set_aggregates([Aggregate(1, "x", "west")])
    assert table.zone_of("a") == "west"
    table.set_aggregates([])
    assert table.zone_of("a") == "nova"


def test_heartbeats_and_disabling_reach_the_row():
    table = table_of(host("a", up_until=NOW - 1))
    assert not select(table, ROOM, rules=Rules(), now=NOW).hosts
    table.set_alive("a", NOW + 60, True)
    table.set_alive("gone", NOW, True)
    assert select(table, ROOM, rules=Rules(), now=NOW).hosts == ("a",)
    table.set_alive("a", NOW + 60, False)
    assert not select(table, ROOM, rules=Rules(), now=NOW).hosts


def test_a_request_reads_the_copies_of_a_server():
    flavor = {"name": "m1", "vcpus": 2, "memory_mb": 512, "root_gb": 3, "ephemeral_gb": 4, "swap": 1025, "extra_specs": {"a": "b"}}
    request = Request.of(flavor, {"properties": {"architecture": "amd64", "hw_vm_mode": "hvm"}},
                         {"availability_zone": None, "excluded": ["x"], "destination": {"host": "d"}, "hints": {"query": "q"}}, default_zone="east")
    assert request == Request(2, 512, 9, zone="east", host="d", excluded=frozenset({"x"}), flavor_name="m1", extra_specs={"a": "b"},
                              image={"hw_architecture": "amd64", "hw_vm_mode": "hvm"}, hints={"query": "q"})
    assert Request.of({"vcpus": 1, "memory_mb": 1}, None, None) == Request(1, 1, 0)
    assert [disk_gb({"swap": size}) for size in (0, 1, 1024, 1025)] == [0, 1, 1, 2]


@given(st.integers(2, 6), st.integers(1, 60), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_a_subset_stays_that_of_the_best_while_servers_are_placed(size, hosts, servers):
    """The few best that were found before are still the best, as a fresh look says, after each server of a request."""
    rng = random.Random(hosts * servers)
    table = HostTable()
    for number in range(hosts):
        table.put(host(f"h{number}", id=number, memory_mb=rng.randrange(4096, 65536), vcpus=64))
    rules = Rules(Options(host_subset_size=size))
    seen = []

    class Picker:
        def choice(self, few):
            seen.append(few)
            return rng.choice(few)

    request = Request(1, 2048, 1)
    query = Query(table, request, rules.options, 0.0)
    board = Board(query, rules.weighers, np.arange(hosts))
    for _server in range(servers):
        position = board.best(rules.options, Picker())
        if len(board) > 1:
            fresh = Board(query, rules.weighers, np.arange(hosts)).score
            assert sorted(fresh[seen[-1]]) == pytest.approx(sorted(np.sort(fresh)[::-1][:size]))
        query.place(int(board.rows[position]))
        board.update(position)
