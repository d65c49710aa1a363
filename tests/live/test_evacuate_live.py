"""Real guests of a host that dies, wholly or only by half, are made anew on the other one; the host that comes back gives up what it had."""
import json
import os
import pathlib
import signal
import sys

import daemons
from tests.live.cluster import ROOT
from tests.live.cluster_cloud import READY, address_of, host_of


def boot_on(user, host) -> tuple[str, str]:
    """A server whose guest is ready on the host; its id and address."""
    server_id = user.create(f"evacuee-{host.name}", availability_zone=f"nova:{host.name}")
    server = user.wait([server_id])[server_id]
    user.wait_console(server_id, READY)
    return server_id, address_of(server)


def declare(user, host, down: bool) -> None:
    answer = user.compute[0].put("/os-services/force-down", {"host": host.name, "binary": "nova-compute", "forced_down": down},
                                 headers={"OpenStack-API-Version": "compute 2.11"})
    assert answer.status == 200, answer


def evacuate(user, server_id: str, away, address: str) -> None:
    """Evacuate the server once its host counts as down, and see its guest on another host with the address that it had."""
    def accepted():
        answer = user.compute[1].post(f"/servers/{server_id}/action", {"evacuate": {}})
        assert answer.status == 200 or "is still in use" in answer.body.decode(), answer
        return answer.status == 200
    daemons.wait_until(f"{away.name} counts as down", accepted, 60, 0.5)
    server = user.wait([server_id])[server_id]
    assert host_of(server) != away.name and address_of(server) == address
    output = user.wait_console(server_id, READY)
    assert f"nova-lite-guest: lease eth0 {address}/24" in output, output[-2000:]


def assert_nothing_on(host) -> None:
    """The host has no guest, file, device or lease of anybody."""
    daemons.wait_until(f"{host.name} is clean", lambda: not any(host.left().values()), 90, 0.5)


def assert_whole(user) -> None:
    """The auditor finds nothing, run on each host by its own options."""
    for host in user.cluster.hosts:
        config = user.cluster.folder / f"{host.name}.conf"
        said = host.run("env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(config), "audit", "--json",
                        "--settle", "40", check=False)
        assert json.loads(said) == [], said


def test_a_host_dies_with_all_that_runs_on_it(user):
    dead = user.cluster.hosts[0]
    server_id, address = boot_on(user, dead)
    assert_whole(user)
    dead.end_processes()
    evacuate(user, server_id, dead, address)
    # It is switched on again: its disk has what it had, nothing runs.
    dead.run("sh", "-c", "rm -rf /run/libvirt/* /run/virtlogd.pid /run/libvirtd.pid; virtlogd -d && libvirtd -d")
    for module in ("network", "compute"):
        user.cluster.processes[f"{module}@{dead.name}"].start()
    user.cluster.wait_up()
    assert_nothing_on(dead)
    assert_whole(user)
    user.delete([server_id])
    user.assert_nothing_left()


def test_only_the_worker_died_and_its_guest_runs_on(user):
    half_dead, other = user.cluster.hosts
    process = user.cluster.processes[f"compute@{half_dead.name}"]
    server_id, address = boot_on(user, half_dead)
    process.kill()
    assert half_dead.domain_state(server_id) == "running"
    process.start()
    user.cluster.wait_up()
    assert half_dead.domain_state(server_id) == "running" and user.console(server_id).count(READY) == 1
    process.kill()
    evacuate(user, server_id, half_dead, address)
    assert half_dead.domain_state(server_id) == other.domain_state(server_id) == "running"
    process.start()
    assert_nothing_on(half_dead)
    assert other.domain_state(server_id) == "running"
    user.cluster.wait_up()
    assert_whole(user)
    user.delete([server_id])
    user.assert_nothing_left()


def test_a_worker_that_was_frozen_starts_nothing(user):
    """It stops right before it starts a guest, after it has looked whether it may; when it goes on the server runs elsewhere."""
    frozen, other = user.cluster.hosts
    server_id, address = boot_on(user, frozen)
    process = user.cluster.processes[f"compute@{frozen.name}"]
    process.stop()
    process.start(hooks="guest.start=stop")
    user.cluster.wait_up()
    user.act(server_id, "reboot", {"type": "HARD"})
    daemons.wait_until("the worker is frozen", lambda: _is_stopped(process.popen.pid), 60)
    declare(user, frozen, True)
    evacuate(user, server_id, frozen, address)
    os.kill(process.popen.pid, signal.SIGCONT)
    assert_nothing_on(frozen)
    assert other.domain_state(server_id) == "running"
    declare(user, frozen, False)
    user.cluster.wait_up()
    assert_whole(user)
    assert process.popen.poll() is None
    user.delete([server_id])
    user.assert_nothing_left()


def _is_stopped(pid: int) -> bool:
    # Under nsenter the interpreter has the pid of the program that was started.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
