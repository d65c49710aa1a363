"""Live migration over HTTP, on an all-in-one that plays two hosts with the fake driver."""
import pytest

import daemons
from tests.functional.cloud import Cloud

TWO_HOSTS = {"fake_hosts": 2}


@pytest.fixture(scope="module")
def cloud():
    with Cloud({"compute": TWO_HOSTS}) as running:
        yield running


@pytest.fixture(scope="module")
def slow():
    """Guests take a minute to move."""
    with Cloud({"compute": {**TWO_HOSTS, "fake_move_seconds": 60}}) as running:
        yield running


def client(cloud, version):
    return cloud.daemon.client(microversion=version)


def ask(cloud, server_id, version="2.90", **body):
    return cloud.act(server_id, "os-migrateLive", {"host": None, "block_migration": "auto", **body}, client(cloud, version))


def host_of(cloud, server_id):
    return cloud.show(server_id)["OS-EXT-SRV-ATTR:host"]


def other(host):
    return {"host1-1": "host1-2", "host1-2": "host1-1"}[host]


def hosts_used(cloud):
    found = cloud.admin.get("/os-hypervisors/detail", headers={"OpenStack-API-Version": "compute 2.87"}).json["hypervisors"]
    return {each["service"]["host"]: (each["vcpus_used"], each["running_vms"]) for each in found}


def migrations(cloud, server_id):
    return cloud.admin.get(f"/os-migrations?instance_uuid={server_id}").json["migrations"]


def message(answer):
    return next(iter(answer.json.values()))["message"]


@pytest.fixture
def server_id(cloud):
    made = cloud.boot()
    yield made
    cloud.delete(made)


@pytest.fixture
def mover(slow):
    """A server that moves, and the number of its migration."""
    server_id = slow.boot()
    assert ask(slow, server_id).status == 202
    number = daemons.wait_until("it moves", lambda: [row["id"] for row in migrations(slow, server_id) if row["status"] == "running"], 30)[0]
    yield server_id, number
    slow.delete(server_id)


@pytest.mark.parametrize("state", ["ACTIVE", "PAUSED"])
def test_a_server_moves_to_the_other_host(cloud, server_id, state):
    if state == "PAUSED":
        cloud.act(server_id, "pause")
        cloud.wait(server_id, state)
    before, addresses = host_of(cloud, server_id), cloud.show(server_id)["addresses"]
    boots = cloud.act(server_id, "os-getConsoleOutput", {}).json["output"].count("login:")
    assert ask(cloud, server_id).status == 202
    daemons.wait_until("it is elsewhere", lambda: host_of(cloud, server_id) == other(before), 30)
    server = cloud.wait(server_id, state)
    assert server["OS-EXT-SRV-ATTR:hypervisor_hostname"] == other(before) and server["addresses"] == addresses
    assert server["OS-EXT-STS:power_state"] == (3 if state == "PAUSED" else 1)
    assert cloud.act(server_id, "os-getConsoleOutput", {}).json["output"].count("login:") == boots
    used = hosts_used(cloud)
    assert used[before] == (0, 0) and used[other(before)] == (1, 1)
    assert [(row["status"], row["source_compute"], row["dest_compute"], row["migration_type"]) for row in migrations(cloud, server_id)] == [
        ("completed", before, other(before), "live-migration")]
    actions = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert actions[0]["action"] == "live-migration" and actions[0]["message"] is None


def test_the_other_host_may_be_named(cloud, server_id):
    for forced in (True, False):
        target = other(host_of(cloud, server_id))
        assert ask(cloud, server_id, "2.67", host=target, force=forced).status == 202
        daemons.wait_until("it is there", lambda target=target: host_of(cloud, server_id) == target, 30)
        cloud.wait(server_id)


@pytest.mark.parametrize(("version", "body"), [
    ("2.1", {"block_migration": True, "disk_over_commit": False}),
    ("2.24", {"block_migration": "yes", "disk_over_commit": "0"}),
    ("2.25", {"block_migration": "auto"}),
    ("2.30", {"block_migration": True, "force": False}),
])
def test_each_version_s_body(cloud, server_id, version, body):
    before = host_of(cloud, server_id)
    answer = cloud.act(server_id, "os-migrateLive", {"host": None, **body}, client(cloud, version))
    assert answer.status == 202, answer
    daemons.wait_until("it is elsewhere", lambda: host_of(cloud, server_id) == other(before), 30)
    cloud.wait(server_id)


