"""ImagePropertiesWeigher: servers go to, or away from, hosts whose servers have image properties in common with them."""
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_lite.compute import task
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.scheduler.core.likeness import MOST_COLUMNS, Likeness
from nova_lite.scheduler.core.query import Query
from nova_lite.scheduler.core.request import Options, Request
from nova_lite.scheduler.core.select import Rules, select, undo
from nova_lite.scheduler.core.table import HostRow, HostTable
from nova_lite.scheduler.core.weighers import WEIGHERS
from nova_lite.scheduler.manager import Manager, Settings

LINUX = {"os_type": "linux", "hw_machine_type": "q35", "description": "mine"}
OTHER = {"os_type": "windows", "hw_machine_type": "q35"}
ALONE = {f"{name}_weight_multiplier": 0.0 for name in ("ram", "cpu", "disk", "io_ops")}
properties = st.dictionaries(st.sampled_from(["os_type", "hw_machine_type", "img_x", "owner"]), st.sampled_from(["a", "b", 3]), max_size=3)


def options(multiplier=1.0, **more):
    return Options(multipliers={**ALONE, "image_props_weight_multiplier": multiplier}, enabled_filters=(), **more)


def table_of(servers):
    """``servers``: for each host the image properties of its servers."""
    table = HostTable(capacity=1)
    for number, images in enumerate(servers):
        row = table.put(HostRow(number, f"h{number}", "n", 64, 64, 64))
        table.likeness.put(row, f"h{number}", Counter(
            (name, str(value)) for image in images for name, value in image.items() if name.startswith(("hw_", "os_", "img_"))))
    return table


def plain(images, wanted, setting):
    """How many properties the servers of a host have in common with the one wanted, each by its weight."""
    same = [(name, value) for image in images for name, value in image.items()
            if name != "owner" and name in wanted and str(wanted[name]) == str(value)]
    return sum(setting.get(name, 0.0) if setting else 1.0 for name, _value in same)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(properties, max_size=3), min_size=1, max_size=5), properties, st.sampled_from([{}, {"os_type": 2.0, "img_x": -1.0}]),
       st.sets(st.integers(0, 4), max_size=2))
def test_weights_equal_their_plain_reading(servers, wanted, setting, removed):
    table = table_of(servers)
    for number in removed:
        table.remove(f"h{number}")
    query = Query(table, Request(1, 1, 1, image=wanted), options(image_props_weight_setting=tuple(setting.items())), 0.0)
    raw = WEIGHERS["ImagePropertiesWeigher"].prepare(query)
    expected = [plain(servers[int(name[1:])], wanted, setting) for name in table.names]
    assert (np.zeros(table.size) if raw is None else raw(slice(0, table.size))).tolist() == expected


def test_servers_of_one_request_count_for_each_other_and_are_taken_back():
    table, request = table_of([[], []]), Request(1, 1, 1, image=LINUX)
    assert len(set(select(table, request, 4, rules=Rules(options()), now=0.0).hosts)) == 1
    for _ in range(2):
        undo(table, request, "h0")
        undo(table, request, "h1")
    spread = select(table_of([[], []]), request, 4, rules=Rules(options(-1.0)), now=0.0)
    assert sorted(spread.hosts) == ["h0", "h0", "h1", "h1"]


def test_what_nobody_has_is_forgotten():
    likeness = Likeness(1)
    likeness.put(0, "h", Counter({("os_type", "linux"): 2}))
    for number in range(2 * MOST_COLUMNS):
        likeness.column(("os_x", str(number)))
    assert likeness.column(("os_type", "linux")).tolist() == [2]
    assert len(likeness._columns) <= MOST_COLUMNS + 1


class Bell:
    def __init__(self):
        self.hosts = []

    def build_server(self, ctx, host, *, server_id, token, alternates):
        self.hosts.append(host)


@pytest.mark.parametrize(("multiplier", "expected"), [(1.0, "b"), (-1.0, "a")])
def test_it_counts_what_the_database_says(cloud, multiplier, expected):
    for name in ("a", "b"):
        cloud.host(name)
    old = cloud.server(host="b", task_id=None, task_state=None, task_action=None, image={"properties": {"os_type": "linux"}})
    with cloud.db.write() as tx:
        allocations.add(tx, old, cloud.row("b").id, 1, 1024, 1)
    bell, ctx = Bell(), RequestContext.for_service()
    manager = Manager(cloud.db, bell, task.fail, Settings(host="here", options=options(multiplier)))
    manager.start()

    def place():
        server_id = cloud.server(image={"properties": {"os_type": "linux"}})
        manager.place_servers(ctx, server_ids=[server_id], tokens=["t"])
        return bell.hosts[-1]

    assert place() == expected
    # What changed meanwhile is counted too.
    with cloud.db.write() as tx:
        allocations.release(tx, old)
        tx.get(type(cloud.find(old)), old).deleted = True
    other = {"a": "b", "b": "a"}[expected]
    assert place() == (expected if multiplier > 0 else other)
