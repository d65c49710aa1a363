"""Real guests move between two hosts while they run: their counters go on, their addresses answer, and nothing is left where they were."""
import base64
import contextlib
import os
import pathlib
import re
import signal
import time

import pytest

import daemons
from tests.live.cluster_cloud import READY, address_of, host_of, migration_of

COUNTER = {"metadata": {"counter": "1"}}
LOST_SECONDS = 20.0
"""Of silence: the switches, or the neighbours, still look for the guest where it was. How long it really stood still is told (goal: 2 s)."""
WATCHER = """#!/bin/sh
(
while :; do
    ping -c 1 -W 1 {address} >/dev/null 2>&1 && echo "answered $(cut -d' ' -f1 /proc/uptime)"
    sleep 0.1
done
) >/dev/console 2>&1 &
"""


def boot(user, name, host="host1", **changes):
    server_id = user.create(name, availability_zone=f"nova:{host}", **{**COUNTER, **changes})
    user.wait([server_id])
    user.wait_console(server_id, "counter 3")
    return server_id


def move(user, server_id, **body):
    user.act(server_id, "os-migrateLive", {"host": None, "block_migration": "auto", **body})


def wait_moved(user, server_id, host, status="ACTIVE", seconds=120):
    daemons.wait_until(f"{server_id} is on {host}", lambda: host_of(user.show(server_id)) == host, seconds, 0.1)
    return user.wait([server_id], status)[server_id]


def counts(user, server_id):
    return [int(number) for number in re.findall(r"counter (\d+)", user.console(server_id))]


def assert_went_on(user, server_id):
    """The guest counts on, without a restart and without a gap that is more than a lost line at the switch."""
    # A log whose beginning is on a host that is gone has nothing until the guest writes again.
    last = daemons.wait_until("the guest counts", lambda: counts(user, server_id), 60)[-1]
    user.wait_console(server_id, f"counter {last + 3}")
    found = counts(user, server_id)
    assert found == sorted(set(found)), f"it was started anew, or written twice: {found}"
    assert user.console(server_id).count(READY) <= 1
    return len(set(range(found[0], found[-1])) - set(found))


def assert_left(user, server_id, name):
    """Nothing of the server is left on the host."""
    host = user.cluster.host(name)

    def gone():
        return server_id not in host.domains() and not (host.state / "servers" / server_id).exists()
    daemons.wait_until(f"nothing of {server_id} is on {name}", gone, 60, 0.2)


@contextlib.contextmanager
def worker(user, host, hooks="", **libvirt):
    """The compute worker of a host, with other options and points to die at inside the block."""
    process = user.cluster.processes[f"compute@{host}"]
    usual = process.config.read_text()

    def restart(text, hooks=""):
        if process.popen.poll() is None:
            process.stop()
        process.config.write_text(text)
        process.start(hooks)
        user.cluster.wait_up()
    restart(usual + "[libvirt]\n" + "".join(f"{key} = {value}\n" for key, value in libvirt.items()), hooks)
    try:
        yield process
    finally:
        restart(usual)


def wait_status(user, server_id, *statuses, seconds=60):
    """The migration once it has one of the statuses."""
    return daemons.wait_until(f"the migration of {server_id} is {statuses}",
                              lambda: (row := migration_of(user, server_id))["status"] in statuses and row, seconds, 0.2)


def wait_dead(process, seconds=60):
    daemons.wait_until("the worker died", lambda: process.popen.poll() is not None, seconds, 0.1)


def kill_libvirtd(host):
    """kill -9, and a new one; the guests' QEMUs stay."""
    for pid in host.processes():
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "libvirtd":
                os.kill(pid, signal.SIGKILL)
    daemons.wait_until("libvirtd is dead", lambda: "libvirtd" not in host.comms(), 20)
    host.run("libvirtd", "-d", "-l")


