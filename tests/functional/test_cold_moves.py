"""Servers go to other hosts and come back over HTTP, on an all-in-one that plays three hosts."""
import pytest

import daemons
from tests.functional.cloud import Cloud


@pytest.fixture(scope="module")
def cloud():
    with Cloud({"compute": {"fake_hosts": 3, "fake_vcpus": 4, "cpu_allocation_ratio": 1.0}}) as running:
        running.hosts = sorted(each["service"]["host"] for each in hypervisors(running))
        yield running


def hypervisors(cloud):
    return cloud.admin.get("/os-hypervisors/detail", headers={"OpenStack-API-Version": "compute 2.87"}).json["hypervisors"]


def add_flavor(cloud, name, **sizes):
    return cloud.admin.post("/flavors", {"flavor": {"name": name, **sizes}}).json["flavor"]["id"]


@pytest.fixture(scope="module")
def large(cloud):
    return add_flavor(cloud, "large", ram=128, vcpus=4, disk=2, swap=64)


@pytest.fixture
def server_id(cloud):
    before = used(cloud)
    made = cloud.boot()
    yield made
    cloud.delete(made)
    assert used(cloud) == before


def used(cloud):
    """vCPUs and guests by host."""
    return {each["service"]["host"]: (each["vcpus_used"], each["running_vms"]) for each in hypervisors(cloud) if each["vcpus_used"]}


def host_of(cloud, server_id):
    return cloud.show(server_id)["OS-EXT-SRV-ATTR:host"]


def ports_at(cloud, server_id):
    ports = cloud.daemon.client("network/v2.0").get(f"/ports?device_id={server_id}").json["ports"]
    return {port["binding:host_id"] for port in ports}


def migrations(cloud, query=""):
    return cloud.admin.get(f"/os-migrations{query}").json["migrations"]


def act(cloud, server_id, action, argument=None, status=202):
    answer = cloud.act(server_id, action, argument)
    assert answer.status == status, answer


def test_a_server_migrates_and_that_is_confirmed(cloud, server_id):
    source = host_of(cloud, server_id)
    act(cloud, server_id, "migrate")
    server = cloud.wait(server_id, "VERIFY_RESIZE")
    there = server["OS-EXT-SRV-ATTR:host"]
    assert there in cloud.hosts and there != source and server["OS-EXT-SRV-ATTR:hypervisor_hostname"] == there
    assert server["OS-EXT-STS:power_state"] == 1 and server["progress"] in (0, 100)
    assert used(cloud) == {source: (1, 1), there: (1, 1)} and ports_at(cloud, server_id) == {there}
    found = migrations(cloud, f"?instance_uuid={server_id}")
    assert [(each["migration_type"], each["status"], each["source_compute"], each["dest_compute"]) for each in found] == [
        ("migration", "finished", source, there)]
    act(cloud, server_id, "confirmResize", status=204)
    cloud.wait(server_id)
    assert used(cloud) == {there: (1, 1)} and host_of(cloud, server_id) == there
    assert migrations(cloud, f"?instance_uuid={server_id}")[0]["status"] == "confirmed"
    actions = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert [(each["action"], each["message"]) for each in actions] == [("confirmResize", None), ("migrate", None), ("create", None)]
    act(cloud, server_id, "reboot", {"type": "HARD"})
    cloud.wait(server_id)


def test_a_server_migrates_to_a_named_host_and_back(cloud, server_id):
    source = host_of(cloud, server_id)
    there = next(host for host in cloud.hosts if host != source)
    act(cloud, server_id, "migrate", {"host": there})
    assert cloud.wait(server_id, "VERIFY_RESIZE")["OS-EXT-SRV-ATTR:host"] == there
    act(cloud, server_id, "revertResize")
    server = cloud.wait(server_id)
    assert server["OS-EXT-SRV-ATTR:host"] == source and server["OS-EXT-STS:power_state"] == 1
    assert used(cloud) == {source: (1, 1)} and ports_at(cloud, server_id) == {source}
    assert migrations(cloud, f"?instance_uuid={server_id}")[0]["status"] == "reverted"
    # The host keeps nothing that a second visit would meet.
    act(cloud, server_id, "migrate", {"host": there})
    cloud.wait(server_id, "VERIFY_RESIZE")
    act(cloud, server_id, "confirmResize", status=204)
    cloud.wait(server_id)


