"""Evacuations between workers in a row: what the dead host and others find when they come back, and disks that both hosts see."""
import types

import pytest

from nova_lite import concurrency, exception
from nova_lite.compute.actions import evacuate
from nova_lite.compute.worker import evacuate as evacuate_
from nova_lite.compute.worker.watch import Watcher
from nova_lite.db import hosts
from nova_lite.db import servers as servers_
from nova_lite.virt.fake import FakeDriver
from nova_lite.virt.moves import Moves
from tests.unit.compute.hosts_in_a_row import CTX, Row


@pytest.fixture
def row(tmp_path):
    made = Row(tmp_path, ("a", "b", "c"))
    yield made
    made.close()


def die(row, *names) -> None:
    """Nobody hears of these hosts any more."""
    for name in names:
        row.cut.add(name)
        with row.db.write() as tx:
            hosts.set_service(tx, hosts.COMPUTE, name, forced_down=True)


def ask(row, server_id, **wanted):
    evacuate.evacuate(row.deps, CTX, server_id, evacuate.Wanted(**wanted))
    row.settle()
    return row.find(server_id)


def come_back(row, name) -> None:
    """The host's worker starts."""
    with row.db.write() as tx:
        hosts.set_service(tx, hosts.COMPUTE, name, forced_down=False)
    row.start(name)
    Watcher(row.workers[name]).come_back()


def fault(row, server_id) -> str:
    with row.db.read() as tx:
        return servers_.faults(tx, [server_id])[server_id].message


def test_the_dead_host_gives_up_its_guest_when_it_comes_back(row):
    server_id = row.boot()
    die(row, "a")
    server = ask(row, server_id, host="b")
    assert (server.host, server.node, server.vm_state, server.task_id) == ("b", "node-b", "active", None)
    assert row.runs_at(server_id) == ["a", "b"] and set(row.held(server_id)) == {"b"}
    assert row.move(server_id).status == "done" and row.move(server_id).dest_host == "b"
    come_back(row, "a")
    assert row.runs_at(server_id) == row.files_at(server_id) == ["b"]


def test_it_comes_back_while_the_destination_is_at_work(row):
    server_id = row.boot()
    die(row, "a")
    row.cut.add("b")
    server = ask(row, server_id, host="b")
    assert (server.host, server.task_host) == ("a", "b") and row.runs_at(server_id) == ["a"]
    come_back(row, "a")
    assert row.runs_at(server_id) == [] and row.files_at(server_id) == ["a"]
    row.cut.discard("b")
    row.workers["b"].run_task(CTX, server_id=server_id, token=server.task_id)
    assert row.find(server_id).host == "b" and row.runs_at(server_id) == ["b"]
    assert row.leftovers("a") == [server_id]


def test_the_destination_dies_too_and_the_server_is_where_its_disks_are(row):
    server_id = row.boot()
    die(row, "a")
    row.cut.add("b")
    assert ask(row, server_id, host="b").task_host == "b"
    die(row, "b")
    row.sweep()
    server = row.find(server_id)
    assert (server.host, server.vm_state, server.task_id, row.move(server_id).open) == ("a", "error", None, False)
    assert "went down during its evacuate" in fault(row, server_id) and set(row.held(server_id)) == {"a"}
    assert ask(row, server_id).host == "c"
    assert row.files_at(server_id) == ["a", "c"] and set(row.held(server_id)) == {"c"}


class Broken(FakeDriver):
    """Guests do not start."""

    def start_guest(self, guest):
        raise exception.HypervisorError(reason="no such CPU")


def test_a_failure_leaves_nothing_on_the_destination(row):
    server_id = row.boot()
    die(row, "a")
    row.start("b", Broken)
    server = ask(row, server_id, host="b")
    assert (server.host, server.vm_state) == ("a", "error") and "no such CPU" in fault(row, server_id)
    assert row.move(server_id).status == "failed" and row.files_at(server_id) == ["a"] and set(row.held(server_id)) == {"a"}


OWNERS: dict[str, str] = {}
"""Whose each server's files are, on the storage of all hosts of SharingDriver."""
LENDERS: dict[str, str] = {}
"""Who gets them back."""


class SharingMoves(Moves):
    def __init__(self, driver):
        self._driver = driver

    def reaches(self, server_id):
        return server_id in OWNERS

    def borrow(self, server_id, host):
        OWNERS[server_id], LENDERS[server_id] = self._driver.host, host
        self._driver.hypervisor.bases_by_server.setdefault(server_id, frozenset())

    def keep(self, server_id):
        LENDERS.pop(server_id, None)


