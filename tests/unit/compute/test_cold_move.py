"""Servers that move while they are off: what they wrote goes along, what fails at any step starts where it was, who dies is waited for or undone."""
import pytest

from nova_lite import clock, concurrency, exception
from nova_lite.compute import moves, states, task
from nova_lite.compute.actions import details, power, resize
from nova_lite.compute.worker import cold_move, put_back
from nova_lite.compute.worker import resize as resize_
from nova_lite.db import servers as servers_
from nova_lite.db.models import Host, Service
from nova_lite.virt.copies import Copies
from nova_lite.virt.fake import FakeDriver
from tests.unit.compute.hosts_in_a_row import CTX, FLAVOR, Row


@pytest.fixture
def row(tmp_path, monkeypatch):
    monkeypatch.setattr(cold_move, "RETRY_SECONDS", 0.01)
    made = Row(tmp_path)
    yield made
    made.close()


def migrate(row, server_id):
    resize.migrate(row.deps, CTX, server_id)
    row.settle()
    return row.find(server_id)


def untouched(row, server_id, reason, at="a"):
    """The server is on its host as if nothing had happened but a restart."""
    row.settle()
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.task_id, server.task_host) == (at, "active", None, None)
    assert row.runs_at(server_id) == [at] and row.files_at(server_id) == [at] and set(row.held(server_id)) == {at}
    assert row.move(server_id).status == "error" and not row.move(server_id).open
    with row.db.read() as tx:
        assert reason in servers_.faults(tx, [server_id])[server_id].message


def test_what_was_written_goes_along(row):
    server_id = row.boot()
    server = migrate(row, server_id)
    assert (server.host, server.node, server.vm_state, server.power_state) == ("b", "node-b", "resized", 1)
    assert row.runs_at(server_id) == ["b"] and row.files_at(server_id) == ["a", "b"] and set(row.held(server_id)) == {"a", "b"}
    assert row.machines["b"].written[server_id] == b"what the guest wrote"
    assert row.leftovers("a") == row.leftovers("b") == []
    power.ask(row.deps, CTX, server_id, "confirm_resize")
    row.settle()
    assert row.find(server_id).vm_state == "active" and row.files_at(server_id) == ["b"] and set(row.held(server_id)) == {"b"}
    assert row.move(server_id).status == "confirmed"


def test_what_was_written_since_is_lost_by_a_revert(row):
    server_id = row.boot()
    migrate(row, server_id)
    row.machines["b"].written[server_id] = b"later"
    resize.revert(row.deps, CTX, server_id)
    row.settle()
    server = row.find(server_id)
    assert (server.host, server.node, server.vm_state) == ("a", "node-a", "active")
    assert row.machines["a"].written[server_id] == b"what the guest wrote"
    assert row.runs_at(server_id) == ["a"] and row.files_at(server_id) == ["a"] and set(row.held(server_id)) == {"a"}


def test_what_nobody_confirms_is_confirmed_in_time(row):
    server_id = row.boot()
    migrate(row, server_id)
    assert resize_.confirm_old(row.workers["b"], 3600) == [] and resize_.confirm_old(row.workers["a"], 0) == []
    assert resize_.confirm_old(row.workers["b"], 0) == [server_id]
    row.settle()
    assert row.find(server_id).vm_state == "active" and row.files_at(server_id) == ["b"] and row.move(server_id).status == "confirmed"


class Broken(FakeDriver):
    """Guests do not start."""

    def start_guest(self, guest):
        raise exception.HypervisorError(reason="no such CPU")


def test_a_guest_that_does_not_start_there_starts_again_here(row):
    server_id = row.boot()
    row.start("b", Broken)
    migrate(row, server_id)
    untouched(row, server_id, "no such CPU")


@pytest.fixture
def three(tmp_path, monkeypatch):
    monkeypatch.setattr(cold_move, "RETRY_SECONDS", 0.01)
    made = Row(tmp_path, ("a", "b", "c"))
    yield made
    made.close()


def arrived(row, server_id, at):
    row.settle()
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.task_id) == (at, "resized", None) and row.runs_at(server_id) == [at]
    assert row.machines[at].written[server_id] == b"what the guest wrote" and set(row.held(server_id)) == {"a", at}
    assert (row.move(server_id).dest_host, row.move(server_id).status) == (at, "finished")


def test_the_next_host_takes_what_one_could_not_start(three):
    server_id = three.boot()
    three.start("b", Broken)
    three.start("c", Broken)
    migrate(three, server_id)
    untouched(three, server_id, "b: The hypervisor failed: no such CPU")
    with three.db.read() as tx:
        assert "c: The hypervisor failed: no such CPU" in servers_.faults(tx, [server_id])[server_id].message
    three.start("c")
    migrate(three, server_id)
    arrived(three, server_id, "c")
    assert three.leftovers("b") == [] and three.files_at(server_id) == ["a", "c"]


