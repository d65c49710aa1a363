"""Server groups and requests for several servers on a cloud of three hosts: policies hold, members come and go, and batches are whole or nothing."""
import uuid

import pytest

from tests.functional.cloud import Cloud

HOSTS = {"compute": {"driver": "fake", "fake_hosts": 3, "fake_vcpus": 2, "fake_memory_mb": 1024, "cpu_allocation_ratio": 1.0}}


@pytest.fixture(scope="module")
def cloud():
    with Cloud(HOSTS) as running:
        yield running


def group(cloud, policy, **more):
    return cloud.admin.post("/os-server-groups", {"server_group": {"name": "g", "policy": policy, **more}}).json["server_group"]["id"]


def ask(cloud, hint, **changes):
    return cloud.admin.post("/servers", {**cloud.body(**changes), "os:scheduler_hints": {"group": hint}})


def boot(cloud, hint):
    answer = ask(cloud, hint)
    assert answer.status == 202, answer
    return cloud.wait(answer.json["server"]["id"])


def of_reservation(cloud, reservation_id):
    return cloud.admin.get(f"/servers/detail?reservation_id={reservation_id}").json["servers"]


def test_anti_affinity_over_its_whole_life(cloud):
    apart = group(cloud, "anti-affinity")
    servers = [boot(cloud, apart), boot(cloud, [apart]), boot(cloud, apart)]
    assert len({server["OS-EXT-SRV-ATTR:host"] for server in servers}) == 3
    assert cloud.show(servers[0]["id"])["server_groups"] == [apart]
    answer = ask(cloud, apart)
    refused = cloud.wait(answer.json["server"]["id"], "ERROR")
    assert "3 already have servers of the group" in refused["fault"]["message"]
    members = cloud.admin.get(f"/os-server-groups/{apart}").json["server_group"]["members"]
    assert members == [*(server["id"] for server in servers), refused["id"]]

    # A deleted server leaves the group, and its host is free for another member.
    cloud.delete(servers[1]["id"])
    assert servers[1]["id"] not in cloud.admin.get(f"/os-server-groups/{apart}").json["server_group"]["members"]
    again = boot(cloud, apart)
    assert again["OS-EXT-SRV-ATTR:host"] == servers[1]["OS-EXT-SRV-ATTR:host"]

    # A deleted group leaves its servers.
    assert cloud.admin.delete(f"/os-server-groups/{apart}").status == 204
    assert cloud.show(again["id"])["server_groups"] == []
    for server in (servers[0], servers[2], refused, again):
        cloud.delete(server["id"])


def test_affinity_keeps_together(cloud):
    near = group(cloud, "affinity")
    servers = [boot(cloud, near) for _ in range(2)]
    assert len({server["OS-EXT-SRV-ATTR:host"] for server in servers}) == 1
    for server in servers:
        cloud.delete(server["id"])


def test_wrong_groups_are_refused(cloud):
    unknown = str(uuid.uuid4())
    answer = ask(cloud, unknown)
    assert (answer.status, answer.json["badRequest"]["message"]) == (400, f"Instance group {unknown} could not be found.")
    two = [group(cloud, "affinity"), group(cloud, "affinity")]
    assert ask(cloud, two).json["badRequest"]["message"] == "A server can be in one server group only."
    for hint in ("no-uuid", ["no-uuid"], {"a": "b"}, 7):
        assert "is not" in ask(cloud, hint).json["badRequest"]["message"]
    stranger = cloud.add_user("stranger")
    # Another project's group is like one that does not exist; administrators may use any.
    answer = stranger.post("/servers", {**cloud.body(), "os:scheduler_hints": {"group": two[0]}})
    assert (answer.status, answer.json["badRequest"]["message"]) == (400, f"Instance group {two[0]} could not be found.")
    assert stranger.get("/servers").json["servers"] == []
    theirs = stranger.post("/os-server-groups", {"server_group": {"name": "g", "policy": "affinity"}}).json["server_group"]["id"]
    server = boot(cloud, theirs)
    assert server["server_groups"] == [theirs]
    cloud.delete(server["id"])


def test_a_group_has_no_more_servers_than_its_quota(cloud):
    near = group(cloud, "soft-affinity")
    assert cloud.admin.put(f"/os-quota-sets/{cloud.show(cloud.boot())['tenant_id']}", {"quota_set": {"server_group_members": 1}}).status == 200
    answer = ask(cloud, near, min_count=2, max_count=2)
    assert (answer.status, answer.json["forbidden"]["message"]) == (403, "Quota exceeded, too many servers in group")
    for server in cloud.admin.get("/servers").json["servers"]:
        cloud.delete(server["id"])


def test_a_request_for_several_is_placed_whole_or_not_at_all(cloud):
    # There is room for six servers of one vCPU.
    whole = cloud.admin.post("/servers", cloud.body(min_count=5, max_count=6, return_reservation_id=True)).json["reservation_id"]
    servers = of_reservation(cloud, whole)
    assert len(servers) == 6
    for server in servers:
        cloud.wait(server["id"])
    for server in servers[:4]:
        cloud.delete(server["id"])
    used = cloud.usage()
    nothing = cloud.admin.post("/servers", cloud.body(min_count=5, max_count=5, return_reservation_id=True)).json["reservation_id"]
    for server in of_reservation(cloud, nothing):
        failed = cloud.wait(server["id"], "ERROR")
        assert "Of the servers asked for together 4 would fit, and at least 5 must: " in failed["fault"]["message"]
        assert failed["OS-EXT-SRV-ATTR:host"] is None
    assert cloud.usage()[:2] == used[:2]
    part = cloud.admin.post("/servers", cloud.body(min_count=3, max_count=5, return_reservation_id=True)).json["reservation_id"]
    for server in of_reservation(cloud, part)[1:]:
        cloud.wait(server["id"], "ERROR" if server["OS-EXT-SRV-ATTR:launch_index"] == 4 else "ACTIVE")
