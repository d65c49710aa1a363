"""Real guests shelved on one host that come back on another with all that was on their root disk, workers killed in the middle of it."""
import base64
import json
import subprocess

import pytest

import daemons
from tests.live.cluster_cloud import READY, address_of, host_of

MARK = """#!/bin/sh
echo precious >/root/marker
cat >>/etc/init.d/rcS <<'END'
. /lib/nova-lite/console
say "marker $(cat /root/marker)"
END
sync
"""


def kill_at(user, name: str, point: str):
    """The daemon, which dies when it gets to ``point``."""
    process = user.cluster.processes[name]
    process.stop()
    process.start(hooks=f"{point}=kill")
    user.cluster.wait_up()
    return process


def revive(user, process, point: str) -> None:
    """See the daemon die, and start it again."""
    daemons.wait_until(f"{point} killed the worker", lambda: process.popen.poll() is not None, 120)
    process.start()


@pytest.mark.parametrize("kind, away, back", [("image", "shelve.stored", "unshelve.disks"), ("disk_image", "shelve_offload.gone", "unshelve.guest")])
def test_a_shelved_server_comes_back_on_the_other_host(user, kind, away, back):
    source, target = user.cluster.hosts
    server_id = user.create("wanderer", imageRef=getattr(user, kind), user_data=base64.b64encode(MARK.encode()).decode(),
                            availability_zone=f"nova:{source.name}")
    address = address_of(user.wait([server_id])[server_id])
    user.wait_console(server_id, "nova-lite-guest: user-data exit=0")
    dying = kill_at(user, f"compute@{source.name}", away)
    user.act(server_id, "shelve")
    revive(user, dying, away)
    shelved = user.wait([server_id], "SHELVED_OFFLOADED", 180)[server_id]
    assert host_of(shelved) is None and not source.domains() and not (source.state / "servers" / server_id).exists()
    images = user.cluster.client("image/v2")
    image, = images.get("/images?name=wanderer-shelved").json["images"]
    assert image["status"] == "active"

    dying = kill_at(user, f"compute@{target.name}", back)
    late = user.cluster.client(microversion="2.91")
    answer = late.post(f"/servers/{server_id}/action", {"unshelve": {"availability_zone": None, "host": target.name}})
    assert answer.status == 202, answer
    revive(user, dying, back)
    returned = user.wait([server_id], "ACTIVE", 180)[server_id]
    assert (host_of(returned), address_of(returned), returned["image"]["id"]) == (target.name, address, getattr(user, kind))
    output = user.wait_console(server_id, "nova-lite-guest: marker precious")
    assert READY in output and f"nova-lite-guest: lease eth0 {address}/24" in output and "nova-lite-guest: boot 1\n" not in output
    # Nothing of the image is left, and nothing needs it.
    assert images.get(f"/images/{image['id']}").status == 404 and not (target.state / "images" / image["id"]).exists()
    disk = json.loads(subprocess.run(["qemu-img", "info", "-U", "--output=json", target.state / "servers" / server_id / "disk"],
                                     check=True, capture_output=True).stdout)
    assert disk["format"] == "qcow2" and disk["virtual-size"] == 1 << 30 and "backing-filename" not in disk
    user.act(server_id, "reboot", {"type": "HARD"})
    user.wait([server_id])
    user.delete([server_id])
    user.assert_nothing_left()


def test_a_server_that_stays_on_its_host_is_started_there(user):
    """With the default of the cluster servers leave at once; one whose worker cannot is still whole."""
    server_id = user.create("short", availability_zone="nova:host1")
    user.wait([server_id])
    user.wait_console(server_id, READY)
    dying = kill_at(user, "compute@host1", "shelve.shelved")
    user.act(server_id, "shelve")
    daemons.wait_until("the worker died", lambda: dying.popen.poll() is not None, 120)
    shown = user.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:task_state"], host_of(shown)) == ("SHELVED", "shelving_offloading", "host1")
    user.delete([server_id], 120)
    dying.start()
    user.assert_nothing_left(120)
    assert user.cluster.client("image/v2").get("/images?name=short-shelved").json["images"] == []
