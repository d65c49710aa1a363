"""A worker that was frozen, cut off, replaced, or whose host was down: what went elsewhere ends there, and nothing is started that is another's."""
import functools
import uuid

import pytest

from nova_lite import clock, concurrency, exception
from nova_lite.compute import task
from nova_lite.compute.worker import manager
from nova_lite.compute.worker.fence import fenced
from nova_lite.compute.worker.job import Workshop
from nova_lite.compute.worker.manager import ComputeWorker
from nova_lite.compute.worker.watch import Watcher
from nova_lite.context import RequestContext
from nova_lite.db import hosts as hosts_
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.db.engine import Database
from nova_lite.virt import types
from nova_lite.virt.copies import Copies
from nova_lite.virt.fake import FakeDriver
from nova_lite.virt.live import Live, Presence
from nova_lite.virt.moves import Moves
from nova_lite.virt.types import PowerState

CTX = RequestContext(user_id="u", project_id="p", roles=("admin",))
FLAVOR = {"flavorid": "1", "name": "m1.tiny", "vcpus": 1, "memory_mb": 64, "root_gb": 1, "ephemeral_gb": 0, "swap": 0, "extra_specs": {}}


class Bell:
    """What the network workers would be asked."""

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


class Site:
    """Host ``a`` with a worker of its own and a fake machine, and a database in which others may write."""

    def __init__(self, folder):
        self.db = Database(f"sqlite:///{folder}/state.db")
        self.db.create_all()
        self.driver = FakeDriver("a")
        self.start_worker()

    def start_worker(self) -> ComputeWorker:
        with self.db.write() as tx:
            epoch = hosts_.start_service(tx, hosts_.COMPUTE, "a")
        self.worker = ComputeWorker(Workshop(self.db, "a", self.driver, Bell(), Bell(), None, None), epoch)
        self.watcher = Watcher(self.worker)
        return self.worker

    def server(self, **columns) -> str:
        """One that runs here."""
        server_id, now = str(uuid.uuid4()), clock.now()
        with self.db.write() as tx:
            servers_.insert(tx, [{
                "id": server_id, "project_id": "p", "user_id": "u", "reservation_id": "r-1", "name": "one", "hostname": "one", "created_at": now,
                "changed_at": now, "vm_state": "active", "power_state": 1, "flavor": FLAVOR, "flavorid": "1", "host": "a", "launched_at": now,
                "image": {"id": "i", "disk_format": "raw", "properties": {}}, "request": {}, **columns}])
        self.driver.create_disks(self.guest(server_id), None)
        self.driver.start_guest(self.guest(server_id))
        return server_id

    def guest(self, server_id) -> types.Guest:
        return types.Guest(server_id, "one", "p", "u", "f", 1, 64, (types.Disk("root", "vda", "virtio", 1),), ())

    def begin(self, server_id, action="reboot_hard", **how) -> str:
        with self.db.write() as tx:
            return task.begin(tx, CTX, servers_.find(tx, server_id), action, **how)

    def change(self, server_id, **columns) -> None:
        with self.db.write() as tx:
            assert servers_.update(tx, server_id, **columns)

    def look(self, server_id):
        with self.db.read() as tx:
            return servers_.find(tx, server_id)

    def evacuate(self, server_id, to="b") -> None:
        """An evacuation under way, its destination ``to``."""
        with self.db.write() as tx:
            moves_.add(tx, servers_.find(tx, server_id), moves_.EVACUATION, CTX)
        self.begin(server_id, "evacuate", host=to)

    def fenced(self, server_id, token):
        return fenced(self.worker.shop, self.worker.epoch, server_id, token).driver


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.db.close()


MOVES = {"keep": ("s",), "borrow": ("s", "b"), "live.offer": ("g",), "live.withdraw": ("s",), "live.receive": ("g", {}, {}, None),
         "live.migrate": ("g", {}, {}, None), "live.halt": ("s",), "live.entrust": ("s", "b", {}), "live.settle": ("s", {}),
         "live.discard": ("s", {}), "copies.prepare": ("g", None), "copies.receive": ("g", "k", [], None, None)}
"""What changes something, with arguments that no driver must ever see."""
LOOKS = {"reaches", "unfinished", "live.check", "live.presence", "live.farewell", "copies.files", "copies.read"}
OF_THE_TASK = {"borrow", "live.receive", "live.migrate", "live.entrust", "copies.receive"}


def call(driver, name, arguments):
    part, _, method = name.rpartition(".")
    moves = driver.moves()
    return getattr(getattr(moves, part)() if part else moves, method)(*arguments)