def assert_runs_once(user, server_id):
    """One of the hosts runs the guest, the one that the books name; the other one has nothing of it."""
    name = host_of(user.show(server_id))
    assert user.cluster.host(name).domain_state(server_id) in ("running", "paused")
    assert_left(user, server_id, {"host1": "host2", "host2": "host1"}[name])
    return name


def test_a_guest_moves_and_its_neighbours_hardly_notice(user):
    server_id = boot(user, "mover")
    server = user.show(server_id)
    script = base64.b64encode(WATCHER.format(address=address_of(server)).encode()).decode()
    watchers = [user.create(f"watcher on {host}", availability_zone=f"nova:{host}", imageRef=user.disk_image, user_data=script)
                for host in ("host1", "host2")]
    user.wait(watchers)
    for watcher in watchers:
        user.wait_console(watcher, "answered")
    for host in ("host2", "host1"):
        began = time.monotonic()
        move(user, server_id)
        moved = wait_moved(user, server_id, host)
        user.say(f"moved to {host} in {time.monotonic() - began:.1f} s; {migration_of(user, server_id)['status']}")
        assert moved["addresses"] == server["addresses"] and moved["OS-EXT-STS:power_state"] == 1
        lost = assert_went_on(user, server_id)
        user.say(f"{lost} lines of the console lost")
        assert lost <= 3
        assert_left(user, server_id, {"host1": "host2", "host2": "host1"}[host])
    for watcher in watchers:
        answers = [float(moment) for moment in re.findall(r"answered ([\d.]+)", user.console(watcher))]
        silence = max(after - before for before, after in zip(answers, answers[1:], strict=False))
        user.say(f"longest silence for the watcher on {host_of(user.show(watcher))}: {silence:.2f} s of {len(answers)} answers")
        assert silence <= LOST_SECONDS
    user.delete([server_id, *watchers])
    user.assert_nothing_left()


def test_a_guest_with_every_kind_of_disk_moves(user):
    """Root on a base image, ephemeral, swap, config drive; what is written before is there after."""
    flavor = user.post("/flavors", {"flavor": {"name": "disks", "ram": 128, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 1, "swap": 64}}, 200)
    script = """#!/bin/sh
# counter=1
mkdir -p /tmp/drive && mount -o ro /dev/sr0 /tmp/drive
( while :; do
    echo "drive $(cat /tmp/drive/openstack/latest/meta_data.json | md5sum | cut -c1-8)"
    echo 3 >/proc/sys/vm/drop_caches
    dd if=/dev/vdb of=/dev/null bs=1M count=8 2>/dev/null && echo "ephemeral readable"
    sleep 1
done ) >/dev/console 2>&1 &
"""
    server_id = user.create("disks", availability_zone="nova:host1", flavorRef=flavor["flavor"]["id"], imageRef=user.disk_image, config_drive=True,
                            user_data=base64.b64encode(script.encode()).decode(), **COUNTER)
    user.wait([server_id])
    user.wait_console(server_id, "ephemeral readable")
    before = set(re.findall(r"drive ([0-9a-f]{8})\b", user.console(server_id)))
    move(user, server_id)
    wait_moved(user, server_id, "host2")
    assert_went_on(user, server_id)
    after = user.console(server_id)
    assert len(before) == 1 and set(re.findall(r"drive ([0-9a-f]{8})\b", after)) == before
    progress = user.compute[0].get(f"/os-migrations?instance_uuid={server_id}").json["migrations"][0]
    assert progress["status"] == "completed"
    assert_left(user, server_id, "host1")
    # The definition at the destination is whole: it boots from it.
    user.act(server_id, "reboot", {"type": "HARD"})
    user.wait([server_id])
    user.delete([server_id])
    user.assert_nothing_left()


