"""Lanes: calls in native threads that keep their order while the caller, and other lanes, go on."""
import threading

import pytest

from nova_lite import concurrency


def test_calls_keep_their_order_and_lanes_run_beside_each_other():
    first, second, seen = concurrency.Lane(), concurrency.Lane(), []
    both = concurrency.eventlet.patcher.original("threading").Barrier(2)
    first.call(both.wait, 20)
    second.call(both.wait, 20)
    for number in range(20):
        first.call(seen.append, number)
    first.wait()
    second.wait()
    assert seen == list(range(20))


def test_a_caller_waits_for_room():
    lane, gate = concurrency.Lane(depth=2), concurrency.eventlet.patcher.original("threading").Event()
    for _ in range(2):
        lane.call(gate.wait, 20)
    third = concurrency.spawn(lane.call, int)
    concurrency.sleep(0.05)
    assert not third.done
    gate.set()
    third.wait()
    lane.wait()


def test_an_error_ends_the_lane():
    lane, seen = concurrency.Lane(), []
    lane.call(int, "no number")
    with pytest.raises(ValueError):
        lane.wait()
    with pytest.raises(ValueError):
        lane.call(seen.append, 1)
    lane.drop()
    assert seen == []


def test_what_is_dropped_is_not_called():
    lane, seen = concurrency.Lane(), []
    gate = concurrency.eventlet.patcher.original("threading").Event()
    lane.call(gate.wait, 20)
    lane.call(seen.append, 1)
    concurrency.sleep(0.05)
    threading.Timer(0.05, gate.set).start()
    lane.drop()
    assert seen == [] and gate.is_set()
