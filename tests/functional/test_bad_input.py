"""Bad input gets the status and fault that the upstream service gives, and leaves nothing behind."""
import base64
import uuid

import pytest

from tests.functional.cloud import Cloud

NOBODY = str(uuid.uuid4())


@pytest.fixture(scope="module")
def cloud():
    with Cloud({"quota": {"instances": 4, "cores": -1, "ram": -1}}) as running:
        yield running


BAD_CREATES = [
    ({"flavorRef": "no-such"}, 400, "Flavor no-such could not be found."),
    ({"imageRef": NOBODY}, 400, "Can not find requested image"),
    ({"imageRef": "not-a-uuid"}, 400, "imageRef"),
    ({"imageRef": None}, 400, "Invalid imageRef provided."),
    ({"key_name": "no-such"}, 400, "Invalid key_name provided."),
    ({"networks": [{"uuid": NOBODY}]}, 400, f"Network {NOBODY} could not be found."),
    ({"networks": [{"port": NOBODY}]}, 400, f"Port id {NOBODY} could not be found."),
    ({"networks": "everything"}, 400, "networks"),
    ({"networks": None}, 400, "'networks' is a required property"),
    ({"availability_zone": "no-such"}, 400, "The requested availability zone is not available"),
    ({"user_data": base64.b64encode(b"x" * 1_000_000).decode()}, 413, "too large"),
    ({"user_data": base64.b64encode(b"x" * 60_000).decode()}, 400, "user_data"),
    ({"user_data": "not base64!"}, 400, "user_data"),
    ({"name": ""}, 400, "name"),
    ({"name": 5}, 400, "server/name"),
    ({"name": None}, 400, "'name' is a required property"),
    ({"metadata": {"k": 5}}, 400, "metadata/k"),
    ({"metadata": {str(n): "v" for n in range(129)}}, 403, "Maximum number of metadata items exceeds 128"),
    ({"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"),
    ({"min_count": 0}, 400, "min_count"),
    ({"min_count": 5}, 403, "Quota exceeded for instances: Requested 5, but already used 0 of 4 instances"),
    ({"min_count": 2, "networks": [{"uuid": "NETWORK", "fixed_ip": "10.0.0.5"}]}, 400, "fixed"),
    ({"networks": [{"uuid": "NETWORK", "fixed_ip": "192.0.2.5"}]}, 400, "192.0.2.5"),
    ({"unknown": 1}, 400, "'unknown' was unexpected"),
    ({"tags": ["a,b"]}, 400, "tags/0"),
    ({"hostname": "-bad-"}, 400, "hostname"),
    ({"block_device_mapping_v2": [{"source_type": "volume", "uuid": NOBODY, "boot_index": 0, "destination_type": "volume"}]}, 400, "volumes"),
    ({"block_device_mapping_v2": [{"source_type": "blank", "destination_type": "local", "boot_index": -1}]}, 400, "Boot sequence"),
    ({"block_device_mapping": [{"virtual_name": "swap", "volume_size": 1}]}, 400,
     "Swap drive requested is larger than instance type allows."),
    ({"security_groups": [{"name": "no-such"}]}, 400, "Security group no-such not found."),
    ({"availability_zone": "nova:nohost"}, 400, "Compute host nohost could not be found."),
]


@pytest.mark.parametrize(("changes", "status", "text"), BAD_CREATES, ids=[f"{list(c)[0]}-{n}" for n, (c, _, _) in enumerate(BAD_CREATES)])
def test_a_bad_create_is_refused_and_leaves_nothing(cloud, changes, status, text):
    if isinstance(changes.get("networks"), list):
        changes = {**changes, "networks": [{key: cloud.network if value == "NETWORK" else value for key, value in item.items()}
                                           for item in changes["networks"]]}
    answer = cloud.admin.post("/servers", cloud.body(**{"name": "bad", **changes}))
    assert answer.status == status, answer
    fault = next(iter(answer.json.values()))
    assert fault["code"] == status and text in fault["message"]
    assert cloud.admin.get("/servers").json["servers"] == [] and cloud.usage() == (0, 0, 0, 0)


@pytest.mark.parametrize(("body", "headers", "status", "text"), [
    (b"{", {}, 400, "Malformed request body"),
    (b"[]", {}, 400, "type 'object'"),
    (b'"server"', {}, 400, "type 'object'"),
    (b'{"server": []}', {}, 400, "server"),
    (b"", {}, 400, ""),
    (b"<server/>", {"Content-Type": "application/xml"}, 415, "Content-Type"),
    (b'{"server": {"name": "\xff"}}', {}, 400, ""),
])
def test_malformed_bodies(cloud, body, headers, status, text):
    answer = cloud.admin.call("POST", "/servers", body, {"Content-Type": "application/json", **headers})
    assert answer.status == status and text in next(iter(answer.json.values()))["message"], answer


def test_tokens(cloud):
    good = cloud.admin.token
    try:
        for token in (None, "nonsense", good[:-5] + "AAAAA"):
            cloud.admin.token = token
            answer = cloud.admin.get("/servers")
            assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Keystone uri=")
    finally:
        cloud.admin.token = good


@pytest.mark.parametrize(("version", "status"), [
    ("2.1", 200), ("latest", 200), ("2.96", 200), ("2.999", 406), ("3.0", 406), ("2", 400), ("x.y", 400)])
def test_microversion_negotiation(cloud, version, status):
    answer = cloud.admin.get("/servers", headers={"OpenStack-API-Version": f"compute {version}"})
    assert answer.status == status
    assert "OpenStack-API-Version" in answer.headers["vary"]
    if status == 200:
        assert answer.headers["openstack-api-version"] == f"compute {'2.96' if version == 'latest' else version}"


@pytest.mark.parametrize(("action", "argument", "status"), [
    ("reboot", {"type": "MAYBE"}, 400), ("reboot", {}, 400), ("reboot", None, 400), ("no-such-action", {}, 400),
    ("os-getConsoleOutput", {"length": "many"}, 400),
])
def test_bad_actions(cloud, action, argument, status):
    server_id = cloud.boot(name="target")
    assert cloud.act(server_id, action, argument).status == status
    cloud.delete(server_id)


def test_unknown_servers_and_paths(cloud):
    assert cloud.admin.get(f"/servers/{NOBODY}").json["itemNotFound"]["message"] == f"Instance {NOBODY} could not be found."
    assert cloud.admin.delete(f"/servers/{NOBODY}").status == 404
    assert cloud.act(NOBODY, "os-stop").status == 404
    assert cloud.admin.get("/no-such-thing").status == 404
    assert cloud.admin.call("PATCH", "/servers").status == 405


def test_as_many_servers_as_the_quota_admits(cloud):
    answer = cloud.admin.post("/servers", cloud.body("some", min_count=2, max_count=9))
    assert answer.status == 202, answer
    servers = cloud.admin.get("/servers").json["servers"]
    assert sorted(server["name"] for server in servers) == ["some-1", "some-2", "some-3", "some-4"]
    for server in servers:
        cloud.delete(server["id"])
