"""Resizing servers on their own host over HTTP, on an all-in-one with the fake driver."""
import pytest

import daemons
from tests.functional.cloud import Cloud


@pytest.fixture(scope="module")
def cloud():
    with Cloud() as running:
        yield running


@pytest.fixture(scope="module")
def large(cloud):
    return add_flavor(cloud, "large", ram=128, vcpus=2, disk=2, swap=64)


def add_flavor(cloud, name, **sizes):
    return cloud.admin.post("/flavors", {"flavor": {"name": name, **sizes}}).json["flavor"]["id"]


@pytest.fixture
def server_id(cloud):
    made = cloud.boot()
    yield made
    cloud.delete(made)


def flavor_of(cloud, server_id):
    return cloud.show(server_id)["flavor"]["original_name"]


def resize(cloud, server_id, flavor):
    answer = cloud.act(server_id, "resize", {"flavorRef": flavor})
    assert answer.status == 202, answer
    return cloud.wait(server_id, "VERIFY_RESIZE")


def held(cloud):
    """vCPUs on the hosts; servers and vCPUs of the quota."""
    return cloud.usage()[0], *cloud.usage()[2:]


@pytest.mark.parametrize("state", ["ACTIVE", "SHUTOFF"])
def test_a_resize_is_confirmed(cloud, large, server_id, state):
    before = held(cloud)
    if state == "SHUTOFF":
        cloud.act(server_id, "os-stop")
        cloud.wait(server_id, state)
    shown = resize(cloud, server_id, large)
    assert shown["flavor"]["original_name"] == "large" and shown["OS-EXT-STS:power_state"] == (1 if state == "ACTIVE" else 4)
    assert held(cloud) == (before[0] + 1, before[1], before[2] + 1)
    if state == "ACTIVE":
        assert cloud.admin.get(f"/servers/{server_id}/diagnostics").json["num_cpus"] == 2
    assert cloud.act(server_id, "os-stop").status == 409 and cloud.act(server_id, "resize", {"flavorRef": cloud.flavor}).status in (400, 409)
    assert cloud.act(server_id, "confirmResize").status == 204
    cloud.wait(server_id, state)
    assert flavor_of(cloud, server_id) == "large" and held(cloud) == (before[0] + 1, before[1], before[2] + 1)
    assert cloud.act(server_id, "confirmResize").json["conflictingRequest"]["message"].startswith(f"Cannot 'confirmResize' instance {server_id}")


@pytest.mark.parametrize("state", ["ACTIVE", "SHUTOFF"])
def test_a_resize_is_reverted(cloud, large, server_id, state):
    before = held(cloud)
    if state == "SHUTOFF":
        cloud.act(server_id, "os-stop")
        cloud.wait(server_id, state)
    resize(cloud, server_id, large)
    assert cloud.act(server_id, "revertResize").status == 202
    cloud.wait(server_id, state)
    assert flavor_of(cloud, server_id) == "tiny" and held(cloud) == before
    actions = cloud.admin.get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert [action["action"] for action in actions[:2]] == ["revertResize", "resize"]


def test_a_server_that_is_being_verified_can_be_deleted(cloud, large):
    before, server_id = held(cloud), cloud.boot()
    resize(cloud, server_id, large)
    cloud.delete(server_id)
    assert held(cloud) == before


@pytest.mark.parametrize(("sizes", "status", "words"), [
    ({"ram": 128, "vcpus": 1, "disk": 0}, 400, "Resize to zero disk flavor is not allowed."),
    (None, 400, "When resizing, instances must change flavor!"),
    ("none-such", 400, "Flavor none-such could not be found."),
])
def test_what_no_server_can_become(cloud, server_id, sizes, status, words):
    flavor = add_flavor(cloud, f"f{abs(hash(words))}", **sizes) if isinstance(sizes, dict) else sizes or cloud.flavor
    before = held(cloud)
    answer = cloud.act(server_id, "resize", {"flavorRef": flavor})
    assert answer.status == status and words in next(iter(answer.json.values()))["message"], answer
    assert held(cloud) == before and cloud.show(server_id)["OS-EXT-STS:task_state"] is None


def test_a_resize_that_finds_no_room_leaves_the_server_as_it_was(cloud, server_id):
    flavor, before = add_flavor(cloud, "endless", ram=128, vcpus=64 * 4 + 1, disk=1), held(cloud)
    assert cloud.act(server_id, "resize", {"flavorRef": flavor}).status == 202
    cloud.wait(server_id)
    assert held(cloud) == before and flavor_of(cloud, server_id) == "tiny"


def test_a_resize_needs_quota(cloud, large):
    member = cloud.add_user("narrow")
    server_id = cloud.boot(member)
    project = cloud.show(server_id)["tenant_id"]
    assert cloud.admin.put(f"/os-quota-sets/{project}", {"quota_set": {"cores": 1}}).status == 200
    assert cloud.act(server_id, "resize", {"flavorRef": large}, member).status == 403
    cloud.delete(server_id)


def test_what_nobody_confirms_is_confirmed_in_time():
    with Cloud({"compute": {"resize_confirm_window": 0.5}}) as hasty:
        server_id = hasty.boot()
        assert hasty.act(server_id, "resize", {"flavorRef": add_flavor(hasty, "large", ram=128, vcpus=2, disk=2)}).status == 202
        daemons.wait_until("it is confirmed", lambda: (hasty.show(server_id)["status"], flavor_of(hasty, server_id)) == ("ACTIVE", "large"), 30)


@pytest.mark.parametrize("point", ["resize.staged", "resize.swapped", "revert_resize.swapped"])
def test_a_resize_goes_on_after_the_process_died(point):
    with Cloud() as cloud:
        cloud.daemon.stop()
        cloud.daemon.start(hooks=f"{point}=kill")
        cloud.admin = cloud.daemon.client(microversion="2.90")
        server_id, flavor = cloud.boot(name="survivor"), add_flavor(cloud, "large", ram=128, vcpus=2, disk=2)
        before = held(cloud)
        assert cloud.act(server_id, "resize", {"flavorRef": flavor}).status == 202
        if point.startswith("revert"):
            cloud.wait(server_id, "VERIFY_RESIZE")
            assert cloud.act(server_id, "revertResize").status == 202
        daemons.wait_until("the process died", lambda: cloud.daemon.process.popen.poll() is not None, 20)
        cloud.daemon.start()
        cloud.admin = cloud.daemon.client(microversion="2.90")
        if point.startswith("revert"):
            # The fake machine died with its disks: what is left to see is that the revert ends, one way or the other, as the table says.
            assert daemons.wait_until("the revert ended", lambda: cloud.show(server_id)["OS-EXT-STS:task_state"] is None, 30)
            assert cloud.show(server_id)["status"] in ("ACTIVE", "VERIFY_RESIZE")
            return
        cloud.wait(server_id, "VERIFY_RESIZE")
        assert held(cloud)[2] == before[2] + 1
