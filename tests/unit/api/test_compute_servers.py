"""The servers resource over its tables: keys at every version where one changes, for users and administrators, and what the lists admit."""
import hashlib

import pytest

from nova_lite import clock
from nova_lite.api.compute import history, server_actions, server_body, server_tags, server_view
from nova_lite.db import networks
from nova_lite.db import servers as servers_
from nova_lite.db.models.image import Image, ImageProperty
from tests.unit.api.compute_client import OTHER_PROJECT, PROJECT, USER, ComputeClient, changes, expected

ALWAYS = (None, None)
BRIEF = dict.fromkeys(("id", "name", "links"), ALWAYS)
CORE = {**BRIEF, **dict.fromkeys((
    "accessIPv4", "accessIPv6", "addresses", "created", "flavor", "hostId", "image", "metadata", "status", "tenant_id", "user_id", "updated",
    "OS-DCF:diskConfig", "progress"), ALWAYS),
    "locked": (9, None), "description": (19, None), "tags": (26, None), "trusted_image_certificates": (63, None), "locked_reason": (73, None)}
FULL = {**CORE, **dict.fromkeys((
    "OS-EXT-AZ:availability_zone", "config_drive", "key_name", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "OS-EXT-STS:task_state",
    "OS-EXT-STS:vm_state", "OS-EXT-STS:power_state", "os-extended-volumes:volumes_attached"), ALWAYS),
    "pinned_availability_zone": (96, None)}
OF_USERS = {"OS-EXT-SRV-ATTR:hostname": (90, None)}
OF_ADMINISTRATORS = {
    **dict.fromkeys((f"OS-EXT-SRV-ATTR:{name}" for name in ("host", "instance_name", "hypervisor_hostname")), ALWAYS),
    **dict.fromkeys((f"OS-EXT-SRV-ATTR:{name}" for name in (
        "hostname", "kernel_id", "launch_index", "ramdisk_id", "reservation_id", "root_device_name", "user_data")), (3, None)),
    "host_status": (16, None)}
GROUPS = {"server_groups": (71, None)}
FLAVOR = {"flavorid": "42", "name": "m1.test", "vcpus": 2, "memory_mb": 512, "root_gb": 3, "ephemeral_gb": 1, "swap": 256,
          "extra_specs": {"hw:cpu_policy": "shared"}}
MEMBER = {"roles": ("member", "reader")}
IMAGE = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def api(tmp_path):
    return ComputeClient(tmp_path)


def add(api, number: int = 1, **columns) -> str:
    now = clock.now()
    row = {"id": f"5d6c3f4e-0000-4000-8000-{number:012}", "project_id": PROJECT, "user_id": USER, "reservation_id": "r-1", "name": f"server {number}",
           "hostname": f"server-{number}", "created_at": now, "updated_at": now, "changed_at": now, "vm_state": "active", "power_state": 1,
           "flavor": FLAVOR, "flavorid": "42", "host": "h1", "node": "h1.rack", "image_id": "11111111-2222-4333-8444-555555555555",
           "image": {"properties": {"kernel_id": "k"}}, "request": {"availability_zone": "nova"}, "availability_zone": "nova", "meta": {"a": "b"},
           **columns}
    with api.db.write() as tx:
        servers_.insert(tx, [row])
    return row["id"]


@pytest.mark.parametrize("version", changes(server_view.SHOW, server_view.UPDATED))
def test_keys_of_every_version(api, version):
    server_id = add(api)
    for who, more in ((MEMBER, OF_USERS), ({}, OF_ADMINISTRATORS)):
        shown = api("GET", f"/servers/{server_id}", version=version, **who)[1]["server"]
        assert set(shown) == expected({**FULL, **more, **GROUPS}, version)
        listed = api("GET", "/servers/detail", version=version, **who)[1]["servers"]
        assert [set(server) for server in listed] == [expected({**FULL, **more}, version)]
        assert [set(server) for server in api("GET", "/servers", version=version, **who)[1]["servers"]] == [set(BRIEF)]
        answer = api("PUT", f"/servers/{server_id}", {"server": {"name": "new"}}, version=version, **who)[1]["server"]
        full = int(version[2:]) >= 75
        assert set(answer) == expected({**FULL, **more, **GROUPS} if full else {**CORE, **GROUPS}, version)
    minor = int(version[2:])
    if minor >= 47:
        assert shown["flavor"] == {"vcpus": 2, "ram": 512, "disk": 3, "ephemeral": 1, "swap": 256, "original_name": "m1.test",
                                   "extra_specs": {"hw:cpu_policy": "shared"}}
    else:
        assert shown["flavor"] == {"id": "42", "links": [{"rel": "bookmark", "href": "http://cloud:8774/compute/flavors/42"}]}
    assert shown["hostId"] == hashlib.sha224(f"{PROJECT}h1".encode()).hexdigest()
    assert shown["links"][0]["href"] == f"http://cloud:8774/compute/v2.1/servers/{server_id}"