@pytest.mark.parametrize(("version", "body"), [
    ("2.1", {"block_migration": True, "host": None}),
    ("2.1", {"block_migration": "auto", "disk_over_commit": False, "host": None}),
    ("2.25", {"block_migration": "auto", "disk_over_commit": False, "host": None}),
    ("2.29", {"block_migration": "auto", "force": False, "host": None}),
    ("2.68", {"block_migration": "auto", "force": False, "host": None}),
    ("2.90", {"block_migration": "maybe", "host": None}),
    ("2.90", {"block_migration": "auto"}),
    ("2.30", {"block_migration": "auto", "force": True, "host": None}),
])
def test_bodies_of_other_versions_are_refused(cloud, server_id, version, body):
    assert cloud.act(server_id, "os-migrateLive", body, client(cloud, version)).status == 400


def test_hosts_that_cannot_be_meant(cloud, server_id):
    answer = ask(cloud, server_id, host="nowhere")
    assert answer.status == 400 and message(answer) == "Compute host nowhere could not be found."
    own = host_of(cloud, server_id)
    answer = ask(cloud, server_id, host=own)
    assert answer.status == 400 and message(answer) == f"Unable to migrate instance ({server_id}) to current host ({own})."
    assert cloud.show(server_id)["OS-EXT-STS:task_state"] is None


def test_a_refusal_is_the_answer_before_2_34_and_a_fault_from_then_on(cloud, server_id):
    used = hosts_used(cloud)
    answer = cloud.act(server_id, "os-migrateLive", {"host": None, "block_migration": False, "disk_over_commit": False}, client(cloud, "2.1"))
    assert answer.status == 400 and "shared storage" in message(answer), answer
    assert cloud.wait(server_id)["status"] == "ACTIVE" and hosts_used(cloud) == used
    assert ask(cloud, server_id, "2.34", block_migration=False, host=other(host_of(cloud, server_id))).status == 202
    daemons.wait_until("it was refused", lambda: [row["status"] for row in migrations(cloud, server_id)] == ["error", "error"], 30)
    cloud.wait(server_id)
    assert hosts_used(cloud) == used
    actions = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert [each["action"] for each in actions[:2]] == ["live-migration"] * 2 and "shared storage" in actions[0]["message"]


def test_servers_that_are_off_do_not_move_alive(cloud, server_id):
    cloud.act(server_id, "os-stop")
    cloud.wait(server_id, "SHUTOFF")
    answer = ask(cloud, server_id)
    assert answer.status == 409
    assert message(answer) == f"Cannot 'os-migrateLive' instance {server_id} while it is in vm_state stopped"


def test_members_move_nothing(cloud, server_id):
    member = cloud.add_user("mover")
    own = cloud.boot(member)
    for action in ("os-migrateLive",):
        assert cloud.act(own, action, {"host": None, "block_migration": "auto"}, member).status == 403
    assert member.delete(f"/servers/{own}/migrations/1").status == 403
    assert member.post(f"/servers/{own}/migrations/1/action", {"force_complete": None}).status == 403
    cloud.delete(own)


def test_progress_is_told(slow, mover):
    server_id, number = mover

    def moved():
        shown = slow.admin.get(f"/servers/{server_id}/migrations/{number}").json["migration"]
        return shown if shown["memory_processed_bytes"] else None
    shown = daemons.wait_until("some memory has moved", moved, 30)
    assert shown["memory_total_bytes"] == 64 << 20
    assert shown["memory_processed_bytes"] + shown["memory_remaining_bytes"] == 64 << 20
    assert shown["disk_total_bytes"] == 1 << 30 and shown["disk_remaining_bytes"] < 1 << 30
    assert slow.show(server_id)["status"] == "MIGRATING"
    assert slow.act(server_id, "os-stop").status == 409


