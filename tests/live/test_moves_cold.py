"""Real guests move to the other host while they are off: their files, sizes and addresses go along, workers are killed in the middle of it, and
nothing is left where they were.
"""
import base64
import shutil

import pytest

import daemons
from tests.live.cluster_cloud import READY, address_of, host_of, migration_of
from tests.live.guest_image import ensure_guest_image

MARK = """#!/bin/sh
echo precious >/root/marker
cat >>/etc/init.d/rcS <<'END'
. /lib/nova-lite/console
say "marker $(cat /root/marker) cpus $(grep -c ^processor /proc/cpuinfo)"
END
sync
"""


def boot(user, host="host1", **changes):
    """A guest with a marker on its root disk, which it shows at every later boot."""
    server_id = user.create("mover", availability_zone=f"nova:{host}", user_data=base64.b64encode(MARK.encode()).decode(), **changes)
    address = address_of(user.wait([server_id])[server_id])
    user.wait_console(server_id, "nova-lite-guest: user-data exit=0")
    return server_id, address


def files(user, server_id):
    """The hosts that have files of the server, and those that have its domain."""
    hosts = user.cluster.hosts
    with_files = [host.name for host in hosts if (host.state / "servers" / server_id).exists()]
    return with_files, [host.name for host in hosts if server_id in host.domains()]


def verify(user, server_id, host, address, cpus=1):
    """The server waits to be verified on ``host``; its guest has booted there from its own disk."""
    server = user.wait([server_id], "VERIFY_RESIZE", 300)[server_id]
    assert (host_of(server), address_of(server)) == (host, address)
    output = user.wait_console(server_id, f"nova-lite-guest: marker precious cpus {cpus}")
    assert f"nova-lite-guest: lease eth0 {address}/24" in output
    assert files(user, server_id) == (["host1", "host2"], [host])
    return output


def confirm(user, server_id, status="ACTIVE"):
    answer = user.compute[0].post(f"/servers/{server_id}/action", {"confirmResize": None})
    assert answer.status == 204, answer
    return user.wait([server_id], status)[server_id]


def wait_only_at(user, server_id, host):
    daemons.wait_until(f"{server_id} is on {host} alone", lambda: files(user, server_id) == ([host], [host]), 60, 0.3)


@pytest.mark.parametrize("kind", ["image", "disk_image"])
def test_a_server_migrates_for_good(user, kind):
    server_id, address = boot(user, imageRef=getattr(user, kind))
    user.act(server_id, "migrate", {"host": "host2"})
    output = verify(user, server_id, "host2", address)
    assert "nova-lite-guest: boot 2\n" in output.replace("\r", "")
    assert migration_of(user, server_id)["dest_host"] == "10.99.0.12"
    confirm(user, server_id)
    wait_only_at(user, server_id, "host2")
    user.act(server_id, "reboot", {"type": "SOFT"})
    user.wait([server_id])
    user.wait_console(server_id, "nova-lite-guest: boot 3")
    user.delete([server_id])
    user.assert_nothing_left()


def test_a_server_comes_back_as_it_was(user):
    server_id, address = boot(user)
    user.act(server_id, "migrate")
    verify(user, server_id, "host2", address)
    user.act(server_id, "revertResize")
    server = user.wait([server_id], seconds=180)[server_id]
    assert (host_of(server), address_of(server)) == ("host1", address)
    user.wait_console(server_id, "nova-lite-guest: marker precious")
    assert user.console(server_id).count("nova-lite-guest: boot 2") == 1
    wait_only_at(user, server_id, "host1")
    user.delete([server_id])
    user.assert_nothing_left()


def test_a_server_grows_on_its_way(user):
    """Another flavor on the other host: CPUs, root disk, a second disk and swap; the image is gone meanwhile, so its copy goes along."""
    guest = ensure_guest_image()
    image = user._upload(user.cluster.client("image/v2"), guest["disk"], "qcow2")
    large = user.post("/flavors", {"flavor": {"name": "large", "ram": 192, "vcpus": 2, "disk": 2, "OS-FLV-EXT-DATA:ephemeral": 1, "swap": 64}},
                      200)["flavor"]["id"]
    server_id, address = boot(user, imageRef=image)
    assert user.cluster.client("image/v2").delete(f"/images/{image}").status == 204
    service = next(each["id"] for each in user.compute[0].get("/os-services?binary=nova-compute&host=host1").json["services"])
    assert user.compute[0].put(f"/os-services/{service}", {"status": "disabled"}).status == 200
    try:
        user.act(server_id, "resize", {"flavorRef": large})
        output = verify(user, server_id, "host2", address, cpus=2)
    finally:
        assert user.compute[0].put(f"/os-services/{service}", {"status": "enabled"}).status == 200
    for said in ("mounted vdb /mnt", "swap vdc"):
        assert f"nova-lite-guest: {said}" in output, output[-3000:]
    sizes = [int(line.split()[-2]) for line in output.replace("\r", "").splitlines() if line.startswith("nova-lite-guest: root ")]
    assert sizes and 1800 < sizes[-1] <= 2048
    confirm(user, server_id)
    wait_only_at(user, server_id, "host2")
    user.delete([server_id])
    user.assert_nothing_left()


