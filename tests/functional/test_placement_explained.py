"""Placement explained on a cloud of three hosts: the operator's API and command line say what the refusals say, and users see no host's name."""
import json
import subprocess
import sys
import uuid

import pytest

from tests.functional.cloud import Cloud

HOSTS = {"compute": {"driver": "fake", "fake_hosts": 3, "fake_vcpus": 4, "fake_memory_mb": 1024, "cpu_allocation_ratio": 1.0}}


@pytest.fixture(scope="module")
def cloud():
    with Cloud(HOSTS) as running:
        running.lite = running.daemon.client("lite/v1")
        yield running


def flavor(cloud, **values) -> str:
    body = {"flavor": {"name": str(uuid.uuid4()), "ram": 64, "vcpus": 1, "disk": 1, **values}}
    return cloud.admin.post("/flavors", body).json["flavor"]["id"]


def manage(cloud, *words):
    done = subprocess.run([sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(cloud.daemon.process.config), *words],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def names(cloud) -> list[str]:
    return [host["hypervisor_hostname"] for host in cloud.admin.get("/os-hypervisors").json["hypervisors"]]


def test_the_decision_is_kept_with_the_server(cloud):
    server_id = cloud.boot()
    host = cloud.show(server_id)["OS-EXT-SRV-ATTR:host"]
    decision = cloud.lite.get(f"/servers/{server_id}/decision").json["decision"]
    assert (decision["host"], decision["considered"], decision["removed"], decision["servers"]) == (host, 3, {}, 1)
    assert host not in decision["alternates"] and len(decision["alternates"]) == 2
    assert decision["duration_ms"] > 0
    cloud.delete(server_id)
    # For its life, and the life of its row after that.
    assert cloud.lite.get(f"/servers/{server_id}/decision").json["decision"] == decision
    assert cloud.lite.get(f"/servers/{uuid.uuid4()}/decision").status == 404


def test_a_refusal_tells_the_user_and_the_operator(cloud):
    large = flavor(cloud, ram=2048)
    user = cloud.add_user("curious")
    server_id = cloud.create(user, flavorRef=large)
    fault = cloud.wait(server_id, "ERROR", client=user)["fault"]
    # 512 MB of each host are reserved, and no server may be larger than its host.
    assert fault["message"] == ("No valid host was found. 3 hosts considered: 3 lack 2048 MB of RAM. "
                                "Nearest miss: 3 hosts that otherwise fit lack 1536 MB of RAM or more.")
    assert not any(name in json.dumps(fault) for name in names(cloud))
    decision = cloud.lite.get(f"/servers/{server_id}/decision").json["decision"]
    assert (decision["host"], decision["removed"]) == (None, {"RamFilter": 3})
    assert decision["nearest_miss"] == "3 hosts that otherwise fit lack 1536 MB of RAM or more"
    cloud.delete(server_id)


def test_explain_answers_each_host_and_changes_nothing(cloud):
    busy = cloud.boot()
    host = cloud.show(busy)["OS-EXT-SRV-ATTR:host"]
    used = cloud.usage()
    answer = cloud.lite.post("/scheduler/explain", cloud.body())
    assert answer.status == 200, answer
    assert (answer.json["considered"], answer.json["passing"], answer.json["removed"]) == (3, 3, [])
    weights = {each["host"]: each["weight"] for each in answer.json["hosts"]}
    assert len(weights) == 3 and min(weights, key=weights.get) == host
    assert all(each["passes"] and each["weight"] == pytest.approx(sum(each["weights"].values())) for each in answer.json["hosts"])
    # What it says is what happens.
    server_id = cloud.boot()
    assert cloud.show(server_id)["OS-EXT-SRV-ATTR:host"] == answer.json["hosts"][0]["host"]
    cloud.delete(server_id)
    assert cloud.usage() == used

    narrow = cloud.lite.post("/scheduler/explain?limit=2", {**cloud.body(), "os:scheduler_hints": {}}).json
    assert len(narrow["hosts"]) == 2
    none = cloud.lite.post("/scheduler/explain", cloud.body(flavorRef=flavor(cloud, vcpus=5))).json
    assert none["passing"] == 0
    assert none["removed"] == [{"filter": "CoreFilter", "hosts": 3, "reason": "3 lack 5 vCPUs"}]
    assert [each["removed_by"] for each in none["hosts"]] == [["CoreFilter"]] * 3
    assert none["nearest_miss"] == "3 hosts that otherwise fit lack 1 vCPU or more"
    cloud.delete(busy)


def test_capacity_counts_what_fits_and_what_binds(cloud):
    small, fat = cloud.flavor, flavor(cloud, ram=200)
    found = cloud.lite.get(f"/scheduler/capacity?flavor={small}").json
    assert (found["servers"], found["passing"], found["binds"]) == (12, 3, [{"filter": "CoreFilter", "hosts": 3, "servers": 12}])
    assert cloud.lite.get(f"/scheduler/capacity?flavor={fat}").json["binds"] == [{"filter": "RamFilter", "hosts": 3, "servers": 6}]
    server_id = cloud.boot()
    assert cloud.lite.get(f"/scheduler/capacity?flavor={small}").json["servers"] == 11
    code, out, err = manage(cloud, "scheduler", "capacity", "--flavor", small)
    assert (code, json.loads(out)["servers"]) == (0, 11), err
    cloud.delete(server_id)


def test_the_command_line_explains_too(cloud):
    code, out, err = manage(cloud, "scheduler", "explain", "--flavor", cloud.flavor, "--image", cloud.image, "--zone", "nowhere")
    assert code == 0, err
    assert json.loads(out)["removed"] == [{"filter": "AvailabilityZoneFilter", "hosts": 3, "reason": "3 are in other zones"}]
    code, _out, err = manage(cloud, "scheduler", "explain", "--flavor", "no-such")
    assert code == 2 and "no-such" in err


def test_only_operators_may_ask_and_bad_questions_are_refused(cloud):
    cloud.add_user("nosy")
    nosy = cloud.daemon.client("lite/v1", user="nosy", password="nosy" * 3, project="nosy")
    assert nosy.post("/scheduler/explain", cloud.body()).status == 403
    assert nosy.get(f"/scheduler/capacity?flavor={cloud.flavor}").status == 403
    assert nosy.get(f"/servers/{uuid.uuid4()}/decision").status == 403
    assert cloud.lite.post("/scheduler/explain", {"server": {"name": "s"}}).status == 400
    assert cloud.lite.post("/scheduler/explain", cloud.body(flavorRef="no-such")).status == 400
    assert cloud.lite.post("/scheduler/explain?limit=-1", cloud.body()).status == 400
    assert cloud.lite.get("/scheduler/capacity").status == 400
    assert cloud.lite.get("/scheduler/capacity?flavor=no-such").status == 404
    assert "itemNotFound" in cloud.lite.get("/nothing").json