def test_a_migration_is_aborted(slow, mover):
    server_id, number = mover
    before = host_of(slow, server_id)
    assert slow.admin.delete(f"/servers/{server_id}/migrations/{number}").status == 202
    slow.wait(server_id)
    assert host_of(slow, server_id) == before and hosts_used(slow)[other(before)] == (0, 0)
    assert [row["status"] for row in migrations(slow, server_id)] == ["cancelled"]
    assert "fault" not in slow.show(server_id)
    answer = slow.admin.delete(f"/servers/{server_id}/migrations/{number}")
    assert answer.status == 409 and message(answer) == f"Cannot 'abort live migration' instance {server_id} while it is in task_state None"
    actions = slow.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert [each["action"] for each in actions[:2]] == ["live_migration_cancel", "live-migration"]


def test_a_migration_is_hurried(slow, mover):
    server_id, number = mover
    before = host_of(slow, server_id)
    path = f"/servers/{server_id}/migrations/{number}/action"
    assert slow.admin.post(path, {"force_complete": {}}).status == 400
    assert slow.admin.post(f"/servers/{server_id}/migrations/99999/action", {"force_complete": None}).status == 400
    assert slow.admin.delete(f"/servers/{server_id}/migrations/99999").status == 404
    assert slow.admin.post(path, {"force_complete": None}, headers={"OpenStack-API-Version": "compute 2.21"}).status == 404
    assert slow.admin.post(path, {"force_complete": None}).status == 202
    slow.wait(server_id)
    assert host_of(slow, server_id) == other(before)
    assert [row["status"] for row in migrations(slow, server_id)] == ["completed"]


def test_one_that_waits_for_its_turn_is_aborted_from_2_65_on(slow, mover):
    busy, _ = mover
    waiting = slow.boot(availability_zone=f"nova:{host_of(slow, busy)}")
    assert ask(slow, waiting).status == 202
    number = daemons.wait_until("it waits", lambda: [row["id"] for row in migrations(slow, waiting) if row["status"] == "queued"], 30)[0]
    answer = client(slow, "2.64").delete(f"/servers/{waiting}/migrations/{number}")
    assert answer.status == 400 and "is queued. Cannot abort live migration while the migration is in this state." in message(answer)
    assert slow.admin.delete(f"/servers/{waiting}/migrations/{number}").status == 202
    slow.wait(waiting)
    assert [row["status"] for row in migrations(slow, waiting)] == ["cancelled"]
    slow.delete(waiting)


def test_a_server_that_moves_is_deleted(slow):
    empty = slow.usage()
    server_id = slow.boot()
    assert ask(slow, server_id).status == 202
    daemons.wait_until("it moves", lambda: [row for row in migrations(slow, server_id) if row["status"] == "running"], 30)
    slow.delete(server_id)
    assert slow.usage() == empty
    assert [row["status"] for row in migrations(slow, server_id)] == ["error"]


@pytest.mark.parametrize("point", ["live_migration.checked", "live_migration.received", "live_migration.prepared", "live_migration.moving",
                                   "live_migration.switched", "live_migration.finished"])
def test_a_migration_ends_after_the_process_died(point):
    """The fake machines die with the process: what can be seen is that the books agree, whatever was true of the guest."""
    with Cloud({"compute": {**TWO_HOSTS, "fake_move_seconds": 0.1}}) as cloud:
        cloud.daemon.stop()
        cloud.daemon.start(hooks=f"{point}=kill")
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server_id = cloud.boot()
        assert ask(cloud, server_id).status == 202
        daemons.wait_until("the process died", lambda: cloud.daemon.process.popen.poll() is not None, 20)
        cloud.daemon.start()
        cloud.admin = cloud.daemon.client(microversion="2.90")

        def ended():
            rows = migrations(cloud, server_id)
            return rows if cloud.show(server_id)["OS-EXT-STS:task_state"] is None and rows[0]["status"] in ("completed", "error", "failed") else None
        daemons.wait_until("the migration has ended", ended, 30)
        assert sorted(hosts_used(cloud).values()) == [(0, 0), (1, 1)]
        cloud.delete(server_id)
        assert sorted(hosts_used(cloud).values()) == [(0, 0), (0, 0)]
