"""A cluster on one machine: two APIs, two schedulers, two hosts with libvirt and real guests, RabbitMQ, PostgreSQL or MariaDB. Servers on both
hosts live and die; daemons and the broker are killed at bad moments. What is accepted comes to an end, and nothing is left of it.
"""
import base64
import time

import pytest

import daemons
from nova_lite import concurrency
from tests.live.cluster_cloud import READY, address_of, host_of
from tests.services.mariadb import MariaDB

SETTLE_SECONDS = 60.0
"""Within which each accepted request ends after a fault is over."""
OUTAGE_SECONDS = 20.0

VISIT = """#!/bin/sh
for address in {addresses}; do
    tries=0
    while [ $tries -lt 40 ] && ! ping -c 1 -W 1 $address >/dev/null 2>&1; do tries=$((tries + 1)); sleep 0.2; done
    if [ $tries -lt 40 ]; then echo "visit: reached $address"; else echo "visit: lost $address"; fi
done
echo "visit: over"
{more}
"""


def script(addresses: list[str], more: str = "") -> str:
    return base64.b64encode(VISIT.format(addresses=" ".join(addresses), more=more).encode()).decode()


def test_daemons_are_small(user):
    memory = user.cluster.memory()
    user.say("idle PSS in MB: " + ", ".join(f"{name} {size:.0f}" for name, size in memory.items()))
    assert max(memory.values()) < 100


def test_servers_live_on_both_hosts(user):
    began = time.monotonic()
    first = user.create("first", api=2)
    pair = user.create_many("pair", 2)
    servers = user.wait([first, *pair])
    user.say(f"three servers ACTIVE {time.monotonic() - began:.1f} s after the request for the first")
    assert {host_of(server) for server in servers.values()} == {"host1", "host2"}
    for host in user.cluster.hosts:
        assert (host.state / "images" / user.image).exists(), "the image was not fetched"
    addresses = [address_of(server) for server in servers.values()]
    visitor = user.create("visitor", imageRef=user.disk_image, availability_zone="nova:host2", user_data=script(addresses, "sleep 1; poweroff"))
    for server_id in servers:
        output = user.wait_console(server_id, READY)
        assert f"nova-lite-guest: lease eth0 {address_of(servers[server_id])}/24" in output
        assert f"nova-lite-guest: metadata source=metadata instance-id={server_id} hostname={servers[server_id]['name']}" in output
    user.say(f"their guests ready after {time.monotonic() - began:.1f} s")
    assert host_of(user.wait([visitor])[visitor]) == "host2"
    check_visit(user, visitor, addresses)
    check_power(user, first, *pair)
    check_powered_off_inside(user, visitor)
    began = time.monotonic()
    user.delete([first, *pair, visitor])
    took = time.monotonic() - began
    user.say(f"four servers deleted in {took:.1f} s, nothing left {user.assert_nothing_left():.1f} s later")


def check_visit(user, visitor: str, addresses: list[str]) -> None:
    """The guest reaches all the others, on its host and on the other one."""
    output = user.wait_console(visitor, "visit: over")
    for address in addresses:
        assert f"visit: reached {address}" in output, output[-2000:]


def check_power(user, soft: str, hard: str, stopped: str) -> None:
    """Reboots of both kinds, stop and start."""
    began = time.monotonic()
    user.act(soft, "reboot", {"type": "SOFT"})
    user.act(hard, "reboot", {"type": "HARD"}, api=2)
    user.act(stopped, "os-stop")
    user.wait([stopped], "SHUTOFF")
    user.say(f"stopped {time.monotonic() - began:.1f} s after the request")
    user.act(stopped, "os-start", api=2)
    user.wait([soft, hard, stopped])
    for server_id in (soft, hard, stopped):
        assert "nova-lite-guest: shutdown" in user.wait_console(server_id, "nova-lite-guest: boot 2") or server_id == hard
    user.say(f"both reboots, stop and start until the second boots: {time.monotonic() - began:.1f} s")


def check_powered_off_inside(user, server_id: str) -> None:
    """The guest has switched itself off."""
    host = next(host for host in user.cluster.hosts if host.name == host_of(user.show(server_id)))
    daemons.wait_until("the guest is off", lambda: host.domain_state(server_id) == "shut off", 60, 0.1)
    began = time.monotonic()
    server = user.wait([server_id], "SHUTOFF", 10)[server_id]
    user.say(f"SHUTOFF {time.monotonic() - began:.1f} s after the guest was seen off")
    assert server["OS-EXT-STS:power_state"] == 4


def test_compute_workers_die_while_they_build(user):
    processes = {user.cluster.processes["compute@host1"]: "build.disks=kill", user.cluster.processes["compute@host2"]: "build.guest=kill"}
    for process, hook in processes.items():
        process.stop()
        process.start(hooks=hook)
    user.cluster.wait_up()
    ids = user.create_many("survivor", 4)
    for process, hook in processes.items():
        daemons.wait_until(f"{hook} killed the worker", lambda process=process: process.popen.poll() is not None, 60)
    concurrency.sleep(3)
    for process in processes:
        process.start()
    fault_ended = time.monotonic()
    statuses = user.wait_ended(ids, SETTLE_SECONDS)
    user.say(f"compute workers killed: {sorted(statuses.values())} {time.monotonic() - fault_ended:.1f} s after their restart")
    assert set(statuses.values()) == {"ACTIVE"}
    for server_id in ids:
        user.wait_console(server_id, READY)
    user.delete(ids)
    user.say(f"nothing left {user.assert_nothing_left():.1f} s after the deletes")