@pytest.mark.parametrize("action", ["confirmResize", "revertResize"])
def test_a_server_that_is_off_stays_off(cloud, server_id, action):
    act(cloud, server_id, "os-stop")
    cloud.wait(server_id, "SHUTOFF")
    act(cloud, server_id, "migrate")
    assert cloud.wait(server_id, "VERIFY_RESIZE")["OS-EXT-STS:power_state"] == 4
    act(cloud, server_id, action, status=204 if action == "confirmResize" else 202)
    cloud.wait(server_id, "SHUTOFF")
    act(cloud, server_id, "os-start")
    cloud.wait(server_id)


def test_a_resize_finds_room_elsewhere(cloud, server_id, large):
    source = host_of(cloud, server_id)
    act(cloud, server_id, "resize", {"flavorRef": large})
    server = cloud.wait(server_id, "VERIFY_RESIZE")
    there = server["OS-EXT-SRV-ATTR:host"]
    assert server["flavor"]["original_name"] == "large"
    expected = {there: (4, 1)} if there == source else {source: (1, 1), there: (4, 1)}
    assert used(cloud) == expected
    assert migrations(cloud, f"?instance_uuid={server_id}")[0]["migration_type"] == "resize"
    act(cloud, server_id, "revertResize")
    cloud.wait(server_id)
    assert used(cloud) == {source: (1, 1)} and cloud.show(server_id)["flavor"]["original_name"] == "tiny"


def test_a_server_that_waits_to_be_verified_can_be_deleted(cloud):
    before, server_id = used(cloud), cloud.boot()
    act(cloud, server_id, "migrate")
    cloud.wait(server_id, "VERIFY_RESIZE")
    cloud.delete(server_id)
    assert used(cloud) == before


def test_a_move_that_finds_no_host_leaves_the_server_as_it_was(cloud, server_id):
    flavor, before = add_flavor(cloud, "huge", ram=128, vcpus=5, disk=2), used(cloud)
    act(cloud, server_id, "resize", {"flavorRef": flavor})
    server = cloud.wait(server_id)
    assert server["flavor"]["original_name"] == "tiny" and used(cloud) == before
    assert migrations(cloud, f"?instance_uuid={server_id}")[0]["status"] == "error"
    event = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"][0]
    assert event["action"] == "resize" and "No valid host was found" in event["message"]


def test_where_no_server_can_go(cloud, server_id):
    here = host_of(cloud, server_id)
    for host, words in ((here, "Cannot migrate to the host where the server exists."), ("nowhere", "Compute host nowhere could not be found.")):
        answer = cloud.act(server_id, "migrate", {"host": host})
        assert answer.status == 400 and answer.json["badRequest"]["message"] == words
    member = cloud.add_user("nobody special")
    own = cloud.boot(member)
    assert cloud.act(own, "migrate", None, member).status == 403
    assert cloud.act(own, "migrate", {"host": here}, member).status == 403
    cloud.delete(own)


def test_servers_of_a_group_stay_apart(cloud):
    group = cloud.admin.post("/os-server-groups", {"server_group": {"name": "apart", "policy": "anti-affinity"}}).json["server_group"]["id"]
    hints = {"os:scheduler_hints": {"group": group}}
    ids = []
    for number in (1, 2):
        answer = cloud.admin.post("/servers", {**cloud.body(f"apart{number}"), **hints})
        ids.append(answer.json["server"]["id"])
        cloud.wait(ids[-1])
    places = [host_of(cloud, each) for each in ids]
    act(cloud, ids[0], "migrate")
    there = cloud.wait(ids[0], "VERIFY_RESIZE")["OS-EXT-SRV-ATTR:host"]
    assert there not in places
    act(cloud, ids[0], "revertResize")
    cloud.wait(ids[0])
    act(cloud, ids[0], "migrate", {"host": places[1]})
    daemons.wait_until("it is refused", lambda: migrations(cloud, f"?instance_uuid={ids[0]}&status=error"), 20)
    assert host_of(cloud, ids[0]) == places[0]
    for each in ids:
        cloud.delete(each)
