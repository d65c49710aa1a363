"""Other hosts' workers are asked for as long as they report, and no longer."""
import types

import pytest

from nova_lite import clock, concurrency, exception
from nova_lite.compute.actions import live_migration
from nova_lite.compute.worker import peers
from nova_lite.db import moves as moves_
from nova_lite.db.models import Service
from tests.unit.compute.hosts_in_a_row import CTX, Row


@pytest.fixture
def row(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "LOOK_SECONDS", 0.01)
    made = Row(tmp_path, ("a", "b"))
    yield made
    made.close()


def die(row, name):
    with row.db.write() as tx:
        tx.query(Service).filter(Service.host == name).update({"last_seen_at": clock.now() - clock.seconds(1000)})


def silent(row, method):
    """The worker of b takes a call and never answers; what was asked."""
    asked, never = [], concurrency.Event()

    def take(ctx, host, **given):
        asked.append(method)
        never.wait()
    shop = row.workers["a"].shop
    setattr(shop.peers, method, take)
    return asked


def test_an_answer_and_an_error_come_through(row):
    shop = row.workers["a"].shop
    shop.peers.answer, shop.peers.refuse = lambda ctx, host, **given: (host, given), None
    assert peers.ask(shop, CTX, "b", "answer", server_id="s") == ("b", {"server_id": "s"})
    shop.peers.refuse = lambda ctx, host: (_ for _ in ()).throw(exception.MoveRefused(reason="no"))
    with pytest.raises(exception.MoveRefused):
        peers.ask(shop, CTX, "b", "refuse")


def test_who_is_down_is_not_asked(row):
    asked = silent(row, "receive")
    die(row, "b")
    with pytest.raises(exception.RpcTimeout, match="b, which is down"):
        peers.ask(row.workers["a"].shop, CTX, "b", "receive")
    assert asked == []


def test_who_goes_down_is_not_waited_for(row):
    asked = silent(row, "receive")
    task = concurrency.spawn(peers.ask, row.workers["a"].shop, CTX, "b", "receive")
    while not asked:
        concurrency.sleep(0.01)
    die(row, "b")
    with concurrency.timeout(20), pytest.raises(exception.RpcTimeout, match="b, which went down"):
        task.wait()


def test_a_move_to_a_worker_that_died_ends_with_that(row):
    """The source waits neither for the preparations nor for what the destination should clear away."""
    server_id, asked = row.boot(), silent(row, "receive")
    live_migration.migrate(row.deps, CTX, server_id, live_migration.Wanted(host="b"))
    with concurrency.timeout(20):
        while not asked:
            concurrency.sleep(0.01)
        die(row, "b")
        row.settle()
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.task_id) == ("a", "active", None) and row.runs_at(server_id) == ["a"]
    assert row.move(server_id).status == "error" and row.move(server_id).type == moves_.LIVE and set(row.held(server_id)) == {"a"}


def test_a_database_that_is_away_says_nothing_of_hosts():
    def read():
        raise exception.DatabaseUnavailable()
    assert peers.is_up(types.SimpleNamespace(db=types.SimpleNamespace(read=read)), "b")
