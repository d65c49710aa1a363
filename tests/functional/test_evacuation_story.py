"""Servers of a dead host are made anew on another: on an all-in-one that plays three hosts, one of which an administrator declares dead."""
import pytest

import daemons
from tests.functional.cloud import Cloud

HOSTS = ("host1-1", "host1-2", "host1-3")


@pytest.fixture(scope="module")
def cloud():
    with Cloud({"compute": {"fake_hosts": 3}}) as running:
        yield running


@pytest.fixture
def declare(cloud):
    """``declare(host, down)``; every host is up again at the end."""
    def say(host, down):
        answer = cloud.admin.put("/os-services/force-down", {"host": host, "binary": "nova-compute", "forced_down": down}, headers=at("2.11"))
        assert answer.status == 200, answer
    yield say
    for host in HOSTS:
        say(host, False)


def at(version):
    return {"OpenStack-API-Version": f"compute {version}"}


def host_of(server):
    return server["OS-EXT-SRV-ATTR:host"]


def evacuate(cloud, server_id, version="2.90", **asked):
    return cloud.admin.post(f"/servers/{server_id}/action", {"evacuate": asked}, headers=at(version))


def used(cloud):
    found = cloud.admin.get("/os-hypervisors/detail", headers=at("2.87")).json["hypervisors"]
    return {each["service"]["host"]: each["vcpus_used"] for each in found}


def message(answer):
    return next(iter(answer.json.values()))["message"]


def test_a_server_moves_with_its_addresses_and_frees_the_dead_host(cloud, declare):
    server_id = cloud.boot(key_name=None, config_drive=True, user_data="aGVsbG8=")
    before = cloud.show(server_id)
    declare(host_of(before), True)
    answer = evacuate(cloud, server_id)
    assert answer.status == 200 and not answer.body
    after = cloud.wait(server_id)
    assert host_of(after) != host_of(before) and after["OS-EXT-SRV-ATTR:hypervisor_hostname"] == host_of(after)
    assert after["addresses"] == before["addresses"] and after["config_drive"] == "True" and after["OS-EXT-STS:power_state"] == 1
    assert cloud.admin.get(f"/servers/{server_id}/diagnostics").status == 200
    assert used(cloud) == {**dict.fromkeys(HOSTS, 0), host_of(after): 1}
    ports = cloud.daemon.client("network/v2.0").get(f"/ports?device_id={server_id}").json["ports"]
    assert [port["binding:host_id"] for port in ports] == [host_of(after)]
    actions = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert actions[0]["action"] == "evacuate"
    events = cloud.admin.get(f"/servers/{server_id}/os-instance-actions/{actions[0]['request_id']}").json["instanceAction"]["events"]
    assert [(event["event"], event["result"]) for event in events] == [("compute_rebuild_instance", "Success")]
    cloud.delete(server_id)


def test_the_host_that_was_dead_gives_up_what_moved_away(cloud, declare):
    server_id = cloud.boot()
    old = host_of(cloud.show(server_id))
    declare(old, True)
    assert evacuate(cloud, server_id).status == 200
    new = host_of(cloud.wait(server_id))
    daemons.wait_until("the old host has let go", lambda: f"{server_id} is deleted or elsewhere" in cloud.daemon.log(), 20)
    declare(old, False)
    declare(new, True)
    assert evacuate(cloud, server_id, host=old).status == 200
    assert host_of(cloud.wait(server_id)) == old
    cloud.delete(server_id)


def test_one_that_was_off_stays_off_and_one_in_error_runs(cloud, declare):
    stopped, broken, running = (cloud.boot(availability_zone="nova:host1-1") for _ in range(3))
    cloud.act(stopped, "os-stop")
    cloud.wait(stopped, "SHUTOFF")
    cloud.act(broken, "os-resetState", {"state": "error"})
    declare("host1-1", True)
    for server_id in (stopped, broken):
        assert evacuate(cloud, server_id).status == 200
    assert evacuate(cloud, running, version="2.95").status == 200
    assert cloud.wait(stopped, "SHUTOFF")["OS-EXT-STS:power_state"] == 4
    assert cloud.wait(broken)["OS-EXT-STS:power_state"] == 1
    assert host_of(cloud.wait(running, "SHUTOFF")) != "host1-1"
    for server_id in (stopped, running):
        assert cloud.act(server_id, "os-start").status == 202
        cloud.wait(server_id)
    for server_id in (stopped, broken, running):
        cloud.delete(server_id)


