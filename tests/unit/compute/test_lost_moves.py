"""Guests whose both hosts are lost at the switch of a live migration: the server ends in ERROR, and is where the guest is once a host returns."""
import pytest

from nova_lite import clock, exception
from nova_lite.compute import moves
from nova_lite.compute.actions import details, evacuate, live_migration, power
from nova_lite.compute.worker import live_migration as worker
from nova_lite.compute.worker import lost_moves
from nova_lite.compute.worker.watch import Watcher
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server, Service
from nova_lite.virt.types import PowerState
from tests.unit.compute.hosts_in_a_row import CTX, Row


@pytest.fixture
def row(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "ARRIVAL_SECONDS", 0.0)
    made = Row(tmp_path, ("a", "b", "c"))
    yield made
    made.close()


def kill(row, *names) -> None:
    with row.db.write() as tx:
        tx.query(Service).filter(Service.host.in_(names)).update({"last_seen_at": clock.now() - clock.seconds(1000)})
    row.cut.update(names)


def lose(row, monkeypatch, arrives: bool) -> str:
    """A server whose worker dies in the middle of the move; ``arrives``: its guest is at the destination then."""
    server_id = row.boot()
    live = row.workers["a"].shop.driver.moves().live()

    def migrate(guest, plan, place, watch):
        if arrives:
            row.machines["a"].hand_over(server_id, row.machines["b"])
        raise exception.DatabaseUnavailable()
    monkeypatch.setattr(live, "migrate", migrate)
    live_migration.migrate(row.deps, CTX, server_id, live_migration.Wanted(host="b"))
    row.settle()
    server = row.find(server_id)
    assert server.task_detail["sent"] and row.runs_at(server_id) == ["b" if arrives else "a"]
    kill(row, "a", "b")
    for _ in range(3):
        row.sweep()
        assert row.find(server_id).task_deadline == server.task_deadline
    with row.db.write() as tx:
        tx.query(Server).filter(Server.id == server_id).update({"task_deadline": clock.now() - clock.seconds(1)})
    row.sweep()
    row.settle()
    return server_id


def fault(row, server_id) -> str:
    with row.db.read() as tx:
        return servers_.faults(tx, [server_id])[server_id].message


def is_at(row, server_id, host, vm_state="active"):
    row.settle()
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.task_id, server.request) == (host, vm_state, None, {})
    assert set(row.held(server_id)) == {host} and not row.move(server_id).open
    assert row.runs_at(server_id) == ([host] if vm_state == "active" else [])


@pytest.mark.parametrize("arrives", [True, False])
def test_it_ends_in_error_and_says_what_to_do(row, monkeypatch, arrives):
    server_id = lose(row, monkeypatch, arrives)
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.task_id, server.task_state) == ("a", "error", None, None)
    assert fault(row, server_id) == moves.why_lost("a", "b") and "Start them" in fault(row, server_id)
    assert (row.move(server_id).status, row.move(server_id).open) == ("error", True) and set(row.held(server_id)) == {"a", "b"}


@pytest.mark.parametrize("order", ["ab", "ba"])
@pytest.mark.parametrize("arrives", [True, False])
def test_whichever_host_returns_first_the_guest_runs_once(row, monkeypatch, arrives, order):
    server_id = lose(row, monkeypatch, arrives)
    for name in order:
        row.start(name)
        Watcher(row.workers[name]).come_back()
        lost_moves.settle(row.workers[name])
        row.settle()
        assert len(row.runs_at(server_id)) == 1
    # The source may have had to learn from the destination that it has nothing.
    lost_moves.settle(row.workers["a"])
    server = row.find(server_id)
    if not arrives and order == "ba":
        # The source was dead when the destination knew that it has nothing: it is off, as far as anybody knew.
        assert (server.host, server.vm_state) == ("a", "error") and row.runs_at(server_id) == ["a"] and not row.move(server_id).open
        assert "Host a was lost" in fault(row, server_id) and row.leftovers("b") == []
    else:
        is_at(row, server_id, "b" if arrives else "a")
        assert row.leftovers("a" if arrives else "b") in ([], [server_id])
        assert row.files_at(server_id) == ["b" if arrives else "a"]
    assert lost_moves.settle(row.workers["a"]) == lost_moves.settle(row.workers["b"]) == []


