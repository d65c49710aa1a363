"""Servers with CPUs of their own, over HTTP, on an all-in-one that plays two hosts of two NUMA nodes each: who gets which, and who gets none."""
import subprocess
import sys

import pytest

import daemons
from tests.functional.cloud import Cloud

DEDICATED = {2, 3, 6, 7}
OPTIONS = {"compute": {"fake_hosts": 2, "fake_vcpus": 8, "fake_memory_mb": 4096, "fake_numa_nodes": 2, "fake_threads": 2, "fake_large_pages": 64,
                       "cpu_shared_set": "0-1,4-5", "cpu_dedicated_set": "2-3,6-7", "cpu_allocation_ratio": 2.0, "reserved_host_memory_mb": 0}}


@pytest.fixture(scope="module")
def cloud():
    with Cloud(OPTIONS) as running:
        running.flavors = {}
        yield running


def flavor(cloud, vcpus=1, ram=128, **specs):
    """A flavor with such extra specs (hw:...)."""
    name = f"f{len(cloud.flavors)}"
    cloud.flavors[name] = found = cloud.admin.post("/flavors", {"flavor": {"name": name, "ram": ram, "vcpus": vcpus, "disk": 1}}).json["flavor"]["id"]
    if specs:
        answer = cloud.admin.post(f"/flavors/{found}/os-extra_specs", {"extra_specs": {f"hw:{key}": value for key, value in specs.items()}})
        assert answer.status == 200, answer
    return found


@pytest.fixture(scope="module")
def pinned(cloud):
    return flavor(cloud, cpu_policy="dedicated")


def topology(cloud, server_id, client=None):
    return (client or cloud.admin).get(f"/servers/{server_id}/topology").json


def cpus(cloud, server_id):
    """The host's CPUs that are the server's."""
    return {on for node in topology(cloud, server_id)["nodes"] for on in node["cpu_pinning"].values()}


def host_of(cloud, server_id):
    return cloud.show(server_id)["OS-EXT-SRV-ATTR:host"]


def audited(cloud):
    command = [sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(cloud.daemon.process.config), "audit"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.endswith("0 differences\n"), done.stdout + done.stderr


def settled(cloud, server_ids):
    """Their statuses once no server has a task."""
    def look():
        found = {each: cloud.show(each) for each in server_ids}
        return found if all(server["OS-EXT-STS:task_state"] is None for server in found.values()) else None
    return {each: server["status"] for each, server in daemons.wait_until("no server has a task", look, 60).items()}


# ---- who gets which --------------------------------------------------------------------------------------------------------
def test_a_server_has_cpus_of_its_own(cloud):
    server_id = cloud.boot(flavorRef=flavor(cloud, 2, cpu_policy="dedicated", cpu_thread_policy="require", mem_page_size="large"))
    found = topology(cloud, server_id)
    assert found["pagesize_kb"] == 2048 and [node["vcpu_set"] for node in found["nodes"]] == [[0, 1]]
    assert cpus(cloud, server_id) == ({2, 3} if found["nodes"][0]["host_node"] == 0 else {6, 7})
    cloud.delete(server_id)


def test_users_are_not_told_where(cloud, pinned):
    user = cloud.add_user("plain")
    server_id = cloud.boot(user, flavorRef=pinned)
    assert topology(cloud, server_id, user) == {"pagesize_kb": None, "nodes": [{"vcpu_set": [0], "siblings": [], "memory_mb": 128}]}
    assert cloud.usage()[0] == 0, "dedicated CPUs are not counted among those that are shared"
    assert user.get("/limits").json["limits"]["absolute"]["totalCoresUsed"] == 1
    cloud.delete(server_id)


def test_an_image_may_ask(cloud):
    image = cloud.add_image(b"\0" * 4096, hw_cpu_policy="dedicated")
    server_id = cloud.boot(imageRef=image)
    assert len(cpus(cloud, server_id)) == 1 and cloud.usage()[0] == 0
    answer = cloud.admin.post("/servers", cloud.body(imageRef=image, flavorRef=flavor(cloud, cpu_policy="shared")))
    assert answer.status == 400 and "Image property 'hw_cpu_policy' is not permitted" in answer.json["badRequest"]["message"]
    answer = cloud.act(server_id, "rebuild", {"imageRef": cloud.image})
    assert answer.status == 400 and "NUMA topology cannot be changed as part of a rebuild" in answer.json["badRequest"]["message"]
    assert cloud.act(server_id, "rebuild", {"imageRef": image}).status == 202
    cloud.wait(server_id)
    cloud.delete(server_id)


def test_nodes_of_the_guest_are_nodes_of_the_host(cloud):
    mixed = flavor(cloud, 4, numa_nodes="2", cpu_policy="mixed", cpu_dedicated_mask="1,3", emulator_threads_policy="isolate")
    server_id = cloud.boot(flavorRef=mixed)
    nodes = topology(cloud, server_id)["nodes"]
    assert sorted(node["host_node"] for node in nodes) == [0, 1] and [sorted(node["cpu_pinning"]) for node in nodes] == [["1"], ["3"]]
    assert cloud.usage()[0] == 2
    cloud.delete(server_id)


# ---- who gets none ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("vcpus", "specs", "words"), [
    (5, {"cpu_policy": "dedicated"}, "2 hosts considered: 2 lack 5 free dedicated CPUs and 128 MB on one NUMA node"),
    (1, {"cpu_policy": "dedicated", "cpu_thread_policy": "isolate"}, "1 free dedicated CPU on cores of one thread"),
    (3, {"numa_nodes": "3"}, "cannot be"), (3, {"numa_nodes": "1"}, "3 shared CPUs and 128 MB on one NUMA node"),
    (1, {"mem_page_size": "1GB"}, "128 MB in pages of 1048576 KiB"),
])
def test_a_refusal_names_what_is_lacking(cloud, vcpus, specs, words):
    answer = cloud.admin.post("/servers", cloud.body(flavorRef=flavor(cloud, vcpus, **specs)))
    if answer.status == 400:
        assert words in answer.json["badRequest"]["message"]
        return
    server_id = answer.json["server"]["id"]
    assert words in cloud.wait(server_id, "ERROR")["fault"]["message"]
    cloud.delete(server_id)


