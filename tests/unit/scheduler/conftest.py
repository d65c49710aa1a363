"""What the scheduler's tests share: a state database with hosts and waiting servers."""
import uuid

import pytest

from nova_lite import clock
from nova_lite.db import allocations, hosts
from nova_lite.db.engine import Database
from nova_lite.db.models import Aggregate, AggregateHost, Host, Server

INVENTORY = {
    "hypervisor_type": "QEMU", "hypervisor_version": 7002000, "vcpus": 8, "memory_mb": 8704, "disk_gb": 100, "disk_available_gb": 100,
    "memory_mb_reserved": 512, "vcpu_ratio": 4.0, "memory_ratio": 1.0, "disk_ratio": 1.0, "cpu_info": {},
    "supported": (("x86_64", "kvm", "hvm"),), "traits": (),
}


class Cloud:
    """Writes what the APIs and the compute workers would write."""

    def __init__(self, db: Database):
        self.db = db

    def host(self, name: str, zone: str | None = None, **values) -> None:
        with self.db.write() as tx:
            epoch = hosts.start_service(tx, hosts.COMPUTE, name)
            hosts.put_inventory(tx, name, epoch, **{**INVENTORY, "hypervisor_hostname": f"node-{name}", **values})
            if zone:
                tx.add(Aggregate(uuid=str(uuid.uuid4()), name=f"{zone}-{name}", availability_zone=zone, hosts=[AggregateHost(host=name)]))
                hosts.touch(tx, [name])

    def server(self, token: str = "t", request: dict | None = None, memory_mb: int = 1024, vcpus: int = 1, index: int = 0, image=None,
               **values) -> str:
        server_id = str(uuid.uuid4())
        flavor = {"name": "small", "vcpus": vcpus, "memory_mb": memory_mb, "root_gb": 1, "ephemeral_gb": 0, "swap": 0, "extra_specs": {}}
        with self.db.write() as tx:
            tx.add(Server(**{
                "id": server_id, "project_id": "p", "user_id": "u", "reservation_id": "r-1", "launch_index": index, "name": "s", "hostname": "s",
                "changed_at": clock.now(), "vm_state": "building", "task_state": "scheduling", "task_action": "create", "task_id": token,
                "task_deadline": clock.now() + clock.seconds(600),
                "task_request_id": "req-1", "flavorid": "1", "flavor": flavor, "image": image or {"properties": {}}, "request": request or {},
                **values}))
        return server_id

    def find(self, server_id: str) -> Server:
        with self.db.read() as tx:
            return tx.get(Server, server_id)

    def row(self, name: str) -> Host:
        with self.db.read() as tx:
            return next(host for host, _service in hosts.hypervisors(tx, name=name))

    def audit(self) -> list:
        with self.db.read() as tx:
            return allocations.audit(tx)


@pytest.fixture
def cloud(tmp_path):
    db = Database(f"sqlite:///{tmp_path}/state.db")
    db.create_all()
    yield Cloud(db)
    db.close()
