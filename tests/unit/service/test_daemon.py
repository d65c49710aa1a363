"""A daemon registers, reports only while its messages come round, gives way to a newer start, and stops all its parts."""
import datetime

import pytest

from nova_lite import concurrency
from nova_lite.db import hosts as hosts_
from nova_lite.db.engine import Database
from nova_lite.service.daemon import Daemon
from nova_lite.service.periodic import Periodic


class Wire:
    """The transport's proof that messages come round."""

    healthy_since: datetime.datetime | None = datetime.datetime(2026, 1, 1)


@pytest.fixture
def db(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.create_all()
    yield database
    database.close()


def last_seen(db):
    with db.read() as tx:
        return hosts_.services(tx, binary="nova-compute", host="h1")[0].last_seen_at


def test_it_reports_only_while_messages_come_round(db):
    wire, superseded = Wire(), []
    daemon = Daemon("nova-compute", "h1", db, wire, 0.01, lambda: superseded.append(True))
    assert daemon.register() == 1
    daemon.start()
    first = last_seen(db)
    for _ in range(200):
        concurrency.sleep(0.01)
        if last_seen(db) > first:
            break
    assert last_seen(db) > first and daemon.hears_others()
    wire.healthy_since = None
    concurrency.sleep(0.05)
    deaf = last_seen(db)
    concurrency.sleep(0.1)
    assert last_seen(db) == deaf and superseded == []
    # What it did not hear while it was deaf itself says nothing of the others, nor right after.
    wire.healthy_since = datetime.datetime(2026, 1, 1)
    assert not daemon.hears_others()
    daemon.stop()


def test_a_newer_start_takes_over(db):
    superseded = concurrency.Event()
    old = Daemon("nova-compute", "h1", db, Wire(), 0.01, superseded.set)
    assert old.register() == 1
    old.start()
    assert Daemon("nova-compute", "h1", db, Wire(), 10, lambda: None).register() == 2
    assert superseded.wait(10)
    old.stop()


def test_parts_stop_in_reverse_order_whatever_one_of_them_raises(db):
    order = []
    daemon = Daemon("nova-compute", "h1", db, Wire(), 10, lambda: None)

    def broken():
        order.append("broken")
        raise RuntimeError("no")
    for part in (lambda: order.append("first"), broken, lambda: order.append("last")):
        daemon.on_stop(part)
    daemon.stop()
    assert order == ["last", "broken", "first"]


def test_a_periodic_goes_on_after_an_error_and_can_be_hurried():
    runs, enough = [], concurrency.Event()

    def work():
        runs.append(True)
        if len(runs) == 3:
            enough.set()
        raise RuntimeError("again")
    periodic = Periodic(work, interval=60, delay=0)
    periodic.start()
    while not enough.is_set():
        concurrency.sleep(0.01)
        periodic.hurry()
    periodic.stop()
    assert len(runs) >= 3


def test_after_a_silence_it_looks_around_before_it_reports(db):
    wire, seen = Wire(), []
    daemon = Daemon("nova-compute", "h1", db, wire, 0.01, lambda: None)
    daemon.register()
    daemon.start()
    wire.healthy_since = None
    concurrency.sleep(0.1)
    silent = last_seen(db)
    daemon.on_return(lambda: seen.append(last_seen(db)))
    wire.healthy_since = datetime.datetime(2026, 1, 1)
    for _ in range(500):
        concurrency.sleep(0.01)
        if last_seen(db) > silent:
            break
    daemon.stop()
    assert last_seen(db) > silent and seen and seen[0] == silent
