"""The life of servers over HTTP on an all-in-one with the fake driver."""
import pytest

import daemons
from tests.functional.cloud import Cloud


@pytest.fixture(scope="module")
def cloud():
    with Cloud({"compute": {"fake_hosts": 2}}) as running:
        yield running


def test_a_server_from_birth_to_death(cloud):
    before = cloud.usage()
    server_id = cloud.boot(name="first", metadata={"a": "b"}, tags=["blue"])
    server = cloud.show(server_id)
    assert server["metadata"] == {"a": "b"} and server["tags"] == ["blue"] and server["OS-EXT-STS:power_state"] == 1
    address = server["addresses"]["private"][0]
    assert address["version"] == 4 and address["OS-EXT-IPS:type"] == "fixed" and address["addr"].startswith("10.0.")
    assert cloud.admin.get(f"/servers/{server_id}/ips").json["addresses"]["private"][0]["addr"] == address["addr"]
    for action, argument, status in (("reboot", {"type": "SOFT"}, "ACTIVE"), ("reboot", {"type": "HARD"}, "ACTIVE"), ("os-stop", None, "SHUTOFF"),
                                     ("os-start", None, "ACTIVE")):
        assert cloud.act(server_id, action, argument).status == 202
        cloud.wait(server_id, status)
    assert "Linux version" in cloud.act(server_id, "os-getConsoleOutput", {}).json["output"]
    assert len(cloud.act(server_id, "os-getConsoleOutput", {"length": 2}).json["output"].split("\n")) == 2
    actions = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert [action["action"] for action in actions] == ["start", "stop", "reboot", "reboot", "create"]
    shown = cloud.admin.get(f"/servers/{server_id}/os-instance-actions/{actions[-1]['request_id']}").json["instanceAction"]
    assert [(event["event"], event["result"]) for event in shown["events"]] == [("compute__do_build_and_run_instance", "Success")]
    cloud.delete(server_id)
    assert cloud.usage() == before


def test_files_come_on_a_config_drive_whether_it_was_asked_for_or_not(cloud):
    old, files = cloud.daemon.client(microversion="2.50"), [{"path": "/etc/motd", "contents": "aGVsbG8="}]
    with_files = cloud.boot(old, personality=files)
    assert cloud.show(with_files)["config_drive"] == "True"
    without = cloud.boot()
    assert cloud.show(without)["config_drive"] == ""
    assert cloud.act(without, "rebuild", {"imageRef": cloud.image, "personality": files}, old).status == 202
    assert cloud.wait(without)["config_drive"] == "True"
    for each in (with_files, without):
        cloud.delete(each)


def test_many_from_one_request(cloud):
    answer = cloud.admin.post("/servers", cloud.body("many", min_count=3, max_count=3, return_reservation_id=True))
    assert answer.status == 202 and list(answer.json) == ["reservation_id"]
    path = f"/servers/detail?reservation_id={answer.json['reservation_id']}"

    def ready():
        found = cloud.admin.get(path).json["servers"]
        return found if [server["status"] for server in found] == ["ACTIVE"] * 3 else None
    found = daemons.wait_until("three servers", ready)
    assert sorted(server["name"] for server in found) == ["many-1", "many-2", "many-3"]
    assert len({server["OS-EXT-SRV-ATTR:host"] for server in found}) == 2
    assert len({server["addresses"]["private"][0]["addr"] for server in found}) == 3
    for server in found:
        cloud.delete(server["id"])


def test_more_than_the_hosts_hold_ends_in_error_saying_why(cloud):
    flavor = cloud.admin.post("/flavors", {"flavor": {"name": "huge", "ram": 10_000_000, "vcpus": 1, "disk": 1}}).json["flavor"]["id"]
    server_id = cloud.create(name="huge", flavorRef=flavor)
    server = cloud.wait(server_id, "ERROR")
    assert server["fault"]["code"] == 500
    assert server["fault"]["message"].startswith("No valid host was found. 2 hosts considered")
    assert "RAM" in server["fault"]["message"] and "host1" not in server["fault"]["message"]
    assert cloud.act(server_id, "reboot", {"type": "HARD"}).json["conflictingRequest"]["message"] == f"Instance {server_id} is not ready"
    cloud.delete(server_id)