def test_what_contradicts_itself_is_a_bad_request(cloud, pinned):
    server_id = cloud.boot(flavorRef=pinned)
    old = {"OpenStack-API-Version": "compute 2.85"}
    for specs, words in (
            ({"cpu_policy": "mine"}, "CPU policy requested from 'flavor extra specs' is invalid, given: 'mine'"),
            ({"cpu_thread_policy": "require"}, "Cannot set cpu thread pinning policy in a non dedicated cpu pinning policy"),
            ({"emulator_threads_policy": "isolate"}, "An isolated CPU emulator threads option requires a dedicated CPU policy option."),
            ({"cpu_policy": "mixed"}, "or be specified with none of them"),
            ({"mem_page_size": "huge"}, "Invalid memory page size 'huge'"),
            ({"numa_nodes": "1", "numa_cpus.0": "0-1"}, "CPU and memory allocation must be provided for all NUMA nodes")):
        wrong = flavor(cloud, 2)
        # From 2.86 on most of these cannot be said to a flavor.
        answer = cloud.admin.post(f"/flavors/{wrong}/os-extra_specs", {"extra_specs": {f"hw:{key}": value for key, value in specs.items()}},
                                  headers=old)
        assert answer.status == 200, answer
        for answer in (cloud.admin.post("/servers", cloud.body(flavorRef=wrong)), cloud.act(server_id, "resize", {"flavorRef": wrong})):
            assert answer.status == 400 and words in answer.json["badRequest"]["message"], answer
    cloud.delete(server_id)


def test_those_who_race_get_each_cpu_once(cloud, pinned):
    answer = cloud.admin.post("/servers", cloud.body(flavorRef=pinned, min_count=1, max_count=3))
    assert answer.status == 202
    reserved = [server["id"] for server in cloud.admin.get("/servers").json["servers"]]
    server_ids = reserved + [cloud.create(flavorRef=pinned) for _ in range(9)]
    found = settled(cloud, server_ids)
    active = [each for each in server_ids if found[each] == "ACTIVE"]
    assert len(active) == 8 and list(found.values()).count("ERROR") == 4
    taken = sorted((host_of(cloud, each), cpu) for each in active for cpu in cpus(cloud, each))
    assert len(set(taken)) == 8 and {cpu for _host, cpu in taken} == DEDICATED
    why = cloud.show(next(each for each in server_ids if found[each] == "ERROR"))["fault"]["message"]
    assert "1 free dedicated CPU and 128 MB on one NUMA node" in why
    audited(cloud)
    # Others share what is left to share.
    other = cloud.boot()
    cloud.delete(active[0])
    late = cloud.boot(flavorRef=pinned)
    assert len(cpus(cloud, late)) == 1
    for each in {*server_ids, other, late} - {active[0]}:
        cloud.delete(each)
    audited(cloud)
    assert cloud.usage() == (0, 0, 0, 0)


