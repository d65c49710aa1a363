"""Every action on a server over HTTP, on an all-in-one with the fake driver: what it shows, and what it refuses in which words."""
import pytest

import daemons
from tests.functional.cloud import Cloud

RUNNING, PAUSED, SUSPENDED = 1, 3, 7


@pytest.fixture(scope="module")
def cloud():
    with Cloud() as running:
        yield running


@pytest.fixture
def server_id(cloud):
    made = cloud.boot()
    yield made
    if cloud.admin.get(f"/servers/{made}").status == 200:
        cloud.delete(made)


def do(cloud, server_id, action, argument=None, status="ACTIVE", client=None):
    answer = cloud.act(server_id, action, argument, client)
    assert answer.status == (200 if action == "rescue" else 202), answer
    return cloud.wait(server_id, status)


def refusal(cloud, server_id, action, argument=None):
    answer = cloud.act(server_id, action, argument)
    assert answer.status == 409, answer
    return answer.json["conflictingRequest"]["message"]


# ---- power -----------------------------------------------------------------------------------------------------------------
def test_a_paused_server_goes_on(cloud, server_id):
    assert do(cloud, server_id, "pause", status="PAUSED")["OS-EXT-STS:power_state"] == PAUSED
    assert refusal(cloud, server_id, "pause") == f"Cannot 'pause' instance {server_id} while it is in vm_state paused"
    assert do(cloud, server_id, "unpause")["OS-EXT-STS:power_state"] == RUNNING
    assert refusal(cloud, server_id, "unpause") == f"Cannot 'unpause' instance {server_id} while it is in vm_state active"
    do(cloud, server_id, "pause", status="PAUSED")
    do(cloud, server_id, "reboot", {"type": "HARD"})


def test_a_suspended_server_goes_on(cloud, server_id):
    assert do(cloud, server_id, "suspend", status="SUSPENDED")["OS-EXT-STS:power_state"] == SUSPENDED
    assert refusal(cloud, server_id, "os-stop") == f"Cannot 'stop' instance {server_id} while it is in vm_state suspended"
    assert do(cloud, server_id, "resume")["OS-EXT-STS:power_state"] == RUNNING
    assert cloud.act(server_id, "os-getConsoleOutput", {}).json["output"].count("Linux version") == 1
    do(cloud, server_id, "suspend", status="SUSPENDED")
    do(cloud, server_id, "reboot", {"type": "HARD"})
    assert cloud.act(server_id, "os-getConsoleOutput", {}).json["output"].count("Linux version") == 2
    actions = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert [action["action"] for action in actions] == ["reboot", "suspend", "resume", "suspend", "create"]
    shown = cloud.admin.get(f"/servers/{server_id}/os-instance-actions/{actions[1]['request_id']}").json["instanceAction"]
    assert [(event["event"], event["result"]) for event in shown["events"]] == [("compute_suspend_instance", "Success")]


def test_a_crash_dump_interrupts_the_guest(cloud, server_id):
    do(cloud, server_id, "trigger_crash_dump")
    assert "NMI received" in cloud.act(server_id, "os-getConsoleOutput", {}).json["output"]
    path, old = f"/servers/{server_id}/action", {"OpenStack-API-Version": "compute 2.16"}
    assert cloud.admin.post(path, {"trigger_crash_dump": None}, headers=old).status == 404
    do(cloud, server_id, "os-stop", status="SHUTOFF")
    assert refusal(cloud, server_id, "trigger_crash_dump") == (
        f"Cannot 'trigger_crash_dump' instance {server_id} while it is in vm_state stopped")


# ---- rebuild and rescue ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def other_image(cloud):
    return cloud.add_image(b"other" * 500)


@pytest.fixture(scope="module")
def false_image(cloud):
    """Accepted by the API, refused by the host: it is not what it says."""
    return cloud.add_image(b"raw" * 500, disk_format="qcow2")