def test_lists_page_sort_and_filter(cloud):
    ids = [cloud.boot(name=f"list-{letter}") for letter in "abc"]
    names = [server["name"] for server in cloud.admin.get("/servers?name=list-&sort_key=display_name&sort_dir=asc").json["servers"]]
    assert names == ["list-a", "list-b", "list-c"]
    page = cloud.admin.get("/servers?name=list-&sort_key=display_name&sort_dir=asc&limit=2").json
    assert [server["name"] for server in page["servers"]] == ["list-a", "list-b"]
    rest = page["servers_links"][0]["href"].removeprefix(cloud.daemon.base + "/compute/v2.1")
    assert [server["name"] for server in cloud.admin.get(rest).json["servers"]] == ["list-c"]
    address = cloud.show(ids[0])["addresses"]["private"][0]["addr"]
    assert [server["id"] for server in cloud.admin.get(f"/servers?ip=^{address.replace('.', '%5C.')}$").json["servers"]] == [ids[0]]
    assert cloud.admin.get("/servers?status=SHUTOFF").json["servers"] == []
    assert {server["id"] for server in cloud.admin.get("/servers?status=active").json["servers"]} >= set(ids)
    assert cloud.admin.get("/servers?status=nonsense").status == 400
    assert cloud.admin.get("/servers?marker=nonsense").status == 400
    assert cloud.admin.get("/servers?no_such_filter=1").status == 400
    assert cloud.admin.get("/servers?no_such_filter=1", headers={"OpenStack-API-Version": "compute 2.1"}).status == 200
    for server_id in ids:
        cloud.delete(server_id)


def test_a_strangers_server_is_not_found(cloud):
    mine = cloud.boot(name="mine")
    stranger = cloud.add_user("stranger")
    assert stranger.get(f"/servers/{mine}").status == 404
    assert stranger.delete(f"/servers/{mine}").status == 404
    assert cloud.act(mine, "reboot", {"type": "HARD"}, stranger).status == 404
    assert stranger.get(f"/servers/{mine}/metadata").status == 404
    assert stranger.get("/servers?all_tenants=1").status == 403
    theirs = cloud.boot(stranger, "theirs")
    assert [server["id"] for server in stranger.get("/servers").json["servers"]] == [theirs]
    assert "OS-EXT-SRV-ATTR:host" not in cloud.show(theirs, stranger)
    cloud.delete(mine)
    cloud.delete(theirs)


def test_metadata_and_tags(cloud):
    server_id = cloud.boot(name="marked")
    path = f"/servers/{server_id}"
    assert cloud.admin.post(f"{path}/metadata", {"metadata": {"a": "1", "b": "2"}}).json == {"metadata": {"a": "1", "b": "2"}}
    assert cloud.admin.put(f"{path}/metadata/a", {"meta": {"a": "3"}}).json == {"meta": {"a": "3"}}
    assert cloud.admin.put(f"{path}/metadata/a", {"meta": {"z": "3"}}).status == 400
    assert cloud.admin.delete(f"{path}/metadata/b").status == 204
    assert cloud.admin.get(f"{path}/metadata/b").status == 404
    assert cloud.admin.put(f"{path}/metadata", {"metadata": {"only": "me"}}).json == {"metadata": {"only": "me"}}
    assert cloud.admin.put(f"{path}/tags/red").status == 201
    assert cloud.admin.put(f"{path}/tags/red").status == 204
    assert cloud.admin.put(f"{path}/tags", {"tags": ["x", "y"]}).json == {"tags": ["x", "y"]}
    assert [server["id"] for server in cloud.admin.get("/servers?tags=x,y").json["servers"]] == [server_id]
    assert cloud.admin.get("/servers?tags=x,z").json["servers"] == []
    assert cloud.admin.delete(f"{path}/tags/z").status == 404
    assert cloud.admin.delete(f"{path}/tags").status == 204
    assert cloud.admin.get(f"{path}/tags", headers={"OpenStack-API-Version": "compute 2.25"}).status == 404
    cloud.delete(server_id)


def test_updates_locks_and_states(cloud):
    server_id = cloud.boot(name="plain")
    member = cloud.add_user("locker")
    theirs = cloud.boot(member, "theirs")
    answer = cloud.admin.put(f"/servers/{server_id}", {"server": {"name": "renamed", "description": "text", "accessIPv4": "192.0.2.1",
                                                                  "accessIPv6": "2001:DB8:0::192.0.2.1"}})
    assert answer.json["server"]["accessIPv6"] == "2001:db8::c000:201"
    assert answer.json["server"]["name"] == "renamed" and answer.json["server"]["accessIPv4"] == "192.0.2.1"
    assert cloud.act(theirs, "lock", {"locked_reason": "busy"}, member).status == 202
    shown = cloud.show(theirs, member)
    assert shown["locked"] and shown["locked_reason"] == "busy"
    assert cloud.act(theirs, "os-stop", None, member).status == 409
    assert cloud.act(theirs, "os-stop").status == 202
    cloud.wait(theirs, "SHUTOFF")
    assert cloud.act(theirs, "unlock", None, member).status == 202
    assert cloud.act(theirs, "os-stop", None, member).json["conflictingRequest"]["message"] == (
        f"Cannot 'stop' instance {theirs} while it is in vm_state stopped")
    assert cloud.act(theirs, "os-resetState", {"state": "error"}, member).status == 403
    assert cloud.act(theirs, "os-resetState", {"state": "error"}).status == 202
    assert cloud.show(theirs)["status"] == "ERROR"
    assert cloud.act(theirs, "reboot", {"type": "HARD"}, member).status == 202
    cloud.wait(theirs, "ACTIVE")
    for each in (server_id, theirs):
        cloud.delete(each)