# ---- where they go ---------------------------------------------------------------------------------------------------------
def moved(cloud, server_id, action, argument=None, status="ACTIVE"):
    answer = cloud.act(server_id, action, argument)
    assert answer.status == 202, answer
    return cloud.wait(server_id, status)


@pytest.mark.parametrize(("action", "argument"), [("os-migrateLive", {"host": None, "block_migration": "auto"}), ("migrate", None)])
def test_a_move_gives_other_cpus(cloud, pinned, action, argument):
    stays = cloud.boot(flavorRef=pinned)
    here = host_of(cloud, stays)
    goes = cloud.boot(flavorRef=pinned, **{"availability_zone": f"nova:{here}"})
    before = cpus(cloud, goes)
    assert not before & cpus(cloud, stays)
    moved(cloud, goes, action, argument, "ACTIVE" if argument else "VERIFY_RESIZE")
    assert host_of(cloud, goes) != here and len(cpus(cloud, goes)) == 1
    if not argument:
        moved(cloud, goes, "revertResize")
        assert host_of(cloud, goes) == here and cpus(cloud, goes) == before
    audited(cloud)
    for each in (stays, goes):
        cloud.delete(each)


def test_a_resize_gives_more_cpus_and_gives_them_back(cloud, pinned):
    server_id = cloud.boot(flavorRef=pinned)
    larger = flavor(cloud, 2, cpu_policy="dedicated")
    moved(cloud, server_id, "resize", {"flavorRef": larger}, "VERIFY_RESIZE")
    assert len(cpus(cloud, server_id)) == 2
    moved(cloud, server_id, "revertResize")
    assert len(cpus(cloud, server_id)) == 1
    moved(cloud, server_id, "resize", {"flavorRef": larger}, "VERIFY_RESIZE")
    assert cloud.act(server_id, "confirmResize").status == 204
    cloud.wait(server_id)
    assert len(cpus(cloud, server_id)) == 2
    audited(cloud)
    moved(cloud, server_id, "resize", {"flavorRef": cloud.flavor}, "VERIFY_RESIZE")
    assert topology(cloud, server_id)["nodes"] == []
    assert cloud.act(server_id, "confirmResize").status == 204
    cloud.wait(server_id)
    assert cloud.usage()[0] == 1
    audited(cloud)
    cloud.delete(server_id)


def test_a_shelved_server_holds_no_cpus_and_returns_to_some(cloud, pinned):
    server_id = cloud.boot(flavorRef=pinned)
    moved(cloud, server_id, "shelve", None, "SHELVED_OFFLOADED")
    assert topology(cloud, server_id)["nodes"] == [{"vcpu_set": [0], "siblings": [], "memory_mb": 128}]
    others = [cloud.boot(flavorRef=pinned) for _ in range(7)]
    moved(cloud, server_id, "unshelve")
    taken = [(host_of(cloud, each), cpu) for each in (server_id, *others) for cpu in cpus(cloud, each)]
    assert len(set(taken)) == 8
    audited(cloud)
    for each in (server_id, *others):
        cloud.delete(each)
    assert cloud.usage() == (0, 0, 0, 0)


def declare(cloud, host, down):
    answer = cloud.admin.put("/os-services/force-down", {"host": host, "binary": "nova-compute", "forced_down": down},
                             headers={"OpenStack-API-Version": "compute 2.11"})
    assert answer.status == 200, answer


def test_an_evacuated_server_gets_cpus_where_it_comes_and_none_where_there_are_none(cloud, pinned):
    server_id = cloud.boot(flavorRef=pinned)
    dead = host_of(cloud, server_id)
    declare(cloud, dead, True)
    try:
        assert cloud.act(server_id, "evacuate", {}).status == 200
        cloud.wait(server_id)
        there = host_of(cloud, server_id)
        assert there != dead and cpus(cloud, server_id) <= DEDICATED
    finally:
        declare(cloud, dead, False)
    others = [cloud.boot(flavorRef=pinned, availability_zone=f"nova:{dead}") for _ in range(4)]
    declare(cloud, there, True)
    try:
        assert cloud.act(server_id, "evacuate", {}).status == 200
        server = settled(cloud, [server_id])
        assert host_of(cloud, server_id) == there and server[server_id] in ("ACTIVE", "ERROR")
    finally:
        declare(cloud, there, False)
    for each in (server_id, *others):
        cloud.delete(each)
    audited(cloud)
    assert cloud.usage() == (0, 0, 0, 0)