def test_a_destination_that_dies_is_replaced(three):
    server_id = three.boot()
    three.cut.add("b")
    three.cut.add("c")
    resize.migrate(three.deps, CTX, server_id)
    three.settle()
    dead = three.find(server_id).task_host
    other = {"b": "c", "c": "b"}[dead]
    three.workers[dead].shop.departures.let_go(CTX, "a", server_id=server_id, token=three.find(server_id).task_id)
    assert three.runs_at(server_id) == []
    three.cut.discard(other)
    kill(three, dead)
    three.sweep()
    arrived(three, server_id, other)
    assert three.find(server_id).host == other


def test_what_its_own_host_cannot_grow_another_one_can(three, monkeypatch):
    server_id = three.boot()
    full = exception.DiskFull(host="a", reason="no space left")
    monkeypatch.setattr(three.workers["a"].shop.driver, "stage_resized", lambda guest: (_ for _ in ()).throw(full))
    with three.db.write() as tx:
        token = moves.begin(tx, CTX, three.find(server_id), "resize", "resize", flavor={**FLAVOR, "id": 2, "flavorid": "2", "memory_mb": 128},
                            same_host=True, detail={"flavor": {**FLAVOR, "id": 2, "flavorid": "2", "memory_mb": 128}, "disk_config": None})
        for name in ("b", "c"):
            tx.query(Host).filter(Host.name == name).update({"memory_mb_reserved": 7000})
    three.scheduler.place_moves(CTX, server_ids=[server_id], tokens=[token])
    three.settle()
    arrived(three, server_id, three.find(server_id).host)
    assert three.find(server_id).host in ("b", "c") and three.held(server_id)["a"] == (1, 64, 1)


def test_a_source_that_cannot_let_go_is_not_asked_by_every_host(three, monkeypatch):
    server_id = three.boot()
    stuck = exception.HypervisorError(reason="the guest cannot be ended")
    monkeypatch.setattr(three.workers["a"].shop.driver, "stop_guest", lambda *args: (_ for _ in ()).throw(stuck))
    migrate(three, server_id)
    untouched(three, server_id, "the guest cannot be ended")
    assert three.move(server_id).dest_host is not None


def test_disks_that_do_not_arrive_leave_the_server_where_it_was(row, monkeypatch):
    server_id = row.boot()
    cable = exception.HypervisorError(reason="the cable broke")
    copies: Copies = row.workers["a"].shop.driver.moves().copies()
    monkeypatch.setattr(copies, "read", lambda *args: (_ for _ in ()).throw(cable))
    migrate(row, server_id)
    untouched(row, server_id, "the cable broke")


def test_a_source_that_stays_away_is_not_waited_for_without_end(row, monkeypatch):
    monkeypatch.setattr(cold_move, "PATIENCE_SECONDS", 0.05)
    server_id = row.boot()
    row.cut.add("a")
    resize.migrate(row.deps, CTX, server_id)
    row.settle()
    server = row.find(server_id)
    assert (server.task_host, "undo" in server.task_detail) == (None, True)
    row.cut.discard("a")
    row.workers["a"].run(CTX, server_id, server.task_id)
    untouched(row, server_id, "does not answer")


def begin(row, server_id, ask, at):
    """A move that waits for the worker of ``at``, which is away."""
    row.cut.add(at)
    ask()
    row.settle()
    return row.find(server_id)


def test_a_destination_that_dies_is_undone_by_the_source(row):
    server_id = row.boot()
    begin(row, server_id, lambda: resize.migrate(row.deps, CTX, server_id), "b")
    # The destination had come as far as having the guest ended.
    server = row.find(server_id)
    row.workers["b"].shop.departures.let_go(CTX, "a", server_id=server_id, token=server.task_id)
    assert row.runs_at(server_id) == []
    kill(row, "b")
    row.sweep()
    row.workers["a"].sweep(starting=True)
    wait_idle(row, server_id)
    untouched(row, server_id, "went down")


def kill(row, name):
    with row.db.write() as tx:
        tx.query(Service).filter(Service.host == name).update({"last_seen_at": clock.now() - clock.seconds(1000)})
    row.cut.add(name)


def wait_idle(row, server_id):
    with concurrency.timeout(20):
        while row.find(server_id).task_id is not None:
            concurrency.sleep(0.01)


def test_both_hosts_die_and_the_source_comes_back(row):
    server_id = row.boot()
    begin(row, server_id, lambda: resize.migrate(row.deps, CTX, server_id), "b")
    server = row.find(server_id)
    row.workers["b"].shop.departures.let_go(CTX, "a", server_id=server_id, token=server.task_id)
    kill(row, "a")
    kill(row, "b")
    row.sweep()
    row.sweep()
    server = row.find(server_id)
    assert (server.task_id, server.vm_state) == (None, "active") and row.runs_at(server_id) == []
    row.start("a")
    assert put_back.at_start(row.workers["a"].shop) == [server_id]
    untouched(row, server_id, "went down")
    assert put_back.at_start(row.workers["a"].shop) == []


