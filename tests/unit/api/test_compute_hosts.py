"""Services, hosts, hypervisors, aggregates, zones and extensions over REST, at every version where they change."""
import json
import uuid

import pytest

from nova_lite import clock, exception
from nova_lite.api.compute import aggregates, hypervisors, services
from nova_lite.db import hosts
from nova_lite.db.models.compute import Host, Server, Service
from tests.unit.api.compute_client import PROJECT, USER, ComputeClient, changes, expected

MEMBER = {"roles": ("member",)}
ALWAYS, OLD = (None, None), (None, 87)
SERVICE = {"id": ALWAYS, "binary": ALWAYS, "host": ALWAYS, "zone": ALWAYS, "status": ALWAYS, "state": ALWAYS, "updated_at": ALWAYS,
           "disabled_reason": ALWAYS, "forced_down": (11, None)}
BRIEF = {"id": ALWAYS, "hypervisor_hostname": ALWAYS, "state": ALWAYS, "status": ALWAYS}
FULL = {**BRIEF, "hypervisor_type": ALWAYS, "hypervisor_version": ALWAYS, "host_ip": ALWAYS, "service": ALWAYS, "vcpus": OLD, "memory_mb": OLD,
        "local_gb": OLD, "vcpus_used": OLD, "memory_mb_used": OLD, "local_gb_used": OLD, "free_ram_mb": OLD, "free_disk_gb": OLD,
        "current_workload": OLD, "running_vms": OLD, "disk_available_least": OLD, "cpu_info": OLD, "uptime": (88, None)}
NEW_AGGREGATE = {"id": ALWAYS, "uuid": (41, None), "name": ALWAYS, "availability_zone": ALWAYS, "created_at": ALWAYS, "updated_at": ALWAYS,
                 "deleted": ALWAYS, "deleted_at": ALWAYS}
AGGREGATE = {**NEW_AGGREGATE, "metadata": ALWAYS, "hosts": ALWAYS}


@pytest.fixture
def api(tmp_path):
    client = ComputeClient(tmp_path)
    with client.db.write() as tx:
        for name in ("h1", "h2", "h3"):
            epoch = hosts.start_service(tx, "nova-compute", name)
            hosts.put_inventory(tx, name, epoch, hypervisor_hostname=f"{name}.rack1", hypervisor_type="QEMU", hypervisor_version=7002000, vcpus=8,
                                memory_mb=16000, disk_gb=100, disk_available_gb=90, memory_mb_reserved=512, disk_gb_reserved=10,
                                cpu_info={"arch": "x86_64"})
        hosts.start_service(tx, "nova-scheduler", "h1")
        hosts.start_service(tx, "nova-api", "h1")
    yield client
    client.db.close()


def put_server(api, host: str, name: str = "guest") -> str:
    ident = str(uuid.uuid4())
    with api.db.write() as tx:
        tx.add(Server(id=ident, project_id=PROJECT, user_id=USER, reservation_id="r-1", name=name, hostname=name, vm_state="active", flavorid="1",
                      host=host, flavor={"vcpus": 2, "memory_mb": 512, "root_gb": 3, "ephemeral_gb": 1}, changed_at=clock.now()))
    return ident


def column(api, model, attribute: str, **where):
    with api.db.read() as tx:
        return getattr(tx.query(model).filter_by(**where).one(), attribute)


def rung(api) -> list:
    return [arguments["names"] for _, method, arguments in api.wire.sent if method == "hosts_changed"]


# ---- services


@pytest.mark.parametrize("version", changes(services.FULL, services.BY_HOST, services.BY_UUID, services.LIST))
def test_service_keys_of_every_version(api, version):
    found = api("GET", "/os-services", version=version)[1]["services"]
    assert [(item["binary"], item["host"], item["zone"]) for item in found] == [
        ("nova-compute", "h1", "nova"), ("nova-compute", "h2", "nova"), ("nova-compute", "h3", "nova"), ("nova-scheduler", "h1", "internal")]
    assert all(set(item) == expected(SERVICE, version) for item in found)
    assert all(isinstance(item["id"], str if int(version[2:]) >= 53 else int) for item in found)
    assert found[0]["state"] == "up" and found[0]["status"] == "enabled" and found[0]["disabled_reason"] is None


