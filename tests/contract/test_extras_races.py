"""Several schedulers race for PCI devices and custom resources of a few hosts: exactly what there is is claimed. On all databases."""
import json
import uuid

from nova_lite import clock, concurrency
from nova_lite.compute import task
from nova_lite.context import RequestContext
from nova_lite.db import allocations, hosts
from nova_lite.db.models import Allocation, Server
from nova_lite.pci import aliases
from nova_lite.scheduler.core.request import Options
from nova_lite.scheduler.manager import Manager, Settings

SCHEDULERS, SERVERS, HOSTS, DEVICES = 4, 20, 3, 2
OPTIONS = Options(pci_aliases=aliases.read([json.dumps({"name": "a1", "vendor_id": "8086", "product_id": "0443"})]))
SPECS = {"pci_passthrough:alias": "a1:1", "resources:CUSTOM_GOLD": "1"}


class Bell:
    def build_server(self, ctx, host, *, server_id, token, alternates):
        """Nobody builds."""


def furnish(db) -> list[str]:
    devices = [{"address": f"0000:81:00.{number}", "vendor_id": "8086", "product_id": "0443", "dev_type": "type-PCI"} for number in range(DEVICES)]
    flavor = {"name": "f", "flavorid": "7", "vcpus": 1, "memory_mb": 64, "root_gb": 1, "ephemeral_gb": 0, "swap": 0, "extra_specs": SPECS}
    ids = [str(uuid.uuid4()) for _ in range(SERVERS)]
    with db.write() as tx:
        for number in range(HOSTS):
            name = f"h{number}"
            hosts.put_inventory(tx, name, hosts.start_service(tx, hosts.COMPUTE, name), hypervisor_hostname=name, hypervisor_type="QEMU", vcpus=64,
                                memory_mb=65536, disk_gb=1000, extras={"pci": devices, "resources": {"CUSTOM_GOLD": {"total": 9}}})
        for number, server_id in enumerate(ids):
            tx.add(Server(id=server_id, project_id="p", user_id="u", reservation_id=f"r-{number}", name="s", hostname="s", changed_at=clock.now(),
                          vm_state="building", task_state="scheduling", task_action="create", task_id=server_id, task_request_id="req-1",
                          task_deadline=clock.now() + clock.seconds(600), flavorid="7", flavor=flavor, image={}, request={}))
    return ids


def test_as_many_servers_are_placed_as_there_are_devices(db):
    ids, ctx = furnish(db), RequestContext.for_service()
    managers = [Manager(db, Bell(), task.fail, Settings(host=f"s{number}", options=OPTIONS)) for number in range(SCHEDULERS)]
    for manager in managers:
        manager.start()

    def place(number):
        managers[number % SCHEDULERS].place_servers(ctx, server_ids=[ids[number]], tokens=[ids[number]])

    concurrency.map_parallel(place, range(SERVERS))
    with db.read() as tx:
        assert allocations.audit(tx) == []
        held = [(each.host_id, address) for each in tx.query(Allocation) for address in each.extras["7"]["pci"]]
        states = [server.task_state for server in tx.query(Server)]
        used = [host.extras_used for host, _service in hosts.hypervisors(tx)]
    assert len(held) == len(set(held)) == HOSTS * DEVICES == states.count("spawning")
    assert states.count(None) == SERVERS - HOSTS * DEVICES
    assert all(each == {"pci": ["0000:81:00.0", "0000:81:00.1"], "resources": {"CUSTOM_GOLD": DEVICES}} for each in used)