def test_what_is_refused(cloud, declare):
    server_id = cloud.boot(availability_zone="nova:host1-1")
    answer = evacuate(cloud, server_id)
    assert (answer.status, message(answer)) == (400, "Compute service of host1-1 is still in use.")
    assert cloud.show(server_id)["OS-EXT-STS:task_state"] is None
    declare("host1-1", True)
    assert message(evacuate(cloud, server_id, host="host1-1")) == "The target host can't be the same one."
    answer = evacuate(cloud, server_id, host="nowhere")
    assert (answer.status, message(answer)) == (404, "Compute host nowhere not found.")
    assert message(evacuate(cloud, server_id, version="2.29", force=True)) == "Can't force to a non-provided destination"
    assert evacuate(cloud, server_id, version="2.68", host="host1-2", force=True).status == 400
    assert evacuate(cloud, server_id, version="2.13").status == 400
    assert evacuate(cloud, server_id, version="2.14", onSharedStorage=False).status == 400
    answer = evacuate(cloud, server_id, version="2.1", onSharedStorage=True, adminPass="x")
    assert message(answer) == "admin password can't be changed on existing disk"
    member = cloud.add_user("evacuee")
    own = cloud.boot(member, availability_zone=None)
    assert member.post(f"/servers/{own}/action", {"evacuate": {}}).status == 403
    cloud.delete(own)
    cloud.delete(server_id)


@pytest.mark.parametrize(("version", "asked", "told"), [
    ("2.1", {"onSharedStorage": "False"}, True), ("2.1", {"onSharedStorage": False, "adminPass": "chosen"}, "chosen"),
    ("2.14", {"host": "host1-3"}, None), ("2.29", {"host": "host1-3", "force": True}, None), ("2.68", {"host": "host1-3"}, None)])
def test_each_version_has_its_words(cloud, declare, version, asked, told):
    server_id = cloud.boot(availability_zone="nova:host1-1")
    declare("host1-1", True)
    answer = evacuate(cloud, server_id, version=version, **asked)
    assert answer.status == 200, answer
    if told is None:
        assert not answer.body
    else:
        assert len(answer.json["adminPass"]) >= 6 if told is True else answer.json == {"adminPass": told}
    assert host_of(cloud.wait(server_id)) == asked.get("host", host_of(cloud.show(server_id)))
    cloud.delete(server_id)


def test_disks_that_the_destination_does_not_share(cloud, declare):
    before = used(cloud)
    server_id = cloud.boot(availability_zone="nova:host1-1")
    declare("host1-1", True)
    assert evacuate(cloud, server_id, version="2.13", onSharedStorage=True).json == {"adminPass": None}
    server = cloud.wait(server_id, "ERROR")
    assert host_of(server) == "host1-1" and "not on storage that this host shares" in server["fault"]["message"]
    assert used(cloud) == {**before, "host1-1": before["host1-1"] + 1}
    assert evacuate(cloud, server_id).status == 200
    assert host_of(cloud.wait(server_id)) != "host1-1"
    cloud.delete(server_id)


def test_no_host_is_left(cloud, declare):
    server_id = cloud.boot(availability_zone="nova:host1-1")
    addresses = cloud.show(server_id)["addresses"]
    for host in HOSTS:
        declare(host, True)
    assert evacuate(cloud, server_id).status == 200
    server = cloud.wait(server_id, "ERROR")
    assert host_of(server) == "host1-1" and "No valid host was found" in server["fault"]["message"] and server["addresses"] == addresses
    declare("host1-2", False)
    assert evacuate(cloud, server_id).status == 200
    assert host_of(cloud.wait(server_id)) == "host1-2"
    cloud.delete(server_id)


@pytest.mark.parametrize("point", ["scheduler.claim_move", "evacuate.addresses", "evacuate.disks", "evacuate.guest"])
def test_an_evacuation_goes_on_after_the_process_died(point):
    with Cloud({"compute": {"fake_hosts": 2}}) as cloud:
        cloud.daemon.stop()
        cloud.daemon.start(hooks=f"{point}=kill")
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server_id = cloud.boot(availability_zone="nova:host1-1")
        down = {"host": "host1-1", "binary": "nova-compute", "forced_down": True}
        assert cloud.admin.put("/os-services/force-down", down, headers=at("2.11")).status == 200
        assert evacuate(cloud, server_id).status == 200
        daemons.wait_until("the process died", lambda: cloud.daemon.process.popen.poll() is not None, 20)
        cloud.daemon.start()
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server = cloud.wait(server_id)
        assert host_of(server) == "host1-2" and used(cloud) == {"host1-1": 0, "host1-2": 1}
        cloud.delete(server_id)
        assert used(cloud) == {"host1-1": 0, "host1-2": 0}