def test_a_rebuilt_server_is_the_same_with_another_system(cloud, server_id, other_image):
    before = cloud.show(server_id)
    answer = cloud.act(server_id, "rebuild", {"imageRef": other_image, "name": "anew", "metadata": {"a": "b"}, "adminPass": "secret",
                                              "description": "text", "user_data": "aGk=", "hostname": "other", "accessIPv4": "192.0.2.1"})
    assert answer.status == 202 and answer.headers["location"].endswith(f"/servers/{server_id}")
    shown = answer.json["server"]
    assert shown["adminPass"] == "secret" and shown["image"]["id"] == other_image and shown["name"] == "anew" and shown["status"] == "REBUILD"
    assert shown["user_data"] == "aGk=" and "OS-EXT-SRV-ATTR:user_data" not in shown
    after = cloud.wait(server_id)
    assert after["image"]["id"] == other_image and after["metadata"] == {"a": "b"} and after["addresses"] == before["addresses"]
    assert after["OS-EXT-SRV-ATTR:hostname"] == "other" and after["OS-EXT-SRV-ATTR:user_data"] == "aGk=" and after["created"] == before["created"]
    assert after["OS-EXT-SRV-ATTR:host"] == before["OS-EXT-SRV-ATTR:host"] and after["description"] == "text"
    shown = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"][0]
    assert shown["action"] == "rebuild"


def test_a_stopped_server_is_rebuilt_and_stays_so(cloud, server_id, other_image):
    do(cloud, server_id, "os-stop", status="SHUTOFF")
    do(cloud, server_id, "rebuild", {"imageRef": other_image}, "SHUTOFF")
    assert cloud.show(server_id)["image"]["id"] == other_image
    do(cloud, server_id, "os-start")


def test_a_rebuild_that_fails_leaves_the_original(cloud, server_id, false_image):
    assert cloud.act(server_id, "rebuild", {"imageRef": false_image, "name": "never"}).status == 202
    server = cloud.wait(server_id, "ERROR")
    assert "its content is raw" in server["fault"]["message"] and server["name"] == "server" and server["image"]["id"] == cloud.image
    assert server["OS-EXT-STS:power_state"] == RUNNING
    do(cloud, server_id, "reboot", {"type": "HARD"})


@pytest.mark.parametrize(("version", "wanted", "words"), [
    ("2.96", {"imageRef": "5d6c3f4e-0000-4000-8000-000000000001"}, "Cannot find image for rebuild"),
    ("2.96", {"imageRef": "IMAGE", "key_name": "none-such"}, "Invalid key_name provided."),
    ("2.96", {"imageRef": "IMAGE", "personality": []}, "Additional properties are not allowed"),
    ("2.53", {"imageRef": "IMAGE", "key_name": None}, "Additional properties are not allowed"),
    ("2.89", {"imageRef": "IMAGE", "hostname": "other"}, "Additional properties are not allowed"),
    ("2.96", {}, "'imageRef' is a required property"),
])
def test_what_no_server_can_be_rebuilt_with(cloud, server_id, version, wanted, words):
    body = {"rebuild": {key: cloud.image if value == "IMAGE" else value for key, value in wanted.items()}}
    answer = cloud.admin.post(f"/servers/{server_id}/action", body, headers={"OpenStack-API-Version": f"compute {version}"})
    assert answer.status == 400 and words in answer.json["badRequest"]["message"], answer


def test_a_server_is_rescued_and_returns(cloud, server_id, other_image):
    answer = cloud.act(server_id, "rescue", {"rescue_image_ref": other_image, "adminPass": "secret"})
    assert answer.status == 200 and answer.json == {"adminPass": "secret"}
    cloud.wait(server_id, "RESCUE")
    assert refusal(cloud, server_id, "rescue") == f"Cannot 'rescue' instance {server_id} while it is in vm_state rescued"
    assert refusal(cloud, server_id, "os-stop") == f"Cannot 'stop' instance {server_id} while it is in vm_state rescued"
    assert cloud.show(server_id)["image"]["id"] == cloud.image
    do(cloud, server_id, "unrescue")
    assert cloud.act(server_id, "rescue").status == 200
    cloud.wait(server_id, "RESCUE")
    do(cloud, server_id, "unrescue")


def test_a_stable_rescue_takes_the_devices_that_it_knows(cloud, server_id):
    iso = cloud.add_image(b"iso" * 500, disk_format="iso", hw_rescue_device="cdrom")
    do(cloud, server_id, "rescue", {"rescue_image_ref": iso}, "RESCUE")
    do(cloud, server_id, "unrescue")
    for properties, words in (({"hw_rescue_device": "tape"}, "Requested rescue device 'tape' is not supported"),
                              ({"hw_rescue_bus": "pigeon"}, "Requested rescue bus 'pigeon' is not supported"),
                              ({"hw_rescue_device": "cdrom", "hw_rescue_bus": "virtio"}, "rescue bus 'virtio' is not supported for a cdrom")):
        answer = cloud.act(server_id, "rescue", {"rescue_image_ref": cloud.add_image(b"x", **properties)})
        assert answer.status == 400 and words in answer.json["badRequest"]["message"]