def test_every_part_of_a_move_is_before_or_behind_the_fence():
    declared = {name for name in vars(Moves) if not name.startswith("_")} - {"live", "copies"}
    declared |= {f"{part}.{name}" for part, of in (("live", Live), ("copies", Copies)) for name in of.__abstractmethods__}
    assert declared == {*MOVES, *LOOKS} and not MOVES.keys() & LOOKS


@pytest.mark.parametrize("name", sorted(MOVES))
def test_a_worker_that_was_replaced_moves_nothing(site, name):
    server_id = site.server()
    driver = site.fenced(server_id, site.begin(server_id))
    site.start_worker()
    with pytest.raises(exception.TaskLost):
        call(driver, name, MOVES[name])


@pytest.mark.parametrize("name", sorted(OF_THE_TASK))
def test_a_task_that_is_lost_moves_nothing(site, name):
    server_id = site.server()
    driver = site.fenced(server_id, site.begin(server_id))
    site.change(server_id, task_id="another")
    with pytest.raises(exception.TaskLost):
        call(driver, name, MOVES[name])


def test_what_only_looks_asks_nobody(site):
    server_id = site.server()
    driver = site.fenced(server_id, site.begin(server_id))
    site.start_worker()
    assert driver.moves().reaches(server_id) and driver.moves().live().presence(server_id) == Presence.HERE


# ---- the fence -------------------------------------------------------------------------------------------------------------------
def test_whoever_holds_the_task_starts_the_guest(site):
    server_id = site.server()
    site.driver.destroy_guest(server_id)
    driver = site.fenced(server_id, site.begin(server_id))
    driver.start_guest(site.guest(server_id))
    assert driver.power_state(server_id) == PowerState.RUNNING
    driver.destroy_guest(server_id)
    assert site.driver.guests() == {}


@pytest.mark.parametrize("start", ["start_guest", "reboot_hard"])
def test_a_task_that_is_lost_starts_nothing(site, start):
    server_id = site.server()
    site.driver.destroy_guest(server_id)
    driver = site.fenced(server_id, site.begin(server_id))
    site.change(server_id, task_id="another")
    with pytest.raises(exception.TaskLost):
        getattr(driver, start)(site.guest(server_id))
    assert site.driver.guests() == {}


def test_a_worker_that_was_replaced_changes_nothing(site):
    server_id = site.server()
    driver = site.fenced(server_id, site.begin(server_id))
    site.start_worker()
    for call in (lambda: driver.start_guest(site.guest(server_id)), lambda: driver.destroy_guest(server_id), lambda: driver.delete_disks(server_id)):
        with pytest.raises(exception.TaskLost):
            call()
    assert site.driver.guests() == {server_id: PowerState.RUNNING}


@pytest.mark.parametrize(("columns", "left"), [({"host": "b", "task_id": None}, set()), ({"task_id": "newer"}, {"here"})])
def test_what_is_lost_while_the_guest_starts(site, columns, left):
    """A guest that went elsewhere ends; one that a newer task of this very host has is that task's."""
    server_id = site.server()
    site.driver.destroy_guest(server_id)
    driver = site.fenced(server_id, site.begin(server_id))
    real = site.driver.start_guest

    def slow(guest):
        real(guest)
        site.change(server_id, **columns)
    site.driver.start_guest = slow
    with pytest.raises(exception.TaskLost):
        driver.start_guest(site.guest(server_id))
    assert {"here" for _ in site.driver.guests()} == left


def finish(site, server_id, token, epoch):
    """End the task as a build does, with its guest's start."""
    with site.db.write() as tx:
        task.finish(tx, servers_.find(tx, server_id), token, "a", clock.now(), "event", epoch)


@pytest.mark.parametrize(("columns", "left"), [({"host": "b", "task_id": None}, set()), ({"task_id": "newer"}, {"here"})])
def test_the_end_of_a_task_asks_what_a_start_asks(site, columns, left):
    server_id = site.server()
    site.driver.destroy_guest(server_id)
    token = site.begin(server_id)
    driver = site.fenced(server_id, token)
    with pytest.raises(exception.TaskLost), driver.started(site.guest(server_id)):
        assert site.driver.power_state(server_id) == PowerState.RUNNING
        site.change(server_id, **columns)
        finish(site, server_id, token, site.worker.epoch)
    assert {"here" for _ in site.driver.guests()} == left


def test_a_task_that_is_lost_does_not_even_start_the_guest_that_would_end_it(site):
    server_id = site.server()
    site.driver.destroy_guest(server_id)
    driver = site.fenced(server_id, site.begin(server_id))
    site.change(server_id, task_id="another")
    with pytest.raises(exception.TaskLost), driver.started(site.guest(server_id)):
        pytest.fail("the guest was started")
    assert site.driver.guests() == {}


