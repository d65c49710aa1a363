"""A server with a CPU of its own, on two hosts that give away different ones: QEMU's thread is where the database says, before and after a move."""
import os
import re

import pytest

import daemons
from tests.live.cluster_cloud import host_of

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU to share and one to give away")
DEDICATED = {"host1": 1, "host2": 0}


@pytest.fixture(scope="module")
def divided(cloud):
    """Each host shares one of this machine's CPUs and gives the other one away."""
    for host, cpu in DEDICATED.items():
        process = cloud.cluster.processes[f"compute@{host}"]
        process.stop()
        text = process.config.read_text()
        process.config.write_text(text.replace("[compute]\n", f"[compute]\ncpu_dedicated_set = {cpu}\ncpu_shared_set = {1 - cpu}\n"))
        process.start()
    cloud.cluster.wait_up()
    pinned = cloud.post("/flavors", {"flavor": {"name": "pinned", "ram": 128, "vcpus": 1, "disk": 1}}, 200)["flavor"]["id"]
    cloud.post(f"/flavors/{pinned}/os-extra_specs", {"extra_specs": {"hw:cpu_policy": "dedicated"}}, 200)
    return pinned


def allowed(user, host, server_id):
    """The CPUs that the kernel lets the guest's own thread run on."""
    machine = user.cluster.host(host)
    told = machine.run("virsh", "-q", "qemu-monitor-command", server_id, "--hmp", "info cpus")
    thread = re.search(r"thread_id=(\d+)", told)[1]
    return machine.run("sh", "-c", f"grep Cpus_allowed_list /proc/[0-9]*/task/{thread}/status").split()[-1]


def pinning(user, server_id):
    (node,) = user.compute[0].get(f"/servers/{server_id}/topology").json["nodes"]
    return node["cpu_pinning"]


def test_a_cpu_of_ones_own_here_and_there(user, divided):
    server_id = user.create("pinned", flavorRef=divided, availability_zone="nova:host1", metadata={"counter": "1"})
    user.wait([server_id])
    user.wait_console(server_id, "counter 2")
    assert allowed(user, "host1", server_id) == "1" and pinning(user, server_id) == {"0": 1}

    second = user.create("second", flavorRef=divided, availability_zone="nova:host1")
    refused = user.wait([second], "ERROR")[second]
    assert "1 free dedicated CPU" in refused["fault"]["message"]
    user.delete([second])
    shares = user.create("shares", availability_zone="nova:host1")
    user.wait([shares])
    assert allowed(user, "host1", shares) == "0"

    user.act(server_id, "os-migrateLive", {"host": None, "block_migration": "auto"})
    daemons.wait_until("the server has moved", lambda: host_of(user.show(server_id)) == "host2", 120, 0.2)
    user.wait([server_id])
    user.wait_console(server_id, "counter 4")
    assert allowed(user, "host2", server_id) == "0" and pinning(user, server_id) == {"0": 0}

    user.act(server_id, "reboot", {"type": "HARD"})
    user.wait([server_id])
    assert allowed(user, "host2", server_id) == "0"
    user.delete([server_id, shares])
    user.assert_nothing_left()