def test_a_rescue_that_fails_says_why(cloud, server_id, false_image):
    answer = cloud.act(server_id, "rescue", {"rescue_image_ref": "5d6c3f4e-0000-4000-8000-000000000001"})
    assert answer.status == 400 and "is not supported" in answer.json["badRequest"]["message"]
    assert cloud.act(server_id, "rescue", {"rescue_image_ref": false_image}).status == 200
    assert "its content is raw" in cloud.wait(server_id, "ERROR")["fault"]["message"]
    do(cloud, server_id, "reboot", {"type": "HARD"})


# ---- images of servers -----------------------------------------------------------------------------------------------------
def image_of(cloud, image_id):
    return cloud.daemon.client("image/v2").get(f"/images/{image_id}").json


@pytest.mark.parametrize("state", ["ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"])
def test_an_image_of_a_server_makes_servers(cloud, server_id, state):
    action = {"SHUTOFF": "os-stop", "PAUSED": "pause", "SUSPENDED": "suspend"}.get(state)
    if action:
        do(cloud, server_id, action, status=state)
    answer = cloud.act(server_id, "createImage", {"name": "picture", "metadata": {"note": "kept"}})
    assert answer.status == 202 and list(answer.json) == ["image_id"]
    cloud.wait(server_id, state)
    image = image_of(cloud, answer.json["image_id"])
    assert (image["status"], image["name"], image["disk_format"], image["visibility"]) == ("active", "picture", "qcow2", "private")
    assert (image["instance_uuid"], image["image_type"], image["base_image_ref"], image["note"]) == (server_id, "snapshot", cloud.image, "kept")
    assert image["min_disk"] == 1 and image["user_id"] == cloud.show(server_id)["user_id"]
    copy = cloud.boot(imageRef=image["id"])
    assert cloud.show(copy)["image"]["id"] == image["id"]
    cloud.delete(copy)


def test_an_image_before_2_45_is_told_in_location(cloud, server_id):
    old = {"OpenStack-API-Version": "compute 2.44"}
    answer = cloud.admin.post(f"/servers/{server_id}/action", {"createImage": {"name": "picture"}}, headers=old)
    assert answer.status == 202 and answer.body == b""
    cloud.wait(server_id)
    assert image_of(cloud, answer.headers["location"].rsplit("/", 1)[-1])["status"] == "active"


def test_backups_rotate(cloud, server_id):
    made = []
    for number in range(3):
        answer = cloud.act(server_id, "createBackup", {"name": f"b{number}", "backup_type": "daily", "rotation": 2})
        assert answer.status == 202, answer
        made.append(answer.json["image_id"])
        cloud.wait(server_id)
    kept = cloud.daemon.client("image/v2").get(f"/images?instance_uuid={server_id}&sort=created_at:asc").json["images"]
    assert [image["id"] for image in kept] == made[1:] and {image["image_type"] for image in kept} == {"backup"}
    assert cloud.act(server_id, "createBackup", {"name": "none", "backup_type": "daily", "rotation": -1}).status == 400


def test_images_are_the_makers_and_shared_with_the_servers_project(cloud):
    member = cloud.add_user("pictured")
    server_id = cloud.boot(member)
    theirs = cloud.act(server_id, "createImage", {"name": "theirs"}, member).json["image_id"]
    cloud.wait(server_id)
    mine = cloud.act(server_id, "createImage", {"name": "mine"}).json["image_id"]
    cloud.wait(server_id)
    project = cloud.show(server_id)["tenant_id"]
    assert image_of(cloud, theirs)["owner"] == project and image_of(cloud, mine)["owner"] != project
    assert image_of(cloud, mine)["visibility"] == "shared" and image_of(cloud, mine)["instance_owner"] == project
    copy = cloud.boot(member, imageRef=mine)
    for each in (copy, server_id):
        cloud.delete(each)


def test_what_cannot_be_pictured_leaves_no_image(cloud, server_id):
    assert cloud.act(server_id, "createImage", {"name": "reserved", "metadata": {"status": "x"}}).status == 400
    cloud.act(server_id, "os-resetState", {"state": "error"})
    assert refusal(cloud, server_id, "createImage", {"name": "x"}) == f"Cannot 'createImage' instance {server_id} while it is in vm_state error"
    assert [image["name"] for image in cloud.daemon.client("image/v2").get(f"/images?instance_uuid={server_id}").json["images"]] == []


# ---- network cards ---------------------------------------------------------------------------------------------------------
def macs(cloud, server_id):
    """The MACs of the server's ports, in order."""
    return [item["mac_addr"] for item in cloud.admin.get(f"/servers/{server_id}/os-interface").json["interfaceAttachments"]]


