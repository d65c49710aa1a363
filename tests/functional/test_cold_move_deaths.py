"""kill -9 at each step of a cold move, there and back: after the restart it ends as the table says, and nothing is left over."""
import subprocess
import sys

import pytest

import daemons
from tests.functional.cloud import Cloud


@pytest.fixture(scope="module")
def cloud():
    with Cloud({"compute": {"fake_hosts": 2, "fake_keep": True, "allow_resize_to_same_host": False}}) as running:
        large = {"flavor": {"name": "large", "ram": 128, "vcpus": 2, "disk": 2}}
        running.large = running.admin.post("/flavors", large).json["flavor"]["id"]
        yield running


def restart(cloud, hooks=""):
    if cloud.daemon.process.popen.poll() is None:
        cloud.daemon.stop()
    cloud.daemon.start(hooks)
    cloud.admin = cloud.daemon.client(microversion="2.90")


def see_die(cloud):
    daemons.wait_until("the process died", lambda: cloud.daemon.process.popen.poll() is not None, 30)
    restart(cloud)


def begin(cloud, server_id, action):
    argument = {"flavorRef": cloud.large} if action == "resize" else None
    assert cloud.act(server_id, action, argument).status in (202, 204)


def audited(cloud):
    """The books, the hosts and the database agree."""
    command = [sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(cloud.daemon.process.config), "audit"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.endswith("0 differences\n"), done


def host_of(cloud, server_id):
    return cloud.show(server_id)["OS-EXT-SRV-ATTR:host"]


@pytest.mark.parametrize(("point", "action"), [
    ("scheduler.claim_move", "migrate"), ("move.prepared", "resize"), ("departure.stopped", "resize"), ("move.let_go", "migrate"),
    ("move.copied", "resize"), ("move.bound", "migrate"), ("move.started", "resize")])
def test_a_server_arrives_after_the_process_died(cloud, point, action):
    empty = cloud.usage()
    restart(cloud, f"{point}=kill")
    server_id = cloud.boot(name="survivor")
    source = host_of(cloud, server_id)
    begin(cloud, server_id, action)
    see_die(cloud)
    server = cloud.wait(server_id, "VERIFY_RESIZE")
    assert server["OS-EXT-SRV-ATTR:host"] != source and server["OS-EXT-STS:power_state"] == 1
    assert server["flavor"]["original_name"] == ("large" if action == "resize" else "tiny")
    begin(cloud, server_id, "confirmResize")
    cloud.wait(server_id)
    cloud.delete(server_id)
    assert cloud.usage() == empty
    audited(cloud)


@pytest.mark.parametrize("point", ["departure.stopped", "revert.let_go", "revert.started", "revert.ended"])
def test_a_server_returns_after_the_process_died(cloud, point):
    empty, server_id = cloud.usage(), cloud.boot(name="survivor")
    source = host_of(cloud, server_id)
    begin(cloud, server_id, "resize")
    cloud.wait(server_id, "VERIFY_RESIZE")
    restart(cloud, f"{point}=kill")
    begin(cloud, server_id, "revertResize")
    see_die(cloud)
    server = cloud.wait(server_id)
    assert (server["OS-EXT-SRV-ATTR:host"], server["flavor"]["original_name"], server["OS-EXT-STS:power_state"]) == (source, "tiny", 1)
    cloud.delete(server_id)
    assert cloud.usage() == empty
    audited(cloud)


def test_what_a_confirmed_server_left_goes_after_the_process_died(cloud):
    empty, server_id = cloud.usage(), cloud.boot(name="survivor")
    begin(cloud, server_id, "migrate")
    cloud.wait(server_id, "VERIFY_RESIZE")
    restart(cloud, "confirm.ended=kill")
    begin(cloud, server_id, "confirmResize")
    see_die(cloud)
    cloud.wait(server_id)
    audited(cloud)
    cloud.delete(server_id)
    assert cloud.usage() == empty
    audited(cloud)