def seeds(host, server_id):
    """What a guest's TPM was made with, in pieces; none where the host knows nothing of it."""
    content = b"".join(path.read_bytes() for path in (host.folder / "var/lib/libvirt/swtpm" / server_id).rglob("*permall"))
    pieces = {content[at:at + 32] for at in range(0, len(content) - 32, 32)}
    return {piece for piece in pieces if len(set(piece)) > 16}


@pytest.mark.skipif(shutil.which("swtpm") is None, reason="no swtpm here")
def test_what_a_tpm_knows_goes_along(user):
    guest, (first, second) = ensure_guest_image(), user.cluster.hosts
    image = user._upload(user.cluster.client("image/v2"), guest["disk"], "qcow2", hw_tpm_version="2.0")
    server_id, address = boot(user, imageRef=image)
    known = seeds(first, server_id)
    assert known and not seeds(second, server_id)
    user.act(server_id, "migrate")
    verify(user, server_id, "host2", address)
    # Counters change with every start.
    assert len(known & seeds(second, server_id)) > 0.8 * len(known)
    confirm(user, server_id)
    wait_only_at(user, server_id, "host2")
    daemons.wait_until("host1 has forgotten it", lambda: not seeds(first, server_id), 30)
    user.delete([server_id])
    user.assert_nothing_left()
    assert not seeds(second, server_id)


def armed(user, name, point):
    """The daemon, which dies when it gets to ``point``."""
    process = user.cluster.processes[name]
    process.stop()
    process.start(hooks=f"{point}=kill")
    user.cluster.wait_up()
    return process


def see_die(user, process, point):
    daemons.wait_until(f"{point} killed the worker", lambda: process.popen.poll() is not None, 180)


THERE = [("host2", "move.let_go"), ("host2", "move.copied"), ("host2", "move.bound"), ("host2", "move.started"), ("host1", "departure.stopped")]
BACK = [("host1", "revert.let_go"), ("host2", "departure.stopped"), ("host1", "revert.started"), ("host1", "revert.ended"), (None, None)]


@pytest.mark.parametrize(("there", "back"), list(zip(THERE, BACK, strict=True)), ids=[point for _, point in THERE])
def test_workers_die_on_the_way_there_and_back(user, there, back):
    server_id, address = boot(user)
    dying = armed(user, f"compute@{there[0]}", there[1])
    user.act(server_id, "migrate")
    see_die(user, dying, there[1])
    dying.start()
    verify(user, server_id, "host2", address)
    if back[0]:
        dying = armed(user, f"compute@{back[0]}", back[1])
        user.act(server_id, "revertResize")
        see_die(user, dying, back[1])
        dying.start()
        server = user.wait([server_id], seconds=180)[server_id]
        assert host_of(server) == "host1" and migration_of(user, server_id)["status"] == "reverted"
        user.wait_console(server_id, "nova-lite-guest: marker precious")
        wait_only_at(user, server_id, "host1")
    else:
        dying = armed(user, "compute@host2", "confirm.ended")
        assert user.compute[0].post(f"/servers/{server_id}/action", {"confirmResize": None}).status == 204
        see_die(user, dying, "confirm.ended")
        dying.start()
        user.wait([server_id])
        wait_only_at(user, server_id, "host2")
    user.delete([server_id])
    user.assert_nothing_left()


@pytest.mark.parametrize("point", ["move.copied", "move.started"])
def test_a_destination_that_stays_away_is_given_up(user, point):
    """The server starts again where it was; the host that comes back keeps nothing, and its guest ends."""
    server_id, address = boot(user)
    dying = armed(user, "compute@host2", point)
    user.act(server_id, "migrate")
    see_die(user, dying, point)
    daemons.wait_until("the server is given back", lambda: migration_of(user, server_id)["status"] == "error", 120, 0.5)
    server = user.wait([server_id])[server_id]
    assert (host_of(server), address_of(server)) == ("host1", address)
    assert READY in user.wait_console(server_id, "nova-lite-guest: marker precious")
    dying.start()
    user.cluster.wait_up()
    wait_only_at(user, server_id, "host1")
    user.delete([server_id])
    user.assert_nothing_left()