@pytest.mark.parametrize("version", changes(server_body.CREATE))
def test_parameters_of_every_version(api, version):
    """Each parameter of POST /servers is known from its first version to its last, and an unknown field before and after."""
    body = server_body.CREATE
    for row in body.params:
        minor = int(version[2:])
        alive = (row.since is None or minor >= int(row.since[2:])) and (row.until is None or minor <= int(row.until[2:]))
        others = [other for other in body.params if other.name == row.name and other is not row]
        if alive or others:
            continue
        status, message = api.text("POST", "/servers", {"server": {"name": "x", "flavorRef": "1", "networks": "none" if minor >= 37 else [],
                                                                   row.name: None}}, version=version)
        assert status == 400 and f"'{row.name}' was unexpected" in message


def test_every_action_names_its_policy_and_body():
    for route in server_actions.ROUTES:
        assert route.policy and route.body is not None and route.body.root == route.action and route.success in (200, 202)


def test_faults_are_shown_to_those_who_may_see_them(api):
    server_id = add(api, vm_state="error")
    with api.db.write() as tx:
        servers_.add_fault(tx, server_id, code=500, message="it broke", details="Traceback ...")
    fault = api("GET", f"/servers/{server_id}", **MEMBER)[1]["server"]["fault"]
    assert fault["message"] == "it broke" and fault["code"] == 500 and "details" not in fault
    assert api("GET", f"/servers/{server_id}")[1]["server"]["fault"]["details"] == "Traceback ..."


def test_ownership(api):
    mine, theirs = add(api, 1), add(api, 2, project_id=OTHER_PROJECT)
    assert api("GET", f"/servers/{theirs}", **MEMBER)[0] == 404
    assert [server["id"] for server in api("GET", "/servers", **MEMBER)[1]["servers"]] == [mine]
    assert [server["id"] for server in api("GET", "/servers?all_tenants=1")[1]["servers"]] == [theirs, mine]
    assert api("GET", f"/servers?all_tenants=1&project_id={OTHER_PROJECT}")[0] == 200
    assert api("GET", "/servers?all_tenants=maybe")[0] == 400


def test_filters_of_users_and_administrators(api):
    add(api, 1, vm_state="active", host="h1")
    add(api, 2, vm_state="stopped", host="h2", key_name="k")
    add(api, 3, vm_state="active", task_state="rebooting", host="h2")

    def names(query, **who):
        return {server["name"] for server in api("GET", f"/servers?{query}", **who)[1]["servers"]}
    assert names("status=ACTIVE") == {"server 1"} and names("status=REBOOT") == {"server 3"} and names("status=SHUTOFF") == {"server 2"}
    assert names("status=ACTIVE&status=SHUTOFF") == {"server 1", "server 2"}
    assert names("host=h2") == {"server 2", "server 3"}
    assert names("host=h2", **MEMBER) == {"server 1", "server 2", "server 3"}
    assert names("key_name=k", **MEMBER) == {"server 2"}
    assert names("name=server.%5B12%5D") == {"server 1", "server 2"}
    assert names("flavor=42") == {"server 1", "server 2", "server 3"} and names("flavor=43") == set()
    assert names("locked=true") == set()
    assert api("GET", "/servers?changes-since=2030-01-01T00:00:00Z")[1]["servers"] == []
    assert api("GET", "/servers?changes-since=nonsense")[0] == 400
    assert api("GET", "/servers?name=%5B")[0] == 400
    assert api("GET", "/servers?sort_key=nonsense")[0] == 400
    assert api("GET", "/servers?sort_key=host", **MEMBER)[0] == 403
    assert api("GET", "/servers?limit=-1")[0] == 400


