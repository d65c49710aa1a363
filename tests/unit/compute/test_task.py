"""Tasks: who begins one, who may end it, and what the user is told."""
import pytest

from nova_lite import clock, exception
from nova_lite.compute import states, task
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.db.engine import Database

FLAVOR = {"flavorid": "1", "name": "m1.tiny", "vcpus": 1, "memory_mb": 64, "root_gb": 1, "ephemeral_gb": 0, "swap": 0, "extra_specs": {}}
CTX = RequestContext(user_id="u", project_id="p", roles=("member",))


@pytest.fixture
def db(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.create_all()
    yield database
    database.close()


def add_server(db, vm_state="active", **columns) -> str:
    now = clock.now()
    row = {"id": "5d6c3f4e-0000-4000-8000-000000000001", "project_id": "p", "user_id": "u", "reservation_id": "r-1", "name": "one",
           "hostname": "one", "created_at": now, "changed_at": now, "vm_state": vm_state, "flavor": FLAVOR, "flavorid": "1", "host": "h1", **columns}
    with db.write() as tx:
        servers_.insert(tx, [row])
    return row["id"]


def begin(db, action, ctx=CTX, **options) -> str:
    with db.write() as tx:
        server = servers_.get(tx, ctx, "5d6c3f4e-0000-4000-8000-000000000001")
        return task.begin(tx, ctx, server, action, **options)


def look(db):
    with db.read() as tx:
        return servers_.find(tx, "5d6c3f4e-0000-4000-8000-000000000001", deleted=True)


def test_a_task_shows_its_state_and_ends_with_the_tables(db):
    server_id = add_server(db)
    token = begin(db, "stop")
    server = look(db)
    assert (server.task_state, server.task_action, server.task_id) == ("powering-off", "stop", token)
    with db.write() as tx:
        task.finish(tx, server, token, "h1", clock.now(), "compute_stop_instance", power_state=4)
    server = look(db)
    assert (server.vm_state, server.task_state, server.task_id, server.power_state) == ("stopped", None, None, 4)
    with db.read() as tx:
        action, events = servers_.action_events(tx, server_id, CTX.request_id)
    assert action.action == "stop" and action.finish_time is not None
    assert [(event.event, event.result, event.host) for event in events] == [("compute_stop_instance", "Success", "h1")]


def test_a_second_task_is_refused_naming_the_first(db):
    add_server(db)
    begin(db, "reboot")
    with pytest.raises(exception.TaskInProgress, match="Cannot 'stop' instance .* while it is in task_state rebooting"):
        begin(db, "stop")


def test_a_wrong_state_is_refused_naming_it(db):
    add_server(db, vm_state="stopped")
    with pytest.raises(exception.Conflict, match="Cannot 'stop' instance .* while it is in vm_state stopped"):
        begin(db, "stop")


def test_a_hard_reboot_interrupts_a_soft_one_and_delete_anything(db):
    add_server(db)
    soft = begin(db, "reboot")
    hard = begin(db, "reboot_hard")
    assert soft != hard
    gone = begin(db, "delete")
    server = look(db)
    for late in (soft, hard):
        with pytest.raises(exception.TaskLost), db.write() as tx:
            task.finish(tx, server, late, "h1", clock.now(), "late")
    assert look(db).task_id == gone


def test_failure_keeps_or_sets_the_state_and_leaves_a_fault(db):
    server_id = add_server(db)
    token = begin(db, "reboot_hard")
    with db.write() as tx:
        task.fail(tx, look(db), token, exception.HypervisorError(reason="no kernel"), "h1")
    server = look(db)
    assert (server.vm_state, server.task_state) == ("error", None)
    with db.read() as tx:
        fault = servers_.faults(tx, [server_id])[server_id]
    assert fault.message == "The hypervisor failed: no kernel" and fault.code == 500 and "HypervisorError" in fault.details


def test_a_locked_server_refuses(db):
    add_server(db, locked=True)
    with pytest.raises(exception.ServerLocked):
        begin(db, "stop")
    begin(db, "stop", ignore_lock=True)


def test_taking_over_shuts_the_old_worker_out(db):
    add_server(db)
    old = begin(db, "stop")
    with db.write() as tx:
        fresh = task.take_over(tx, look(db), old)
    with pytest.raises(exception.TaskLost), db.write() as tx:
        task.finish(tx, look(db), old, "h1", clock.now(), "late")
    with db.write() as tx:
        task.finish(tx, look(db), fresh, "h1", clock.now(), "compute_stop_instance")
    assert look(db).vm_state == states.STOPPED


def test_strangers_do_not_find_the_server(db):
    add_server(db)
    with pytest.raises(exception.ServerNotFound):
        begin(db, "stop", ctx=RequestContext(user_id="x", project_id="other"))