def test_a_worker_that_was_replaced_ends_no_task(site):
    server_id = site.server()
    token, old = site.begin(server_id), site.worker.epoch
    new = site.start_worker().epoch
    with pytest.raises(exception.TaskLost):
        finish(site, server_id, token, old)
    assert site.look(server_id).task_id == token
    finish(site, server_id, token, new)
    assert site.look(server_id).task_id is None


def test_a_young_proof_holds_for_changes_and_never_for_starts(site):
    server_id = site.server()
    token = site.begin(server_id)
    make = functools.partial(fenced, site.worker.shop, site.worker.epoch, server_id, token)
    young, old = make(proven_at=clock.monotonic() + 60).driver, make(proven_at=clock.monotonic() - 1).driver
    site.start_worker()
    with pytest.raises(exception.TaskLost):
        young.start_guest(site.guest(server_id))
    with pytest.raises(exception.TaskLost):
        old.delete_disks(server_id)
    young.destroy_guest(server_id)
    assert site.driver.guests() == {}


def test_a_replaced_worker_leaves_bells_to_the_new_one(site):
    server_id = site.server()
    old = site.worker
    site.start_worker()
    token = site.begin(server_id, "stop")
    old.run_task(CTX, server_id=server_id, token=token)
    assert site.look(server_id).task_id == token and site.driver.power_state(server_id) == PowerState.RUNNING
    site.worker.run_task(CTX, server_id=server_id, token=token)
    assert site.look(server_id).vm_state == "stopped"


def test_a_frozen_task_goes_on_after_its_server_went_elsewhere(site, monkeypatch, caplog):
    """The whole worker: its reboot is held up right before the guest starts, and goes on when the server runs on another host."""
    caplog.set_level("INFO")
    server_id = site.server()
    token = site.begin(server_id)
    thawed, frozen = concurrency.Event(), concurrency.Event()
    handler = manager.HANDLERS["reboot_hard"]

    def slow(job):
        frozen.set()
        thawed.wait()
        return handler(job)
    monkeypatch.setitem(manager.HANDLERS, "reboot_hard", slow)
    task_ = concurrency.spawn(site.worker.run_task, CTX, server_id=server_id, token=token)
    frozen.wait()
    site.driver.destroy_guest(server_id)
    site.change(server_id, host="b", task_id=None, task_action=None, task_state=None, task_deadline=None)
    thawed.set()
    task_.wait()
    assert "went elsewhere" not in caplog.text and "is no longer current" in caplog.text
    assert site.driver.guests() == {} and site.look(server_id).vm_state == "active"


# ---- coming back -----------------------------------------------------------------------------------------------------------------
def test_a_host_that_comes_back_ends_what_moved_away(site):
    here, moved, deleted = (site.server() for _ in range(3))
    site.change(moved, host="b")
    site.change(deleted, deleted=True)
    site.watcher.come_back()
    assert set(site.driver.guests()) == site.driver.guest_files() == {here}


def test_while_an_evacuation_is_under_way_the_guest_ends_and_its_disks_stay(site):
    leaving, waiting = site.server(), site.server()
    site.evacuate(leaving)
    site.evacuate(waiting, to=servers_.ANY_SCHEDULER)
    site.watcher.sync()
    assert set(site.driver.guests()) == {waiting} and site.driver.guest_files() == {leaving, waiting}
    with site.db.write() as tx:
        moves_.end(tx, leaving, "done")
    site.change(leaving, host="b", task_id=None, task_action=None, task_deadline=None)
    site.watcher.come_back()
    assert site.driver.guest_files() == {waiting}


def test_a_host_that_others_only_take_for_dead_lets_go_at_the_next_comparison(site):
    moved = site.server()
    site.change(moved, host="b")
    site.watcher.sync()
    assert site.driver.guests() == {} and site.driver.guest_files() == set()


# ---- the host was booted ---------------------------------------------------------------------------------------------------------
def test_guests_that_ran_start_with_their_host(site):
    runs, off, stopped, busy = (site.server() for _ in range(4))
    for server_id in (off, stopped, busy):
        site.driver.destroy_guest(server_id)
    site.change(stopped, vm_state="stopped", power_state=4)
    site.begin(busy, "stop")
    assert site.watcher.resume_guests() == [off]
    site.watcher.sync()
    for _ in range(200):
        if site.driver.guests().get(off) == PowerState.RUNNING and site.look(off).task_id is None:
            break
        concurrency.sleep(0.01)
    server = site.look(off)
    assert (server.vm_state, server.power_state, server.task_id) == ("active", 1, None)
    assert set(site.driver.guests()) == {runs, off}


def test_without_resuming_they_are_shut_off(site):
    server_id = site.server()
    site.driver.destroy_guest(server_id)
    site.watcher.sync()
    assert (site.look(server_id).vm_state, site.look(server_id).power_state) == ("stopped", 4)