class SharingDriver(FakeDriver):
    """Its disks are where all hosts see them; each host knows which are its own, and removes no others."""

    def __init__(self, host, **rest):
        super().__init__(host, **rest)
        self.host, self._moves = host, SharingMoves(self)

    def guest_files(self):
        return {server_id for server_id, owner in OWNERS.items() if owner == self.host}

    def delete_disks(self, server_id):
        if OWNERS.get(server_id) == self.host and server_id in LENDERS:
            OWNERS[server_id] = LENDERS.pop(server_id)
        elif OWNERS.get(server_id) == self.host:
            del OWNERS[server_id]

    def create_disks(self, guest, fetch):
        assert guest.server_id not in OWNERS, "disks were made where some were"
        OWNERS[guest.server_id] = self.host
        super().create_disks(guest, fetch)

    def start_guest(self, guest):
        assert guest.server_id in OWNERS
        self.hypervisor.bases_by_server.setdefault(guest.server_id, frozenset())
        super().start_guest(guest)


@pytest.fixture
def sharing(row):
    OWNERS.clear()
    LENDERS.clear()
    for name in ("a", "b", "c"):
        row.start(name, SharingDriver)
    return row


@pytest.mark.parametrize("asked", [None, True])
def test_disks_that_both_hosts_see_stay(sharing, asked):
    server_id = sharing.boot()
    assert OWNERS == {server_id: "a"}
    die(sharing, "a")
    assert ask(sharing, server_id, host="b", shared=asked).host == "b"
    assert OWNERS == {server_id: "b"} and not LENDERS
    sharing.start("a", SharingDriver)
    Watcher(sharing.workers["a"]).come_back()
    assert OWNERS == {server_id: "b"} and sharing.runs_at(server_id) == ["b"]


def test_who_knows_otherwise_is_told(sharing):
    server_id = sharing.boot()
    die(sharing, "a")
    assert ask(sharing, server_id, host="b", shared=False).vm_state == "error"
    assert "are on storage that this host shares" in fault(sharing, server_id) and OWNERS == {server_id: "a"}


def test_what_fails_with_shared_disks_leaves_them_to_their_host(sharing):
    class Both(Broken, SharingDriver):
        pass
    server_id = sharing.boot()
    die(sharing, "a")
    sharing.start("b", Both)
    assert ask(sharing, server_id, host="b").vm_state == "error"
    assert OWNERS == {server_id: "a"} and sharing.leftovers("b") == []


def taken(sharing, monkeypatch):
    """A server of a dead host whose disks another one has taken; then that one dies, before anything says that the server is there."""
    server_id = sharing.boot()
    die(sharing, "a")

    def reached(point):
        if point == "evacuate.addresses":
            # Who is dead undoes nothing.
            for worker in sharing.workers.values():
                worker.shop.driver.delete_disks = worker.shop.driver.destroy_guest = lambda server_id: None
        if point == "evacuate.guest":
            raise concurrency.Cancelled
    monkeypatch.setattr(evacuate_, "hooks", types.SimpleNamespace(reached=reached))
    server = ask(sharing, server_id)
    monkeypatch.undo()
    assert server.task_host in ("b", "c") and OWNERS == {server_id: server.task_host} and LENDERS == {server_id: "a"}
    die(sharing, server.task_host)
    sharing.sweep()
    return server_id, server.task_host


def test_who_took_shared_disks_and_died_is_named(sharing, monkeypatch):
    server_id, dead = taken(sharing, monkeypatch)
    other = {"b": "c", "c": "b"}[dead]
    server = sharing.find(server_id)
    assert (server.host, server.vm_state, server.task_id) == ("a", "error", None) and not sharing.move(server_id).open
    assert fault(sharing, server_id).startswith(f"Host {dead} went down when it had the server's disks on shared storage: make sure that it is off")
    assert ask(sharing, server_id).host == other
    assert OWNERS == {server_id: other} and not LENDERS and set(sharing.held(server_id)) == {other}
    sharing.start(dead, SharingDriver)
    Watcher(sharing.workers[dead]).come_back()
    assert OWNERS == {server_id: other} and sharing.runs_at(server_id) == ["a", other]


def test_who_took_shared_disks_and_returns_gives_them_back(sharing, monkeypatch):
    server_id, dead = taken(sharing, monkeypatch)
    with sharing.db.write() as tx:
        hosts.set_service(tx, hosts.COMPUTE, dead, forced_down=False)
    sharing.start(dead, SharingDriver)
    Watcher(sharing.workers[dead]).come_back()
    assert OWNERS == {server_id: "a"} and not LENDERS and sharing.runs_at(server_id) == ["a"]
    assert ask(sharing, server_id, host=dead).host == dead
    assert OWNERS == {server_id: dead} and not LENDERS


def test_what_is_lent_is_kept_once_the_server_is_here(sharing, monkeypatch):
    server_id = sharing.boot()
    die(sharing, "a")
    with monkeypatch.context() as patched:
        patched.setattr(SharingMoves, "keep", lambda self, server_id: None)
        assert ask(sharing, server_id, host="b").host == "b"
    assert LENDERS == {server_id: "a"}
    sharing.start("b", SharingDriver)
    Watcher(sharing.workers["b"]).come_back()
    assert OWNERS == {server_id: "b"} and not LENDERS