def test_a_paused_guest_moves_and_goes_on_where_it_is(user):
    server_id = boot(user, "sleeper")
    user.act(server_id, "pause")
    user.wait([server_id], "PAUSED")
    move(user, server_id, host="host2")
    moved = wait_moved(user, server_id, "host2", "PAUSED")
    assert moved["OS-EXT-STS:power_state"] == 3 and user.cluster.host("host2").domain_state(server_id) == "paused"
    user.act(server_id, "unpause")
    user.wait([server_id])
    assert_went_on(user, server_id)
    user.delete([server_id])
    user.assert_nothing_left()


def test_what_the_destination_refuses_stays(user):
    server_id = boot(user, "stayer")
    old = user.cluster.client(microversion="2.1")
    answer = old.post(f"/servers/{server_id}/action", {"os-migrateLive": {"host": "host2", "block_migration": False, "disk_over_commit": False}})
    assert answer.status == 400 and "not on shared storage" in answer.json["badRequest"]["message"], answer
    assert user.wait([server_id])[server_id]["OS-EXT-SRV-ATTR:host"] == "host1" and migration_of(user, server_id)["status"] == "error"
    move(user, server_id, block_migration=False)
    refused = f"/os-migrations?instance_uuid={server_id}&status=error"
    daemons.wait_until("it is refused", lambda: len(user.compute[0].get(refused).json["migrations"]) == 2, 60)
    user.wait([server_id])
    actions = user.compute[0].get(f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert "host2" in actions[0]["message"] and "shared storage" in actions[0]["message"]
    assert_went_on(user, server_id)
    assert assert_runs_once(user, server_id) == "host1"
    user.delete([server_id])
    user.assert_nothing_left()


def test_a_migration_is_aborted_and_another_one_hurried(user):
    with worker(user, "host1", live_migration_bandwidth=1):
        server_id = boot(user, "waverer")
        move(user, server_id)
        row = wait_status(user, server_id, "running")
        path = f"/servers/{server_id}/migrations/{row['id']}"

        def progress():
            answer = user.compute[0].get(path)
            assert answer.status == 200, answer
            return answer.json["migration"]["memory_processed_bytes"] and answer.json["migration"]
        shown = daemons.wait_until("memory moves", progress, 60, 0.3)
        assert shown["memory_total_bytes"] >= 128 << 20 and shown["memory_remaining_bytes"] > 0
        assert user.compute[0].delete(path).status == 202
        wait_status(user, server_id, "cancelled")
        assert user.wait([server_id])[server_id]["OS-EXT-SRV-ATTR:host"] == "host1"
        assert_went_on(user, server_id)
        assert assert_runs_once(user, server_id) == "host1"
        move(user, server_id)
        row = wait_status(user, server_id, "running")
        path = f"/servers/{server_id}/migrations/{row['id']}"
        daemons.wait_until("memory moves", progress, 60, 0.3)
        began = time.monotonic()
        assert user.compute[0].post(f"{path}/action", {"force_complete": None}).status == 202
        wait_moved(user, server_id, "host2", seconds=240)
        user.say(f"hurried: on host2 after {time.monotonic() - began:.1f} s at 1 MiB/s")
        assert_went_on(user, server_id)
    user.delete([server_id])
    user.assert_nothing_left()


def test_one_that_takes_too_long_ends(user):
    with worker(user, "host1", live_migration_bandwidth=1, live_migration_completion_timeout=2):
        server_id = boot(user, "snail")
        move(user, server_id)
        wait_status(user, server_id, "failed")
        assert user.wait([server_id])[server_id]["OS-EXT-SRV-ATTR:host"] == "host1"
        assert_went_on(user, server_id)
        assert assert_runs_once(user, server_id) == "host1"
    user.delete([server_id])
    user.assert_nothing_left()


@pytest.mark.parametrize(("point", "ends"), [("live_migration.checked", "host2"), ("live_migration.prepared", "host2"),
                                             ("live_migration.moving", "host1"), ("live_migration.switched", "host2"),
                                             ("live_migration.finished", "host2")])
def test_the_source_s_worker_is_killed(user, point, ends):
    slow = {"live_migration_bandwidth": 1} if point.endswith("moving") else {}
    with worker(user, "host1", f"{point}=kill", **slow) as process:
        server_id = boot(user, "survivor")
        move(user, server_id)
        wait_dead(process)
        process.start()
        user.cluster.wait_up()
        user.wait([server_id])
        wait_status(user, server_id, "completed" if ends == "host2" else "failed")
    assert assert_runs_once(user, server_id) == ends
    assert_went_on(user, server_id)
    user.delete([server_id])
    user.assert_nothing_left()


def test_the_source_s_worker_stays_dead(user):
    with worker(user, "host1", "live_migration.moving=kill", live_migration_bandwidth=4) as process:
        server_id = boot(user, "orphan")
        move(user, server_id)
        wait_dead(process)
        wait_moved(user, server_id, "host2")
        assert migration_of(user, server_id)["status"] == "completed"
        assert_went_on(user, server_id)
    assert assert_runs_once(user, server_id) == "host2"
    user.delete([server_id])
    user.assert_nothing_left()


def test_the_destination_s_worker_is_killed(user):
    with worker(user, "host2", "live_migration.received=kill") as process:
        server_id = boot(user, "early bird")
        move(user, server_id)
        wait_dead(process)
        wait_status(user, server_id, "error", seconds=120)
        user.wait([server_id])
        assert_went_on(user, server_id)
    assert assert_runs_once(user, server_id) == "host1"
    user.delete([server_id])
    user.assert_nothing_left()


@pytest.mark.parametrize("name", ["host1", "host2"])
def test_libvirtd_is_killed_while_a_guest_moves(user, name):
    with worker(user, "host1", live_migration_bandwidth=1):
        server_id = boot(user, "steady")
        move(user, server_id)
        wait_status(user, server_id, "running")
        daemons.wait_until("it comes", lambda: server_id in user.cluster.host("host2").domains(), 30)
        kill_libvirtd(user.cluster.host(name))
        wait_status(user, server_id, "failed", seconds=120)
        user.wait([server_id])
        assert_went_on(user, server_id)
        assert assert_runs_once(user, server_id) == "host1"
    user.delete([server_id])
    user.assert_nothing_left()


@contextlib.contextmanager
def shared_disks(user):
    """host2 sees the disks and images of host1 as its own."""
    first, second = user.cluster.hosts
    names = ("servers", "images")
    for name in names:
        second.run("mount", "--bind", str(first.state / name), str(second.state / name))
    try:
        yield
    finally:
        for name in names:
            second.run("umount", str(second.state / name))


def test_disks_that_both_hosts_see_stay_where_they_are(user):
    with shared_disks(user):
        server_id = boot(user, "sharer")
        folder = user.cluster.host("host1").state / "servers" / server_id
        before = (folder / "disk").stat().st_ino
        answer = user.cluster.client(microversion="2.1").post(
            f"/servers/{server_id}/action", {"os-migrateLive": {"host": "host2", "block_migration": True, "disk_over_commit": False}})
        assert answer.status == 400 and "shares" in answer.json["badRequest"]["message"], answer
        assert (folder / "disk").stat().st_ino == before and not list(folder.glob("moving.*"))
        move(user, server_id)
        wait_moved(user, server_id, "host2")
        assert migration_of(user, server_id)["status"] == "completed"
        # Neither the move nor a worker that starts takes the disks for what the server left behind.
        with worker(user, "host1"):
            assert (folder / "disk").stat().st_ino == before and (folder / "owner").read_text() == "host2"
        assert_went_on(user, server_id)
        assert server_id not in user.cluster.host("host1").domains()
        user.act(server_id, "reboot", {"type": "HARD"})
        user.wait([server_id])
        user.wait_console(server_id, READY)
        user.delete([server_id])
        daemons.wait_until("its files are gone", lambda: not folder.exists(), 60)
    user.assert_nothing_left()
