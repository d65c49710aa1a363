"""Real guests move between two hosts while they run: their counters go on, their addresses answer, and nothing is left where they were."""
import base64
import contextlib
import os
import pathlib
import re
import shutil
import tempfile
import time

import pytest

import daemons
from tests.live.cluster import Cluster
from tests.live.cluster_cloud import READY, CloudUser
from tests.live.guest_image import ensure_guest_image
from tests.live.test_cluster import MISSING, address_of, host_of, revive, teller
from tests.services.postgresql import PostgreSQL
from tests.services.rabbitmq import RabbitMQ

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="hosts made of namespaces need root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
COUNTER = {"metadata": {"counter": "1"}}
SILENCE_SECONDS = 2.0
WATCHER = """#!/bin/sh
(
while :; do
    ping -c 1 -W 1 {address} >/dev/null 2>&1 && echo "answered $(cut -d' ' -f1 /proc/uptime)"
    sleep 0.1
done
) >/dev/console 2>&1 &
"""


@pytest.fixture(scope="module")
def cluster():
    for service in (RabbitMQ, PostgreSQL):
        if service.missing():
            pytest.skip(service.missing())
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-moves-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        with Cluster(folder) as machines:
            yield machines
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cloud(request, cluster):
    guest = ensure_guest_image()
    try:
        cluster.start(RabbitMQ, PostgreSQL)
        user = CloudUser(cluster, guest)
        user.say = teller(request.config)
        yield user
    finally:
        cluster.stop()


@pytest.fixture
def user(cloud, request):
    revive(cloud.cluster)
    cloud.delete_all()
    failures = request.session.testsfailed
    yield cloud
    if request.session.testsfailed > failures:
        print(cloud.cluster.logs())


def boot(user, name, host="host1", **changes):
    server_id = user.create(name, availability_zone=f"nova:{host}", **{**COUNTER, **changes})
    user.wait([server_id])
    user.wait_console(server_id, "counter 3")
    return server_id


def move(user, server_id, **body):
    user.act(server_id, "os-migrateLive", {"host": None, "block_migration": "auto", **body})


def migration(user, server_id):
    answer = user.compute[0].get(f"/os-migrations?instance_uuid={server_id}")
    assert answer.status == 200, answer
    return answer.json["migrations"][0]


def wait_moved(user, server_id, host, status="ACTIVE", seconds=120):
    daemons.wait_until(f"{server_id} is on {host}", lambda: host_of(user.show(server_id)) == host, seconds, 0.1)
    return user.wait([server_id], status)[server_id]


def counts(user, server_id):
    return [int(number) for number in re.findall(r"counter (\d+)", user.console(server_id))]


def assert_went_on(user, server_id):
    """The guest counts on, without a restart and without a gap that is more than a lost line at the switch."""
    last = counts(user, server_id)[-1]
    user.wait_console(server_id, f"counter {last + 3}")
    found = counts(user, server_id)
    assert found == sorted(set(found)), f"it was started anew, or written twice: {found}"
    assert user.console(server_id).count(READY) <= 1
    return len(set(range(found[0], found[-1])) - set(found))


def assert_left(user, server_id, name):
    """Nothing of the server is left on the host."""
    host = next(host for host in user.cluster.hosts if host.name == name)

    def gone():
        return server_id not in host.domains() and not (host.state / "servers" / server_id).exists()
    daemons.wait_until(f"nothing of {server_id} is on {name}", gone, 60, 0.2)


@contextlib.contextmanager
def options(user, host, **libvirt):
    """The compute worker of a host runs with other options inside the block."""
    process = user.cluster.processes[f"compute@{host}"]
    usual = process.config.read_text()

    def restart(text):
        process.stop()
        process.config.write_text(text)
        process.start()
        user.cluster.wait_up()
    restart(usual + "[libvirt]\n" + "".join(f"{key} = {value}\n" for key, value in libvirt.items()))
    try:
        yield
    finally:
        restart(usual)


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
        user.say(f"moved to {host} in {time.monotonic() - began:.1f} s; {migration(user, server_id)['status']}")
        assert moved["addresses"] == server["addresses"] and moved["OS-EXT-STS:power_state"] == 1
        lost = assert_went_on(user, server_id)
        user.say(f"{lost} lines of the console lost")
        assert lost <= 3
        assert_left(user, server_id, {"host1": "host2", "host2": "host1"}[host])
    for watcher in watchers:
        answers = [float(moment) for moment in re.findall(r"answered ([\d.]+)", user.console(watcher))]
        silence = max(after - before for before, after in zip(answers, answers[1:], strict=False))
        user.say(f"longest silence for the watcher on {host_of(user.show(watcher))}: {silence:.2f} s of {len(answers)} answers")
        assert silence <= SILENCE_SECONDS
    user.delete([server_id, *watchers])
    user.assert_nothing_left()