def plugged(cloud, server_id):
    """The MACs of the cards that the guest has."""
    return [nic["mac_address"] for nic in cloud.admin.get(f"/servers/{server_id}/diagnostics").json["nic_details"]]


def ports(cloud):
    return len(cloud.daemon.client("network/v2.0").get("/ports").json["ports"])


@pytest.mark.parametrize("state", ["ACTIVE", "SHUTOFF"])
def test_a_card_comes_and_goes(cloud, server_id, state):
    before, path = ports(cloud), f"/servers/{server_id}/os-interface"
    if state == "SHUTOFF":
        do(cloud, server_id, "os-stop", status=state)
    answer = cloud.admin.post(path, {"interfaceAttachment": {"net_id": cloud.network, "fixed_ips": [{"ip_address": "10.0.9.9"}], "tag": "second"}})
    assert answer.status == 200, answer
    made = answer.json["interfaceAttachment"]
    assert made["net_id"] == cloud.network and made["fixed_ips"][0]["ip_address"] == "10.0.9.9" and made["tag"] == "second"
    assert cloud.wait(server_id, state)["addresses"]["private"][1]["addr"] == "10.0.9.9" and ports(cloud) == before + 1
    if state == "SHUTOFF":
        do(cloud, server_id, "os-start")
    assert plugged(cloud, server_id) == macs(cloud, server_id) and made["mac_addr"] in plugged(cloud, server_id)
    assert cloud.admin.delete(f"{path}/{made['port_id']}").status == 202
    cloud.wait(server_id)
    assert made["mac_addr"] not in plugged(cloud, server_id) == macs(cloud, server_id) and ports(cloud) == before
    assert cloud.admin.delete(f"{path}/{made['port_id']}").status == 404


def test_a_port_of_the_users_own_comes_and_stays(cloud, server_id):
    network = cloud.daemon.client("network/v2.0")
    port = network.post("/ports", {"port": {"network_id": cloud.network}}).json["port"]["id"]
    path = f"/servers/{server_id}/os-interface"
    assert cloud.admin.post(path, {"interfaceAttachment": {"port_id": port}}).json["interfaceAttachment"]["port_id"] == port
    assert cloud.admin.post(path, {"interfaceAttachment": {"port_id": port}}).status == 409
    assert cloud.admin.delete(f"{path}/{port}").status == 202
    cloud.wait(server_id)
    assert network.get(f"/ports/{port}").json["port"]["device_id"] == ""
    assert network.delete(f"/ports/{port}").status == 204
    assert cloud.admin.post(path, {"interfaceAttachment": {}}).status == 200


@pytest.mark.parametrize(("wanted", "words"), [
    ({"net_id": "5d6c3f4e-0000-4000-8000-000000000001"}, "could not be found"),
    ({"net_id": "5d6c3f4e-0000-4000-8000-000000000001", "port_id": "5d6c3f4e-0000-4000-8000-000000000002"}, "Must not input both"),
    ({"fixed_ips": [{"ip_address": "10.0.9.9"}]}, "Must input network_id"),
    ({"fixed_ips": []}, "Invalid input for field/attribute"),
])
def test_cards_that_cannot_be(cloud, server_id, wanted, words):
    answer = cloud.admin.post(f"/servers/{server_id}/os-interface", {"interfaceAttachment": wanted})
    assert answer.status == (404 if "found" in words else 400) and words in next(iter(answer.json.values()))["message"], answer
    do(cloud, server_id, "suspend", status="SUSPENDED")
    refused = cloud.admin.post(f"/servers/{server_id}/os-interface", {"interfaceAttachment": {"net_id": cloud.network}})
    assert refused.json["conflictingRequest"]["message"] == f"Cannot 'attach_interface' instance {server_id} while it is in vm_state suspended"


# ---- passwords -------------------------------------------------------------------------------------------------------------
def test_a_password_needs_an_agent_in_the_guest(cloud, server_id):
    assert refusal(cloud, server_id, "changePassword", {"adminPass": "new"}) == "QEMU guest agent is not enabled"
    assert cloud.wait(server_id)["status"] == "ACTIVE"
    do(cloud, server_id, "rebuild", {"imageRef": cloud.add_image(b"agent" * 500, hw_qemu_guest_agent="yes")})
    do(cloud, server_id, "changePassword", {"adminPass": "new"})
    shown = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert [(item["action"], item["message"] is not None) for item in shown[:3]] == \
        [("changePassword", False), ("rebuild", False), ("changePassword", True)]
    do(cloud, server_id, "os-stop", status="SHUTOFF")
    assert refusal(cloud, server_id, "changePassword", {"adminPass": "x"}) == (
        f"Cannot 'changePassword' instance {server_id} while it is in vm_state stopped")
    assert cloud.act(server_id, "changePassword", {}).status == 400