def test_services_by_host_and_binary(api):
    def count(query):
        return len(api("GET", f"/os-services{query}")[1]["services"])
    assert (count("?host=h1"), count("?binary=nova-compute"), count("?host=h2&binary=nova-scheduler"), count("?host=")) == (2, 3, 0, 4)
    assert api("GET", "/os-services?other=1")[0] == 400 and api("GET", "/os-services?other=1", version="2.74")[0] == 200
    assert api("GET", "/os-services", **MEMBER)[0] == 403


def test_a_silent_service_is_down(api):
    with api.db.write() as tx:
        tx.query(Service).filter_by(host="h2").update({"last_seen_at": clock.now() - clock.seconds(61)})
    states = {item["host"]: item["state"] for item in api("GET", "/os-services?binary=nova-compute")[1]["services"]}
    assert states == {"h1": "up", "h2": "down", "h3": "up"}


def test_services_by_name_until_2_52(api):
    body = {"host": "h1", "binary": "nova-compute"}
    assert api("PUT", "/os-services/disable", body, "2.1") == (200, {"service": {**body, "status": "disabled"}})
    assert column(api, Service, "disabled", host="h1", binary="nova-compute") is True and rung(api) == [["h1"]]
    with_reason = {**body, "disabled_reason": "a fan broke"}
    assert api("PUT", "/os-services/disable-log-reason", with_reason, "2.1")[1] == {"service": {**with_reason, "status": "disabled"}}
    assert api("GET", "/os-services?host=h1", version="2.1")[1]["services"][0]["disabled_reason"] == "a fan broke"
    assert api.text("PUT", "/os-services/disable-log-reason", body, "2.1") == (400, "Missing disabled reason field")
    assert api("PUT", "/os-services/enable", body, "2.1")[1] == {"service": {**body, "status": "enabled"}}
    assert column(api, Service, "disabled_reason", host="h1", binary="nova-compute") is None
    assert api.text("PUT", "/os-services/force-down", {**body, "forced_down": True}, "2.10")[0] == 400
    assert api.text("PUT", "/os-services/force-down", body, "2.10") == (404, "Unknown action")
    assert api("PUT", "/os-services/force-down", {**body, "forced_down": "yes"}, "2.11")[1] == {"service": {**body, "forced_down": True}}
    assert api("GET", "/os-services?host=h1", version="2.11")[1]["services"][0]["state"] == "down"
    assert api.text("PUT", "/os-services/force-down", body, "2.11") == (400, "Missing forced_down field")
    assert api("PUT", "/os-services/explode", body, "2.1")[0] == 404
    assert api("PUT", "/os-services/enable", {**body, "host": "none"}, "2.1")[0] == 404
    assert api("PUT", "/os-services/enable", {"host": "h1", "binary": "nova-scheduler"}, "2.1")[0] == 400
    assert api("PUT", "/os-services/enable", {"host": "h1"}, "2.1")[0] == 400
    assert api("PUT", "/os-services/enable", body, "2.1", **MEMBER)[0] == 403