@pytest.mark.parametrize("action", ["resize", "rebuild"])
@pytest.mark.parametrize("starts", [True, False])
def test_disks_aside_return_when_their_host_does(row, action, starts):
    """The host died after the swap, and the sweep gave the task up before it came back."""
    server_id = row.boot()
    with row.db.write() as tx:
        server = row.find(server_id)
        task.begin(tx, CTX, server, action, {"flavor": FLAVOR})
    machine = row.machines["a"]
    machine.staged[server_id], machine.bases_by_server[server_id] = frozenset({"new"}), frozenset({"old"})
    row.workers["a"].shop.driver.destroy_guest(server_id)
    row.workers["a"].shop.driver.swap_disks(server_id)
    assert machine.bases_by_server[server_id] == {"new"}
    kill(row, "a")
    row.sweep()
    server = row.find(server_id)
    assert server.task_id is None and server.request[moves.PUT_BACK] == "a"
    row.start("a")
    if starts:
        put_back.at_start(row.workers["a"].shop)
        assert row.runs_at(server_id) == (["a"] if action == "resize" else [])
    else:
        power.ask(row.deps, CTX, server_id, "reboot_hard")
        row.settle()
        assert row.runs_at(server_id) == ["a"]
    assert machine.bases_by_server[server_id] == {"old"} and row.find(server_id).request == {}
    assert server_id not in machine.aside


def test_a_revert_whose_host_is_away_leaves_the_server_to_be_verified(row):
    server_id = row.boot()
    migrate(row, server_id)
    begin(row, server_id, lambda: resize.revert(row.deps, CTX, server_id), "a")
    kill(row, "a")
    row.sweep()
    row.workers["b"].sweep(starting=True)
    wait_idle(row, server_id)
    server = row.find(server_id)
    assert (server.host, server.vm_state) == ("b", "resized") and row.runs_at(server_id) == ["b"]
    assert (row.move(server_id).status, row.move(server_id).open) == ("finished", True)
    row.start("a")
    resize.revert(row.deps, CTX, server_id)
    row.settle()
    assert row.find(server_id).host == "a" and row.runs_at(server_id) == ["a"] and row.files_at(server_id) == ["a"]


def test_a_server_leaves_a_host_that_is_down(row):
    server_id = row.boot()
    migrate(row, server_id)
    kill(row, "b")
    resize.revert(row.deps, CTX, server_id)
    row.settle()
    assert row.find(server_id).host == "a" and row.runs_at(server_id) == ["a", "b"]
    row.start("b")
    assert row.leftovers("b") == [server_id] and row.runs_at(server_id) == ["a"] and set(row.held(server_id)) == {"a"}


def test_an_image_that_cannot_be_had_now_leaves_the_guest_on(row, monkeypatch):
    server_id = row.boot()
    monkeypatch.setattr(row.workers["b"].shop.driver, "_hold", lambda image, fetch: (_ for _ in ()).throw(exception.Unavailable("no images today")))
    server = migrate(row, server_id)
    assert server.task_state == states.RESIZE_PREP and row.runs_at(server_id) == ["a"]
    monkeypatch.undo()
    row.workers["b"].run(CTX, server_id, server.task_id)
    assert row.find(server_id).vm_state == "resized" and row.runs_at(server_id) == ["b"]


def test_a_revert_that_fails_goes_on_there(row):
    server_id = row.boot()
    migrate(row, server_id)
    row.start("a", Broken)
    resize.revert(row.deps, CTX, server_id)
    row.settle()
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.task_id) == ("b", "resized", None)
    assert row.runs_at(server_id) == ["b"] and set(row.held(server_id)) == {"a", "b"}


def test_a_server_that_is_deleted_while_it_is_verified_leaves_nothing(row):
    server_id = row.boot()
    migrate(row, server_id)
    power.ask(row.deps, CTX, server_id, "delete")
    row.settle()
    assert row.files_at(server_id) == [] and row.held(server_id) == {} and row.find(server_id).deleted
    assert row.move(server_id).status == "error"


@pytest.mark.parametrize("arrives", [True, False])
def test_an_administrator_ends_a_move(row, arrives):
    server_id = row.boot()
    if arrives:
        migrate(row, server_id)
    else:
        begin(row, server_id, lambda: resize.migrate(row.deps, CTX, server_id), "b")
    there = "b" if arrives else "a"
    details.reset_state(row.deps, CTX, server_id, "active")
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.task_id, server.task_host) == (there, "active", None, None)
    assert set(row.held(server_id)) == {there} and not row.move(server_id).open
    row.leftovers("a"), row.leftovers("b")
    assert row.files_at(server_id) == row.runs_at(server_id) == [there]
    row.cut.clear()
    assert migrate(row, server_id).vm_state == "resized"