def test_a_host_stays_dead_for_long(user):
    host = user.cluster.hosts[0]
    process = user.cluster.processes[f"compute@{host.name}"]
    process.stop()
    process.start(hooks="build.guest=kill")
    user.cluster.wait_up()
    ids = user.create_many("mover", 2)
    daemons.wait_until("the worker died", lambda: process.popen.poll() is not None, 60)
    died = time.monotonic()
    servers = user.wait(ids, seconds=SETTLE_SECONDS)
    user.say(f"host dead: both servers ACTIVE on the other one {time.monotonic() - died:.1f} s later")
    assert {host_of(server) for server in servers.values()} == {"host2"}
    assert host.domains(), "the guest went by itself"
    process.start()
    daemons.wait_until("the host that is back gives up its guest", lambda: not host.domains(), 60)
    for server_id in ids:
        user.wait_console(server_id, READY)
    user.delete(ids)
    user.say(f"nothing left {user.assert_nothing_left():.1f} s after the deletes")


def test_a_scheduler_dies_between_select_and_claim(user):
    process = user.cluster.processes["scheduler1"]
    process.stop()
    process.start(hooks="scheduler.claim=kill")
    user.cluster.wait_up()
    ids = []

    def died():
        if process.popen.poll() is None and len(ids) < 6:
            ids.append(user.create(f"waiter{len(ids)}", api=1 + len(ids) % 2))
        return process.popen.poll() is not None
    daemons.wait_until("the scheduler died", died, 30, 0.2)
    concurrency.sleep(3)
    process.start()
    fault_ended = time.monotonic()
    statuses = user.wait_ended(ids, SETTLE_SECONDS)
    user.say(f"scheduler killed: {sorted(statuses.values())} {time.monotonic() - fault_ended:.1f} s after its restart")
    assert set(statuses.values()) == {"ACTIVE"}
    user.delete(ids)
    user.say(f"nothing left {user.assert_nothing_left():.1f} s after the deletes")


class Load:
    """Creates and deletes servers through one API until told to stop, at most ``most`` at once. Notes what was accepted."""

    def __init__(self, user, api: int, most: int):
        self.user, self.api, self.most = user, api, most
        self.client = user.cluster.client(api=api)
        self.created: list[str] = []
        self.deleted: list[str] = []
        self.refused: list[str] = []
        self._end = False
        self.task = concurrency.spawn(self._run)

    def end(self) -> None:
        self._end = True
        self.task.wait()

    def _run(self) -> None:
        while not self._end:
            there = [server_id for server_id in self.created if server_id not in self.deleted]
            if len(there) < self.most:
                answer = self.client.post("/servers", self.user.body(f"load{self.api}-{len(self.created)}"))
                if answer.status == 202:
                    self.created.append(answer.json["server"]["id"])
            else:
                answer = self.client.delete(f"/servers/{there[0]}")
                if answer.status == 204:
                    self.deleted.append(there[0])
            if answer.status >= 500:
                self.refused.append(repr(answer)[:300])
            assert answer.status in (202, 204) or answer.status >= 500, answer
            concurrency.sleep(1.5)


def test_the_broker_is_away_under_load(user):
    loads = [Load(user, api, most=2) for api in (1, 2)]
    daemons.wait_until("the load runs", lambda: all(load.created for load in loads), 30)
    concurrency.sleep(2)
    user.cluster.broker.stop()
    concurrency.sleep(OUTAGE_SECONDS)
    user.cluster.broker.start()
    fault_ended = time.monotonic()
    for load in loads:
        load.end()
    created, deleted, refused = (sum((getattr(load, what) for load in loads), []) for what in ("created", "deleted", "refused"))
    assert len(created) > 2 and deleted, "there was no load"
    kept = [server_id for server_id in created if server_id not in deleted]
    user.wait_gone(deleted, SETTLE_SECONDS)
    statuses = user.wait_ended(kept, SETTLE_SECONDS - (time.monotonic() - fault_ended))
    user.say(f"broker away for {OUTAGE_SECONDS:.0f} s: {len(created)} creates and {len(deleted)} deletes accepted, {len(refused)} refused; "
        f"{sorted(statuses.values())} {time.monotonic() - fault_ended:.1f} s after its return")
    assert set(statuses.values()) <= {"ACTIVE"}
    user.delete(kept)
    user.say(f"nothing left {user.assert_nothing_left():.1f} s after the deletes")


@pytest.mark.parametrize("cloud", [MariaDB], indirect=True)
def test_servers_live_with_mariadb(user):
    first = user.create("first", availability_zone="nova:host1")
    address = address_of(user.wait([first])[first])
    second = user.create("second", api=2, availability_zone="nova:host2", user_data=script([address]))
    check_visit(user, second, [address])
    user.wait_console(first, READY)
    user.delete([first, second])
    user.say(f"nothing left {user.assert_nothing_left():.1f} s after the deletes")
