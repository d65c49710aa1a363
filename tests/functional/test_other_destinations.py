"""A destination that fails is not the end of a move: another host is tried, as for builds, unless an administrator has named it."""
import pytest

from tests.functional.cloud import Cloud

HOSTS = ("host1-1", "host1-2", "host1-3", "host1-4")


def cloud_that(hooks, **compute):
    """A cloud of four hosts on which ``hooks`` strike."""
    cloud = Cloud({"compute": {"fake_hosts": 4, "fake_keep": True, "allow_resize_to_same_host": False, **compute}})
    cloud.__enter__()
    cloud.daemon.stop()
    cloud.daemon.start(hooks)
    cloud.admin = cloud.daemon.client(microversion="2.90")
    return cloud


def host_of(cloud, server_id):
    return cloud.show(server_id)["OS-EXT-SRV-ATTR:host"]


def used(cloud):
    found = cloud.admin.get("/os-hypervisors/detail", headers={"OpenStack-API-Version": "compute 2.87"}).json["hypervisors"]
    return {each["service"]["host"]: each["vcpus_used"] for each in found if each["vcpus_used"]}


def message(cloud, server_id):
    return cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"][0]["message"]


def declare_down(cloud, host):
    down = {"host": host, "binary": "nova-compute", "forced_down": True}
    assert cloud.admin.put("/os-services/force-down", down, headers={"OpenStack-API-Version": "compute 2.11"}).status == 200


def begin(cloud, action, argument=None):
    """A server and the host that it leaves, once the action was asked for."""
    server_id = cloud.boot(name="mover", availability_zone="nova:host1-1" if action == "evacuate" else None)
    host = host_of(cloud, server_id)
    if action == "evacuate":
        declare_down(cloud, host)
    elif action == "unshelve":
        assert cloud.act(server_id, "shelve").status == 202
        cloud.wait(server_id, "SHELVED_OFFLOADED")
    answer = cloud.act(server_id, action, argument)
    assert answer.status in (200, 202), answer
    return server_id, host


MOVES = [("move.prepared", "migrate"), ("move.copied", "migrate"), ("move.started", "migrate"), ("live_migration.received", "os-migrateLive"),
         ("evacuate.addresses", "evacuate"), ("evacuate.guest", "evacuate"), ("unshelve.disks", "unshelve"), ("unshelve.guest", "unshelve")]
ARGUMENTS = {"os-migrateLive": {"host": None, "block_migration": "auto"}, "evacuate": {}}


@pytest.mark.parametrize(("point", "action"), MOVES)
def test_the_next_host_takes_the_server(point, action):
    cloud = cloud_that(f"{point}=fail:2")
    try:
        server_id, source = begin(cloud, action, ARGUMENTS.get(action))
        server = cloud.wait(server_id, "VERIFY_RESIZE" if action == "migrate" else "ACTIVE")
        there = server["OS-EXT-SRV-ATTR:host"]
        assert server["OS-EXT-STS:power_state"] == 1 and message(cloud, server_id) is None
        if action == "os-migrateLive":
            assert there != source
        told = cloud.daemon.log()
        refused = [host for host in HOSTS if f"host {host} could not take" in told or f"host {host} does not take" in told]
        assert len(refused) == 2 and there not in refused
        if action == "migrate":
            assert cloud.act(server_id, "confirmResize").status == 204
            cloud.wait(server_id)
        assert used(cloud) == {there: 1}
        cloud.delete(server_id)
        assert used(cloud) == {}
    finally:
        cloud.__exit__()


@pytest.mark.parametrize(("point", "action", "status"), [
    ("move.prepared", "migrate", "ACTIVE"), ("move.copied", "migrate", "ACTIVE"), ("live_migration.received", "os-migrateLive", "ACTIVE"),
    ("evacuate.disks", "evacuate", "ERROR"), ("unshelve.disks", "unshelve", "SHELVED_OFFLOADED")])
def test_no_more_hosts_are_tried_than_a_build_is(point, action, status):
    cloud = cloud_that(f"{point}=fail:9")
    try:
        server_id, source = begin(cloud, action, ARGUMENTS.get(action))
        server = cloud.wait(server_id, status)
        assert server["OS-EXT-SRV-ATTR:host"] == (None if action == "unshelve" else source)
        assert server["OS-EXT-STS:power_state"] == (4 if action == "unshelve" else 1)
        assert "The move failed on 3 hosts, and at most 3 are tried" in message(cloud, server_id)
        assert "a test wanted it to" in message(cloud, server_id)
        assert used(cloud) == ({} if action == "unshelve" else {source: 1})
    finally:
        cloud.__exit__()


@pytest.mark.parametrize(("point", "action", "argument", "status"), [
    ("move.copied", "migrate", {"host": "host1-2"}, "ACTIVE"),
    ("live_migration.received", "os-migrateLive", {"host": "host1-2", "block_migration": "auto"}, "ACTIVE"),
    ("evacuate.disks", "evacuate", {"host": "host1-2"}, "ERROR")])
def test_a_host_that_was_named_is_not_replaced(point, action, argument, status):
    cloud = cloud_that(f"{point}=fail:1")
    try:
        server_id = cloud.boot(availability_zone="nova:host1-1")
        if action == "evacuate":
            declare_down(cloud, "host1-1")
        assert cloud.act(server_id, action, argument).status in (200, 202)
        server = cloud.wait(server_id, status)
        assert server["OS-EXT-SRV-ATTR:host"] == "host1-1" and used(cloud) == {"host1-1": 1}
        assert message(cloud, server_id) == f"The hypervisor failed: a test wanted it to, at {point}"
    finally:
        cloud.__exit__()
