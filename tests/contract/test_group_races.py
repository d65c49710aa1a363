"""Hard policies of server groups at every commit: eight schedulers in four processes place servers of the same groups at once, on each database."""
import subprocess
import sys
import uuid
from collections import Counter

import sqlalchemy as sa

from nova_lite import clock
from nova_lite.db import allocations, hosts, servergroups
from nova_lite.db.models import Server, ServerGroup

PROCESSES, EACH, HOSTS = 4, 6, 12
RACER = """
import sys
from nova_lite import concurrency
concurrency.patch()
from nova_lite.compute import task
from nova_lite.context import RequestContext
from nova_lite.db.engine import Database
from nova_lite.scheduler.manager import Manager, Settings

class Bell:
    def build_server(self, ctx, host, *, server_id, token, alternates=()):
        pass

db = Database(sys.argv[1])
managers = [Manager(db, Bell(), task.fail, Settings(host="here")) for _ in range(2)]
for manager in managers:
    manager.start()
print("ready", flush=True)
sys.stdin.readline()

def place(pair):
    number, server_id = pair
    managers[number % 2].place_servers(RequestContext(), server_ids=[server_id], tokens=["t"])

concurrency.map_parallel(place, list(enumerate(sys.argv[2:])))
"""


def furnish(db) -> dict[str, int]:
    with db.write() as tx:
        for number in range(HOSTS):
            name = f"host-{number:02}"
            epoch = hosts.start_service(tx, hosts.COMPUTE, name)
            hosts.put_inventory(tx, name, epoch, hypervisor_hostname=name, hypervisor_type="QEMU", vcpus=64, memory_mb=65536, disk_gb=1000)
    groups = {}
    for policy, rules in (("anti-affinity", {}), ("affinity", {}), ("anti-affinity", {"max_server_per_host": 2})):
        group = ServerGroup(uuid=str(uuid.uuid4()), project_id="p", user_id="u", name="g", policy=policy, rules=rules)
        with db.write() as tx:
            servergroups.add(tx, group)
        groups[policy + str(rules.get("max_server_per_host", ""))] = group.id
    return groups


def servers(db, group_id: int, count: int) -> list[str]:
    flavor = {"name": "small", "vcpus": 1, "memory_mb": 64, "root_gb": 1, "ephemeral_gb": 0, "swap": 0, "extra_specs": {}}
    ids = [str(uuid.uuid4()) for _ in range(count)]
    with db.write() as tx:
        tx.add_all(Server(id=server_id, project_id="p", user_id="u", reservation_id=server_id[:8], name="s", hostname="s", changed_at=clock.now(),
                          vm_state="building", task_state="scheduling", task_action="create", task_id="t", task_request_id="req-1", flavorid="1",
                          flavor=flavor, image={"properties": {}}, group_id=group_id) for server_id in ids)
    return ids


def test_schedulers_that_race_keep_every_hard_policy(db):
    groups = furnish(db)
    ids = [server_id for group_id in groups.values() for server_id in servers(db, group_id, PROCESSES * EACH + 2)]
    # Each process gets servers of every group.
    racers = [subprocess.Popen([sys.executable, "-c", RACER, db.url.render_as_string(hide_password=False), *ids[number::PROCESSES]],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for number in range(PROCESSES)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.close()
    assert [racer.wait(timeout=300) for racer in racers] == [0] * PROCESSES

    with db.read() as tx:
        found = tx.execute(sa.select(Server.group_id, Server.host, Server.vm_state)).all()
        assert allocations.audit(tx) == []
    at = {name: Counter(host for id_, host, _state in found if id_ == group_id and host) for name, group_id in groups.items()}
    assert at["anti-affinity"] == dict.fromkeys([f"host-{number:02}" for number in range(HOSTS)], 1)
    assert at["anti-affinity2"] == dict.fromkeys([f"host-{number:02}" for number in range(HOSTS)], 2)
    assert list(at["affinity"].values()) == [PROCESSES * EACH + 2]
    assert Counter(state for _group, host, state in found if host is None) == {"error": PROCESSES * EACH + 2 - HOSTS + 2}