def test_services_by_uuid_since_2_53(api):
    path = f"/os-services/{column(api, Service, 'uuid', host='h1', binary='nova-compute')}"
    status, answer = api("PUT", path, {"status": "disabled", "disabled_reason": "moving", "forced_down": True}, "2.53")
    assert status == 200 and set(answer["service"]) == set(SERVICE)
    assert (answer["service"]["status"], answer["service"]["disabled_reason"], answer["service"]["state"]) == ("disabled", "moving", "down")
    assert api("PUT", path, {"status": "enabled"})[1]["service"]["forced_down"] is True
    assert api("PUT", path, {"forced_down": False})[1]["service"]["state"] == "up"
    assert rung(api) == [["h1"]] * 3
    assert api.text("PUT", path, {"status": "enabled", "disabled_reason": "x"}) == (
        400, "Specifying 'disabled_reason' with status 'enabled' is invalid.")
    assert api.text("PUT", path, {}) == (400, "No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    assert api("PUT", path, {"status": "tired"})[0] == 400 and api("PUT", path, {"host": "h1", "binary": "nova-compute"})[0] == 400
    assert api.text("PUT", "/os-services/enable", {"status": "enabled"}) == (400, "Invalid uuid enable")
    unknown = str(uuid.uuid4())
    assert api.text("PUT", f"/os-services/{unknown}", {"status": "enabled"}) == (404, f"Service {unknown} could not be found.")
    scheduler = column(api, Service, "uuid", binary="nova-scheduler")
    assert api("PUT", f"/os-services/{scheduler}", {"status": "disabled"})[0] == 400


def test_deleting_services(api):
    number, ident = column(api, Service, "id", host="h2"), column(api, Service, "uuid", host="h3")
    api("POST", "/os-aggregates", {"aggregate": {"name": "a"}})
    api("POST", "/os-aggregates/1/action", {"add_host": {"host": "h3"}})
    server = put_server(api, "h3")
    assert api("DELETE", f"/os-services/{ident}")[0] == 409
    with api.db.write() as tx:
        tx.query(Server).filter_by(id=server).update({"deleted": True})
    assert api("DELETE", f"/os-services/{ident}", **MEMBER)[0] == 403
    assert api("DELETE", f"/os-services/{ident}") == (204, None)
    assert api("GET", "/os-aggregates/1")[1]["aggregate"]["hosts"] == []
    assert api("DELETE", f"/os-services/{number}", version="2.52")[0] == 204
    assert [item["host"] for item in api("GET", "/os-services?binary=nova-compute")[1]["services"]] == ["h1"]
    assert [item["hypervisor_hostname"] for item in api("GET", "/os-hypervisors")[1]["hypervisors"]] == ["h1.rack1"]
    assert api("DELETE", f"/os-services/{ident}")[0] == 404 and api("DELETE", "/os-services/7")[0] == 400
    assert api("DELETE", "/os-services/99", version="2.52")[0] == 404 and api("DELETE", "/os-services/x", version="2.52")[0] == 400


def test_a_lost_doorbell_does_not_fail_the_request(api, monkeypatch):
    def away(*_args):
        raise exception.RpcUnavailable(reason="gone")
    monkeypatch.setattr(api.wire, "publish", away)
    assert api("PUT", "/os-services/disable", {"host": "h1", "binary": "nova-compute"}, "2.1")[0] == 200
    assert column(api, Service, "disabled", host="h1", binary="nova-compute") is True


# ---- hypervisors


@pytest.mark.parametrize("version", changes(hypervisors.FULL, hypervisors.BRIEF, hypervisors.LIST, hypervisors.ONE))
def test_hypervisor_keys_of_every_version(api, version):
    minor = int(version[2:])
    brief = api("GET", "/os-hypervisors", version=version)[1]
    assert len(brief["hypervisors"]) == 3 and all(set(item) == expected(BRIEF, version) for item in brief["hypervisors"])
    full = api("GET", "/os-hypervisors/detail", version=version)[1]["hypervisors"][0]
    assert set(full) == expected(FULL, version)
    assert isinstance(full["id"], str if minor >= 53 else int) and type(full["service"]["id"]) is type(full["id"])
    if minor < 88:
        assert (json.loads(full["cpu_info"]) if minor < 28 else full["cpu_info"]) == {"arch": "x86_64"}
    assert api("GET", f"/os-hypervisors/{full['id']}", version=version)[1]["hypervisor"] == full
    assert api("GET", "/os-hypervisors/statistics", version=version)[0] == (200 if minor < 88 else 404)
    assert api("GET", f"/os-hypervisors/{full['id']}/uptime", version=version)[0] == (400 if minor < 88 else 404)
    assert api("GET", "/os-hypervisors/rack1/search", version=version)[0] == (200 if minor < 53 else 404)
    assert api("GET", "/os-hypervisors/rack1/servers", version=version)[0] == (200 if minor < 53 else 404)


def test_hypervisor_values(api):
    young = put_server(api, "h1")
    with api.db.write() as tx:
        tx.query(Host).filter_by(name="h1").update({"vcpus_used": 3, "memory_mb_used": 1000, "disk_gb_used": 20, "servers": 2})
        tx.query(Server).filter_by(id=young).update({"task_action": "create"})
    full = api("GET", "/os-hypervisors/1", version="2.1")[1]["hypervisor"]
    assert {key: value for key, value in full.items() if key in FULL.keys() - BRIEF.keys() and isinstance(value, int)} == {
        "hypervisor_version": 7002000, "vcpus": 8,
        "vcpus_used": 3, "memory_mb": 16000, "memory_mb_used": 1512, "free_ram_mb": 14488, "local_gb": 100, "local_gb_used": 30,
        "free_disk_gb": 70, "running_vms": 2, "current_workload": 1, "disk_available_least": 90}
    sums = api("GET", "/os-hypervisors/statistics", version="2.1")[1]["hypervisor_statistics"]
    assert sums == {"count": 3, "vcpus": 24, "memory_mb": 48000, "local_gb": 300, "vcpus_used": 3, "memory_mb_used": 2536, "local_gb_used": 50,
                    "free_ram_mb": 45464, "free_disk_gb": 250, "current_workload": 1, "running_vms": 2, "disk_available_least": 270}
    api("PUT", "/os-services/disable", {"host": "h1", "binary": "nova-compute"}, "2.1")
    assert api("GET", "/os-hypervisors/statistics", version="2.1")[1]["hypervisor_statistics"]["count"] == 2
    assert api("GET", "/os-hypervisors/1", version="2.1")[1]["hypervisor"]["status"] == "disabled"


def test_finding_hypervisors_by_a_part_of_their_name(api):
    server = put_server(api, "h2", "web")
    assert [item["hypervisor_hostname"] for item in api("GET", "/os-hypervisors/h2/search", version="2.1")[1]["hypervisors"]] == ["h2.rack1"]
    found = api("GET", "/os-hypervisors/rack1/servers", version="2.1")[1]["hypervisors"]
    assert {item["hypervisor_hostname"]: item.get("servers") for item in found} == {
        "h1.rack1": None, "h2.rack1": [{"uuid": server, "name": "web"}], "h3.rack1": None}
    assert api.text("GET", "/os-hypervisors/none/search", version="2.1") == (404, "No hypervisor matching 'none' could be found.")
    for version, empty in (("2.53", None), ("2.74", None), ("2.75", [])):
        found = api("GET", "/os-hypervisors?hypervisor_hostname_pattern=h&with_servers=true", version=version)[1]["hypervisors"]
        assert [item.get("servers") for item in found] == [empty, [{"uuid": server, "name": "web"}], empty]
    ident = column(api, Host, "uuid", name="h2")
    assert api("GET", f"/os-hypervisors/{ident}?with_servers=1")[1]["hypervisor"]["servers"] == [{"uuid": server, "name": "web"}]
    assert "servers" not in api("GET", f"/os-hypervisors/{ident}")[1]["hypervisor"]
    assert api("GET", "/os-hypervisors?hypervisor_hostname_pattern=none")[0] == 404
    assert api("GET", "/os-hypervisors?hypervisor_hostname_pattern=h&limit=1")[0] == 400
    assert api("GET", "/os-hypervisors?with_servers=perhaps")[0] == 400
    assert api("GET", "/os-hypervisors?with_servers=perhaps", version="2.52")[0] == 200


def test_hypervisor_pages(api):
    page = api("GET", "/os-hypervisors/detail?limit=2", version="2.33")[1]
    assert [item["id"] for item in page["hypervisors"]] == [1, 2]
    assert page["hypervisors_links"] == [{"rel": "next", "href": "http://cloud:8774/compute/v2.1/os-hypervisors/detail?limit=2&marker=2"}]
    assert [item["id"] for item in api("GET", "/os-hypervisors?marker=2", version="2.33")[1]["hypervisors"]] == [3]
    first = api("GET", "/os-hypervisors?limit=1", version="2.53")[1]
    assert first["hypervisors_links"][0]["href"].endswith(f"marker={first['hypervisors'][0]['id']}")
    assert len(api("GET", f"/os-hypervisors?marker={first['hypervisors'][0]['id']}", version="2.53")[1]["hypervisors"]) == 2
    assert api.text("GET", "/os-hypervisors?marker=77", version="2.33") == (400, "marker [77] not found")
    assert api("GET", "/os-hypervisors?marker=77", version="2.53")[0] == 400
    assert len(api("GET", "/os-hypervisors?limit=1", version="2.32")[1]["hypervisors"]) == 3
    assert api("GET", "/os-hypervisors?other=1", version="2.52")[0] == 200 and api("GET", "/os-hypervisors?other=1", version="2.53")[0] == 400


def test_hypervisors_that_are_not_there(api):
    unknown = str(uuid.uuid4())
    assert api.text("GET", f"/os-hypervisors/{unknown}") == (404, f"Hypervisor with ID '{unknown}' could not be found.")
    assert api.text("GET", "/os-hypervisors/1") == (400, "Invalid uuid 1")
    for ident in ("99", unknown, "9" * 30):
        assert api("GET", f"/os-hypervisors/{ident}", version="2.1")[0] == 404
        assert api("GET", f"/os-hypervisors/{ident}/uptime", version="2.1")[0] == 404
    with api.db.write() as tx:
        tx.query(Service).filter_by(host="h1", binary="nova-compute").delete()
    assert len(api("GET", "/os-hypervisors")[1]["hypervisors"]) == 2 and api("GET", "/os-hypervisors/1", version="2.1")[0] == 404


@pytest.mark.parametrize("path", ["", "/detail", "/statistics", "/1", "/1/uptime", "/h/search", "/h/servers"])
def test_hypervisors_are_for_administrators(api, path):
    assert api("GET", f"/os-hypervisors{path}", version="2.1", **MEMBER)[0] == 403


# ---- hosts


def test_hosts_until_2_42(api):
    found = api("GET", "/os-hosts", version="2.42")[1]["hosts"]
    assert {"host_name": "h1", "service": "compute", "zone": "nova"} in found
    assert {"host_name": "h1", "service": "scheduler", "zone": "internal"} in found
    assert len(found) == 4 and len(api("GET", "/os-hosts?zone=nova", version="2.1")[1]["hosts"]) == 3
    assert api("GET", "/os-hosts?zone=none", version="2.1")[1] == {"hosts": []} and len(api("GET", "/os-hosts?zone=", version="2.1")[1]["hosts"]) == 4
    put_server(api, "h1")
    put_server(api, "h1")
    rows = [row["resource"] for row in api("GET", "/os-hosts/h1", version="2.1")[1]["host"]]
    assert rows == [{"host": "h1", "project": "(total)", "cpu": 8, "memory_mb": 16000, "disk_gb": 100},
                    {"host": "h1", "project": "(used_now)", "cpu": 0, "memory_mb": 512, "disk_gb": 10},
                    {"host": "h1", "project": "(used_max)", "cpu": 4, "memory_mb": 1024, "disk_gb": 8},
                    {"host": "h1", "project": PROJECT, "cpu": 4, "memory_mb": 1024, "disk_gb": 8}]
    assert api("GET", "/os-hosts/none", version="2.1")[0] == 404
    assert api("GET", "/os-hosts")[0] == 404 and api("GET", "/os-hosts/h1", version="2.43")[0] == 404
    assert api("GET", "/os-hosts", version="2.1", **MEMBER)[0] == 403


def test_a_host_takes_servers_or_not_until_2_42(api):
    def change(host, **options):
        return api("PUT", f"/os-hosts/{host}", version=options.pop("version", "2.1"), **options)
    assert change("h1", body={"status": "Disable"})[:2] == (200, {"host": "h1", "status": "disabled"})
    assert "compute" not in {each["service"] for each in api("GET", "/os-hosts", version="2.1")[1]["hosts"] if each["host_name"] == "h1"}
    assert change("h1", body={"status": "enable"})[1] == {"host": "h1", "status": "enabled"}
    status, fault = change("h1", body={"status": "enable", "maintenance_mode": "enable"})[:2]
    assert (status, fault["notImplemented"]["message"]) == (501, "The requested functionality is not supported.")
    for body in ({}, {"status": "on"}, {"maintenance_mode": "yes"}, {"status": "enable", "more": 1}):
        assert change("h1", body=body)[0] == 400, body
    assert change("none", body={"status": "enable"})[0] == 404
    assert change("h1", body={"status": "enable"}, **MEMBER)[0] == 403
    assert change("h1", body={"status": "enable"}, version="2.43")[0] == 404
    for verb in ("startup", "shutdown", "reboot"):
        assert api("GET", f"/os-hosts/h1/{verb}", version="2.1")[0] == 501
        assert api("GET", f"/os-hosts/none/{verb}", version="2.1")[0] == 404
        assert api("GET", f"/os-hosts/h1/{verb}", version="2.1", **MEMBER)[0] == 403


# ---- aggregates and zones


def aggregate(api, name: str = "a", zone: str | None = None, *members: str) -> str:
    created = api("POST", "/os-aggregates", {"aggregate": {"name": name, "availability_zone": zone}})[1]["aggregate"]
    for host in members:
        assert act(api, created["id"], "add_host", host=host)[0] == 200
    return created["id"]


def act(api, ident, action: str, **arguments):
    return api("POST", f"/os-aggregates/{ident}/action", {action: arguments})


def refusal(api, ident, action: str, **arguments):
    return api.text("POST", f"/os-aggregates/{ident}/action", {action: arguments})


@pytest.mark.parametrize("version", changes(aggregates.FULL, aggregates.CREATE, aggregates.UPDATE))
def test_aggregate_keys_of_every_version(api, version):
    status, created = api("POST", "/os-aggregates", {"aggregate": {"name": "a", "availability_zone": "z"}}, version)
    assert status == 200 and set(created["aggregate"]) == expected(NEW_AGGREGATE, version)
    bodies = [("add_host", {"host": "h1"}), ("set_metadata", {"metadata": {"ssd": "true"}}), ("remove_host", {"host": "h1"})]
    shown = [api("POST", "/os-aggregates/1/action", {name: body}, version)[1]["aggregate"] for name, body in bodies]
    shown += [api("PUT", "/os-aggregates/1", {"aggregate": {"name": "b"}}, version)[1]["aggregate"],
              api("GET", "/os-aggregates/1", version=version)[1]["aggregate"], api("GET", "/os-aggregates", version=version)[1]["aggregates"][0]]
    assert all(set(item) == expected(AGGREGATE, version) for item in shown)
    assert shown[0]["hosts"] == ["h1"] and shown[1]["metadata"] == {"availability_zone": "z", "ssd": "true"} and shown[2]["hosts"] == []
    assert shown[-1]["name"] == "b" and shown[-1]["availability_zone"] == "z" and shown[-1]["updated_at"] is not None
    assert api("DELETE", "/os-aggregates/1", version=version) == (200, None)
    assert api("GET", "/os-aggregates", version=version)[1] == {"aggregates": []}


def test_schedulers_hear_of_hosts_whose_aggregates_change(api):
    before = column(api, Host, "version", name="h1")
    ident = aggregate(api, "a", None, "h1", "h2")
    act(api, ident, "set_metadata", metadata={"ssd": "true"})
    api("PUT", f"/os-aggregates/{ident}", {"aggregate": {"availability_zone": "z"}})
    act(api, ident, "remove_host", host="h1")
    assert [sorted(names) for names in rung(api)] == [["h1"], ["h2"], ["h1", "h2"], ["h1", "h2"], ["h1"]]
    assert column(api, Host, "version", name="h1") == before + 4


def test_metadata_merges_and_null_removes(api):
    ident = aggregate(api)
    act(api, ident, "set_metadata", metadata={"a": "1", "b": "2"})
    assert act(api, ident, "set_metadata", metadata={"a": None, "c": "3"})[1]["aggregate"]["metadata"] == {"b": "2", "c": "3"}
    act(api, ident, "set_metadata", metadata={"availability_zone": "z"})
    assert api("GET", f"/os-aggregates/{ident}")[1]["aggregate"]["availability_zone"] == "z"
    empty = f"Cannot update metadata of aggregate {ident}. Reason: Aggregate a does not support empty named availability zone."
    assert refusal(api, ident, "set_metadata", metadata={"availability_zone": None}) == (400, empty)


@pytest.mark.parametrize(("body", "status"), [
    ({"name": "a"}, 409), ({"name": ""}, 400), ({"name": " x "}, 400), ({"name": "x" * 256}, 400), ({}, 400), ({"name": "b", "other": 1}, 400),
    ({"name": "b", "availability_zone": "a:b"}, 400), ({"name": "b", "availability_zone": ""}, 400), ({"name": "b", "availability_zone": None}, 200)])
def test_what_an_aggregate_may_be_called(api, body, status):
    aggregate(api)
    assert api("POST", "/os-aggregates", {"aggregate": body})[0] == status


def test_aggregates_that_cannot_be_changed(api):
    ident = aggregate(api, "a", None, "h1")
    aggregate(api, "b")
    assert api.text("PUT", f"/os-aggregates/{ident}", {"aggregate": {"name": "b"}}) == (409, "Aggregate b already exists.")
    assert api("PUT", f"/os-aggregates/{ident}", {"aggregate": {}})[0] == 400
    assert api("PUT", f"/os-aggregates/{ident}", {"aggregate": {"availability_zone": None}})[0] == 400
    assert api.text("DELETE", f"/os-aggregates/{ident}") == (
        400, f"Cannot remove host from aggregate {ident}. Reason: Host aggregate is not empty.")
    assert refusal(api, ident, "add_host", host="h1") == (409, f"Aggregate {ident} already has host h1.")
    assert refusal(api, ident, "add_host", host="none") == (404, "Compute host none could not be found.")
    assert refusal(api, ident, "remove_host", host="h2") == (404, f"Cannot remove host h2 in aggregate {ident}")
    assert refusal(api, 99, "add_host", host="h1") == (404, "Aggregate 99 could not be found.")
    assert act(api, ident, "explode")[0] == 400
    for method, path, status in (("GET", "x", 400), ("GET", "99", 404), ("DELETE", "99", 404), ("GET", "9" * 40, 404), ("DELETE", "-1", 404)):
        assert api(method, f"/os-aggregates/{path}")[0] == status
    for method, path, body in (("GET", "", None), ("POST", "", {"aggregate": {"name": "c"}}), ("GET", "/1", None), ("DELETE", "/1", None),
                               ("PUT", "/1", {"aggregate": {"name": "c"}}), ("POST", "/1/action", {"add_host": {"host": "h2"}})):
        assert api(method, f"/os-aggregates{path}", body, **MEMBER)[0] == 403


def test_a_host_is_in_one_zone_only(api):
    first, second, plain = aggregate(api, "a", "east", "h1"), aggregate(api, "b", "west"), aggregate(api, "c", None, "h1")
    conflict = "Reason: One or more hosts already in availability zone(s) ['east']."
    assert refusal(api, second, "add_host", host="h1") == (409, f"Cannot add host to aggregate {second}. {conflict}")
    assert api.text("PUT", f"/os-aggregates/{plain}", {"aggregate": {"availability_zone": "west"}}) == (
        400, f"Cannot update aggregate {plain}. {conflict}")
    assert refusal(api, plain, "set_metadata", metadata={"availability_zone": "west"})[0] == 400
    assert act(api, plain, "set_metadata", metadata={"availability_zone": "east"})[0] == 200
    assert act(api, first, "remove_host", host="h1")[0] == 200


def test_servers_do_not_change_zones(api):
    put_server(api, "h1")
    first, second = aggregate(api, "a", "east"), aggregate(api, "b", None, "h1")
    status, message = refusal(api, first, "add_host", host="h1")
    assert status == 409 and "would change from 'None' to 'east'" in message and "1 instance(s)" in message
    assert refusal(api, second, "set_metadata", metadata={"availability_zone": "x"}) == (
        400, f"Cannot update metadata of aggregate {second}. Reason: One or more hosts contain instances in this zone.")
    put_server(api, "h2")
    third = aggregate(api, "c", "north", "h3")
    put_server(api, "h3")
    assert refusal(api, third, "remove_host", host="h3")[0] == 409
    assert act(api, second, "remove_host", host="h1")[0] == 200


def test_availability_zones(api):
    aggregate(api, "a", "east", "h1", "h2")
    short = api("GET", "/os-availability-zone", **MEMBER)[1]["availabilityZoneInfo"]
    assert short == [{"zoneName": zone, "zoneState": {"available": True}, "hosts": None} for zone in ("east", "nova")]
    assert api("GET", "/os-availability-zone/detail", **MEMBER)[0] == 403
    api("PUT", "/os-services/disable", {"host": "h3", "binary": "nova-compute"}, "2.1")
    api("PUT", "/os-services/force-down", {"host": "h2", "binary": "nova-compute", "forced_down": True}, "2.11")
    zones = {item["zoneName"]: item for item in api("GET", "/os-availability-zone/detail")[1]["availabilityZoneInfo"]}
    assert set(zones) == {"east", "internal", "nova"}
    assert zones["nova"] == {"zoneName": "nova", "zoneState": {"available": False}, "hosts": None}
    assert set(zones["internal"]["hosts"]["h1"]) == {"nova-scheduler"}
    compute = {host: found["nova-compute"] for host, found in zones["east"]["hosts"].items()}
    assert {host: (found["available"], found["active"]) for host, found in compute.items()} == {"h1": (True, True), "h2": (False, True)}
    assert clock.parse(compute["h1"]["updated_at"]) <= clock.now()


def test_the_default_zone_is_configured(tmp_path):
    api = ComputeClient(tmp_path, default_availability_zone="home")
    with api.db.write() as tx:
        hosts.start_service(tx, "nova-compute", "h1")
    assert [item["zoneName"] for item in api("GET", "/os-availability-zone")[1]["availabilityZoneInfo"]] == ["home"]


# ---- extensions


def test_extensions(api):
    listed = api("GET", "/extensions", **MEMBER)[1]["extensions"]
    assert {"os-keypairs", "os-flavor-access", "os-hosts"} <= {item["alias"] for item in listed}
    assert all(set(item) == {"alias", "name", "description", "links", "namespace", "updated"} for item in listed)
    assert api("GET", "/extensions/os-keypairs")[1]["extension"]["name"] == "Keypairs"
    assert api("GET", "/extensions/os-nothing")[0] == 404