def test_a_server_that_is_deleted_on_its_way_leaves_nothing(row, monkeypatch):
    server_id = row.boot(written=bytes(3 << 20))
    copies = row.workers["a"].shop.driver.moves().copies()
    read = copies.read

    def interrupted(*where):
        for number, block in enumerate(read(*where)):
            if number == 1:
                power.ask(row.deps, CTX, server_id, "delete")
            yield block
    monkeypatch.setattr(copies, "read", interrupted)
    resize.migrate(row.deps, CTX, server_id)
    row.settle()
    assert row.find(server_id).deleted and row.files_at(server_id) == [] and row.runs_at(server_id) == [] and row.held(server_id) == {}
    assert row.move(server_id).status == "error"


def test_only_who_carries_out_the_move_is_let_go_for(row):
    server_id = row.boot()
    departures = row.workers["b"].shop.departures
    for token in ("none", ""):
        with pytest.raises(exception.TaskLost):
            departures.let_go(CTX, "a", server_id=server_id, token=token)
    power.ask(row.deps, CTX, server_id, "stop")
    with pytest.raises(exception.TaskLost):
        departures.let_go(CTX, "a", server_id=server_id, token=row.find(server_id).task_id or "")
    assert states.ACTIONS["migrate"].failure == states.KEEP


class OnSharedStorage(FakeDriver):
    """Sees the files of all machines, and knows whose each server's are."""

    def guest_files(self):
        return {server_id for server_id in super().guest_files() if self.hypervisor.owners.get(server_id) == self.host}

    def delete_disks(self, server_id):
        if self.hypervisor.owners.get(server_id) == self.host:
            super().delete_disks(server_id)

    def moves(self):
        return self

    def reaches(self, server_id):
        return server_id in self.hypervisor.bases_by_server

    def keep(self, server_id):
        self.hypervisor.owners[server_id] = self.host

    def copies(self):
        raise AssertionError("nothing must be copied")

    @property
    def host(self):
        return self.inventory().hypervisor_hostname


@pytest.fixture
def shared(row):
    """Both machines have the same files; a server on ``a`` whose root disk is "old"."""
    first, second = row.machines.values()
    for name in ("bases_by_server", "staged", "aside", "written", "incoming"):
        setattr(second, name, getattr(first, name))
    first.owners = second.owners = {}
    for name in row.machines:
        row.start(name, OnSharedStorage)
    server_id = row.boot()
    first.owners[server_id] = "a"
    return row, server_id, first


def test_on_shared_storage_copies_stand_in_until_it_is_confirmed(shared):
    row, server_id, files = shared
    assert migrate(row, server_id).host == "b"
    assert row.runs_at(server_id) == ["b"] and server_id in files.aside and files.owners[server_id] == "a"
    power.ask(row.deps, CTX, server_id, "confirm_resize")
    row.settle()
    assert server_id not in files.aside and files.owners[server_id] == "b" and server_id in files.bases_by_server
    assert row.leftovers("a") == [] and row.runs_at(server_id) == ["b"]


def test_on_shared_storage_a_revert_finds_the_originals(shared):
    row, server_id, files = shared
    original = files.bases_by_server[server_id] = frozenset({"original"})
    files.images["original"] = (0, 0.0)
    migrate(row, server_id)
    files.bases_by_server[server_id] = frozenset({"changed"})
    resize.revert(row.deps, CTX, server_id)
    row.settle()
    assert row.runs_at(server_id) == ["a"] and files.bases_by_server[server_id] == original and files.owners[server_id] == "a"
    assert server_id not in files.aside and row.leftovers("b") == []


def test_on_shared_storage_what_fails_removes_nothing(shared, monkeypatch):
    row, server_id, files = shared
    original = files.bases_by_server[server_id]
    monkeypatch.setattr(OnSharedStorage, "start_guest", lambda self, guest: Broken.start_guest(self, guest) if self.host == "b"
                        else FakeDriver.start_guest(self, guest))
    migrate(row, server_id)
    row.settle()
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.task_id) == ("a", "active", None) and row.runs_at(server_id) == ["a"]
    assert files.bases_by_server[server_id] == original and server_id not in files.aside and row.leftovers("b") == []
    assert files.bases_by_server[server_id] == original


def test_on_shared_storage_a_deleted_server_is_removed_by_who_keeps_it(shared):
    row, server_id, files = shared
    migrate(row, server_id)
    power.ask(row.deps, CTX, server_id, "delete")
    row.settle()
    assert server_id not in files.bases_by_server and row.runs_at(server_id) == []