def test_pages_follow_each_other_whatever_the_order(api):
    for number in range(1, 8):
        add(api, number, key_name=None if number % 3 else "k")
    for query in ("", "sort_key=display_name&sort_dir=asc", "sort_key=key_name&sort_dir=asc", "sort_key=key_name&sort_dir=desc",
                  "sort_key=vm_state&sort_key=display_name&sort_dir=asc&sort_dir=desc"):
        whole = [server["id"] for server in api("GET", f"/servers?{query}")[1]["servers"]]
        assert len(whole) == 7
        found, path = [], f"/servers?limit=2&{query}"
        while path:
            page = api("GET", path)[1]
            found += [server["id"] for server in page["servers"]]
            path = page["servers_links"][0]["href"].split("/v2.1", 1)[1] if "servers_links" in page else None
        assert found == whole


@pytest.mark.parametrize("version", changes(history.ACTION, history.EVENT))
def test_history_of_every_version(api, version):
    from nova_lite.context import RequestContext
    server_id, now = add(api), clock.now()
    with api.db.write() as tx:
        servers_.add_action(tx, server_id, "reboot", RequestContext(request_id="req-1", user_id=USER, project_id=PROJECT), now)
        servers_.end_action(tx, server_id, "req-1", "compute_reboot_instance", now, "h1", "Error", message="no", traceback="tb", details="why")
    keys = {**dict.fromkeys(("action", "instance_uuid", "request_id", "user_id", "project_id", "start_time", "message"), ALWAYS),
            "updated_at": (58, None)}
    path = f"/servers/{server_id}/os-instance-actions"
    assert [set(action) for action in api("GET", path, version=version)[1]["instanceActions"]] == [expected(keys, version)]
    shown = api("GET", f"{path}/req-1", version=version)[1]["instanceAction"]
    events = {**dict.fromkeys(("event", "start_time", "finish_time", "result", "traceback"), ALWAYS), "hostId": (62, None), "host": (62, None),
              "details": (84, None)}
    assert set(shown.pop("events")[0]) == expected(events, version) and set(shown) == expected(keys, version)
    user = api("GET", f"{path}/req-1", version=version, **MEMBER)[1]["instanceAction"]
    assert ("events" in user) == (int(version[2:]) >= 51)


def test_tags_appear_with_their_version(api):
    server_id = add(api)
    assert {route.since for route in server_tags.ROUTES} == {"2.26"}
    assert api("GET", f"/servers/{server_id}/tags", version="2.25")[0] == 404
    assert api("PUT", f"/servers/{server_id}/tags/a", version="2.26")[0] == 201
    assert api("PUT", f"/servers/{server_id}/tags/{'x' * 61}", version="2.26")[0] == 400
    assert api("PUT", f"/servers/{server_id}/tags", {"tags": [str(n) for n in range(51)]}, version="2.26")[0] == 400


def test_a_request_for_servers_takes_four_statements(api):
    """What it refers to; its quota; servers; actions. However many servers, with a key, and on two networks."""
    flavor = api("POST", "/flavors", {"flavor": {"name": "small", "ram": 64, "vcpus": 1, "disk": 1}})[1]["flavor"]["id"]
    api("POST", "/os-keypairs", {"keypair": {"name": "key", "type": "ssh"}}, version="2.91")
    with api.db.write() as tx:
        tx.add(Image(id=IMAGE, status="active", visibility="public", disk_format="raw", container_format="bare", updated_at=clock.now()))
        tx.flush()
        tx.add(ImageProperty(image_id=IMAGE, name="os_type", value="linux"))
        ids = [networks.create_network(tx, {"project_id": PROJECT, "name": name, "mtu": 1450}).id for name in "ab"]
        for network_id in ids:
            networks.create_subnet(tx, {"network_id": network_id, "project_id": PROJECT, "cidr": "10.0.0.0/24"})
    before = api.db.statements
    status, answer = api("POST", "/servers", {"server": {
        "name": "many", "imageRef": IMAGE, "flavorRef": flavor, "key_name": "key", "networks": [{"uuid": network_id} for network_id in ids],
        "min_count": 3, "max_count": 3}}, **MEMBER)
    assert status == 202, answer
    assert api.db.statements - before == 4
    assert [(method, len(arguments["server_ids"])) for _, method, arguments in api.wire.sent] == [("place_servers", 3)]