def test_a_guest_that_told_no_password(cloud, server_id):
    path = f"/servers/{server_id}/os-server-password"
    assert cloud.admin.get(path).json == {"password": ""}
    assert cloud.admin.delete(path).status == 204


# ---- delete and restore ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def forgiving():
    with Cloud({"compute": {"reclaim_interval": 3600}}) as running:
        yield running


def listed(cloud, query=""):
    return [server["id"] for server in cloud.admin.get(f"/servers?{query}").json["servers"]]


def test_a_deleted_server_can_be_restored_or_deleted_for_good(forgiving):
    before = forgiving.usage()
    server_id = forgiving.boot()
    assert forgiving.admin.delete(f"/servers/{server_id}").status == 204
    assert forgiving.wait(server_id, "SOFT_DELETED")["OS-EXT-STS:power_state"] == 4
    assert listed(forgiving) == [] and listed(forgiving, "status=SOFT_DELETED") == listed(forgiving, "deleted=True") == [server_id]
    assert forgiving.usage()[2:] == before[2:] and forgiving.usage()[0] == before[0] + 1
    assert refusal(forgiving, server_id, "os-start") == f"Cannot 'start' instance {server_id} while it is in vm_state soft-delete"
    do(forgiving, server_id, "restore")
    assert forgiving.usage()[2] == before[2] + 1 and listed(forgiving) == [server_id]
    assert refusal(forgiving, server_id, "restore") == f"Cannot 'restore' instance {server_id} while it is in vm_state active"
    assert forgiving.admin.delete(f"/servers/{server_id}").status == 204
    forgiving.wait(server_id, "SOFT_DELETED")
    assert forgiving.act(server_id, "forceDelete").status == 202
    daemons.wait_until("the server is gone", lambda: forgiving.admin.get(f"/servers/{server_id}").status == 404, 30)
    assert forgiving.usage() == before


def test_a_restore_needs_quota(forgiving):
    member = forgiving.add_user("narrow")
    server_id = forgiving.boot(member)
    assert member.delete(f"/servers/{server_id}").status == 204
    project = forgiving.wait(server_id, "SOFT_DELETED")["tenant_id"]
    assert forgiving.admin.put(f"/os-quota-sets/{project}", {"quota_set": {"instances": 0}}).status == 200
    assert forgiving.act(server_id, "restore", None, member).status == 403
    assert forgiving.act(server_id, "forceDelete", None, member).status == 202
    daemons.wait_until("the server is gone", lambda: forgiving.admin.get(f"/servers/{server_id}").status == 404, 30)


def test_what_nobody_restores_is_reclaimed():
    with Cloud({"compute": {"reclaim_interval": 0.5}}) as hasty:
        before, server_id = hasty.usage(), hasty.boot()
        assert hasty.admin.delete(f"/servers/{server_id}").status == 204
        daemons.wait_until("the server is gone", lambda: hasty.admin.get(f"/servers/{server_id}").status == 404, 30)
        assert hasty.usage() == before


# ---- what a guest says of itself -------------------------------------------------------------------------------------------
def test_diagnostics_in_both_forms(cloud, server_id):
    path = f"/servers/{server_id}/diagnostics"
    classic = cloud.admin.get(path, headers={"OpenStack-API-Version": "compute 2.47"}).json
    assert classic["memory"] == 65536 and classic["cpu0_time"] > 0 and classic["vda_read"] == 262144
    assert any(name.startswith("tap") and name.endswith("_rx_packets") for name in classic)
    found = cloud.admin.get(path).json
    assert (found["state"], found["num_cpus"], found["num_disks"], found["num_nics"]) == ("running", 1, 1, 1)
    assert found["memory_details"]["maximum"] == 64 and found["nic_details"][0]["mac_address"] == macs(cloud, server_id)[0]
    assert found["uptime"] >= 0 and found["config_drive"] is False
    do(cloud, server_id, "os-stop", status="SHUTOFF")
    assert cloud.admin.get(path).json["conflictingRequest"]["message"] == (
        f"Cannot 'get_diagnostics' instance {server_id} while it is in power state shutdown")
    assert cloud.add_user("nosy").get(path).status == 403