def test_a_source_that_was_booted_does_not_start_what_may_run_elsewhere(row, monkeypatch):
    server_id = lose(row, monkeypatch, arrives=True)
    row.start("a")
    assert lost_moves.settle(row.workers["a"]) == [] and row.leftovers("a") == []
    power.ask(row.deps, CTX, server_id, "reboot_hard")
    row.settle()
    assert row.runs_at(server_id) == ["b"] and row.find(server_id).vm_state == "error" and fault(row, server_id) == moves.why_lost("a", "b")
    row.start("b")
    assert lost_moves.settle(row.workers["b"]) == [server_id]
    is_at(row, server_id, "b")


def test_a_guest_that_arrived_and_went_off_is_the_destination_s(row, monkeypatch):
    server_id = lose(row, monkeypatch, arrives=True)
    row.machines["b"].guests[server_id].state = PowerState.SHUTDOWN
    row.start("a")
    row.start("b")
    assert lost_moves.settle(row.workers["a"]) == [server_id]
    Watcher(row.workers["b"]).sync()
    is_at(row, server_id, "b", "stopped")
    assert row.files_at(server_id) == ["b"]


def test_both_hosts_are_off_for_good(row, monkeypatch):
    server_id = lose(row, monkeypatch, arrives=True)
    row.start("b")
    with pytest.raises(exception.Invalid, match="Compute service of b is still in use"):
        evacuate.evacuate(row.deps, CTX, server_id, evacuate.Wanted())
    kill(row, "b")
    evacuate.evacuate(row.deps, CTX, server_id, evacuate.Wanted())
    row.settle()
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.request) == ("c", "active", {}) and set(row.held(server_id)) == {"c"}
    assert row.runs_at(server_id) == ["b", "c"]
    for name in "ab":
        row.start(name)
        Watcher(row.workers[name]).come_back()
        assert lost_moves.settle(row.workers[name]) == []
    assert row.runs_at(server_id) == row.files_at(server_id) == ["c"]


def test_an_evacuation_that_fails_leaves_the_server_lost(row, monkeypatch):
    server_id = lose(row, monkeypatch, arrives=True)
    row.cut.add("c")
    evacuate.evacuate(row.deps, CTX, server_id, evacuate.Wanted(host="c"))
    kill(row, "c")
    row.sweep()
    row.settle()
    assert row.find(server_id).vm_state == "error" and row.move(server_id).type == "evacuation" and not row.move(server_id).open
    row.start("b")
    Watcher(row.workers["b"]).come_back()
    assert lost_moves.settle(row.workers["b"]) == [server_id]
    is_at(row, server_id, "b")


def test_one_that_is_deleted_is_deleted_on_both(row, monkeypatch):
    server_id = lose(row, monkeypatch, arrives=True)
    for name in "ab":
        row.start(name)
    power.ask(row.deps, CTX, server_id, "delete")
    row.settle()
    assert row.held(server_id) == {} and not row.move(server_id).open
    assert row.runs_at(server_id) == row.files_at(server_id) == []


def test_a_state_that_an_administrator_sets_does_not_hide_a_move(row, monkeypatch):
    server_id = row.boot()
    live = row.workers["a"].shop.driver.moves().live()
    monkeypatch.setattr(live, "migrate", lambda *args: (_ for _ in ()).throw(exception.DatabaseUnavailable()))
    live_migration.migrate(row.deps, CTX, server_id, live_migration.Wanted(host="b"))
    row.settle()
    details.reset_state(row.deps, CTX, server_id, "active")
    assert row.find(server_id).task_id is None and row.move(server_id).open
    assert lost_moves.settle(row.workers["a"]) == [server_id]
    is_at(row, server_id, "a")
