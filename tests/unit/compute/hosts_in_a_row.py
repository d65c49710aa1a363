"""Compute workers of several hosts in one process, on fake machines and a real database, with the scheduler; their wires can be cut."""
import types
import uuid

from nova_lite import clock, concurrency, exception
from nova_lite.compute import moves, quota, task
from nova_lite.compute.actions.deps import Deps
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.departures import Departures
from nova_lite.compute.worker.job import Job, Workshop
from nova_lite.compute.worker.live_arrivals import LiveArrivals
from nova_lite.compute.worker.manager import ComputeWorker
from nova_lite.compute.worker.transfer import Channel, DiskServer
from nova_lite.compute.worker.watch import Watcher
from nova_lite.context import RequestContext
from nova_lite.db import allocations, hosts
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.db.engine import Database
from nova_lite.db.models import Allocation, Host, Move, Server
from nova_lite.scheduler.manager import Manager, Settings
from nova_lite.scheduler.sweep import Sweep
from nova_lite.virt.fake import FakeDriver, FakeHypervisor
from nova_lite.virt.types import PowerState

FLAVOR = {"id": 1, "flavorid": "1", "name": "small", "vcpus": 1, "memory_mb": 64, "root_gb": 1, "ephemeral_gb": 0, "swap": 0, "extra_specs": {}}
IMAGE = {"id": "11111111-1111-1111-1111-111111111111", "disk_format": "raw", "size": 4096, "properties": {}}
CTX = RequestContext(request_id="req-1", user_id="u", project_id="p", roles=["admin"])


class Wire:
    """Calls and casts to the endpoints of hosts; a host whose name is in ``cut`` does not answer."""

    def __init__(self, endpoints: dict, casts: tuple[str, ...], cut: set[str], tasks: list):
        self._endpoints, self._casts, self._cut, self._tasks = endpoints, casts, cut, tasks

    def __getattr__(self, name: str):
        def send(ctx, host, **given):
            if host in self._cut or host not in self._endpoints:
                if name in self._casts:
                    return None
                raise exception.RpcTimeout(topic=host, method=name, timeout=0)
            method = getattr(self._endpoints[host], name)
            if name in self._casts:
                self._tasks.append(concurrency.spawn(method, ctx, **given))
                return None
            return method(ctx, **given)
        return send


class Row:
    """``hosts``: names. ``machines``: the fake machine of each, which outlives its worker."""

    def __init__(self, folder, names=("a", "b")):
        self.db = Database(f"sqlite:///{folder}/state.db")
        self.db.create_all()
        self.machines = {name: FakeHypervisor() for name in names}
        self.cut: set[str] = set()
        self._tasks: list = []
        self.workers: dict[str, ComputeWorker] = {}
        self._departures: dict[str, Departures] = {}
        self._arrivals: dict[str, LiveArrivals] = {}
        self._servers: list[DiskServer] = []
        self.compute = Wire(self.workers, ("run_task",), self.cut, self._tasks)
        self.scheduler = Manager(self.db, self.compute, task.fail, Settings(host="here"), give_up=moves.give_up)
        self.deps = Deps(self.db, self.scheduler, self.compute, None, dict.fromkeys(("instances", "cores", "ram"), -1))
        for name in names:
            self.start(name)

    def close(self) -> None:
        for server in self._servers:
            server.stop()
        self.db.close()

    def start(self, name: str, driver_class=FakeDriver) -> None:
        """A worker of the host begins anew, as after a crash."""
        with self.db.write() as tx:
            epoch = hosts.start_service(tx, hosts.COMPUTE, name)
            hosts.put_inventory(
                tx, name, epoch, hypervisor_hostname=f"node-{name}", hypervisor_type="fake", hypervisor_version=1, host_ip="127.0.0.1", vcpus=8,
                memory_mb=8192, disk_gb=100, disk_available_gb=100, memory_mb_reserved=0, vcpu_ratio=1.0, memory_ratio=1.0, disk_ratio=1.0,
                cpu_info={}, supported=[["x86_64", "kvm", "hvm"]], traits=[])
        driver = driver_class(name, hypervisor=self.machines[name], machines=self.machines)
        network = types.SimpleNamespace(prepare=lambda ctx, host, network_ids: None, refresh=lambda ctx, host, network_ids: None)
        shop = Workshop(self.db, name, driver, network, self.scheduler, self.fetch, None, compute=self.compute,
                        departures=Wire(self._departures, ("forget",), self.cut, self._tasks), channel=Channel(),
                        peers=Wire(self._arrivals, (), self.cut, self._tasks))
        self._arrivals[name] = LiveArrivals(shop, epoch)
        self.workers[name] = ComputeWorker(shop, epoch)
        self._servers.append(DiskServer(self.db, driver, name, shop.channel))
        self._departures[name] = Departures(shop, epoch, self._servers[-1], self.workers[name].is_busy)
        self.cut.discard(name)

    def fetch(self, image_id: str):
        yield bytes(4096)

    def leftovers(self, name: str) -> list[str]:
        return Watcher(self.workers[name]).remove_leftovers()

    def settle(self) -> None:
        """Return once nothing goes on."""
        while self._tasks:
            self._tasks.pop(0).wait()

    def sweep(self, down_time: float = 60.0) -> None:
        """What a scheduler's sweep does for hosts that have not been heard for ``down_time`` seconds."""
        Sweep(self.db, self.scheduler, None, moves.abandon, down_time, lambda: True).run()

    # ---- servers
    def boot(self, host: str = "a", written: bytes = b"what the guest wrote", **columns) -> str:
        """A server that runs."""
        server_id = str(uuid.uuid4())
        with self.db.write() as tx:
            tx.add(Server(**{
                "id": server_id, "project_id": "p", "user_id": "u", "reservation_id": "r-1", "launch_index": 0, "name": "s", "hostname": "s",
                "changed_at": clock.now(), "vm_state": "active", "power_state": 1, "host": host, "node": f"node-{host}", "availability_zone": "nova",
                "flavorid": "1", "flavor": FLAVOR, "image_id": IMAGE["id"], "image": IMAGE, "request": {}, **columns}))
            row = tx.query(Host).filter(Host.name == host).one()
            allocations.add(tx, server_id, row.id, 1, 64, 1)
            quota.count(tx, "p", {"instances": 1, "cores": 1, "ram": 64})
        shop = self.workers[host].shop
        guest, _ = job_.description(Job(shop, CTX, self.find(server_id), "", clock.now()))
        shop.driver.create_disks(guest, self.fetch)
        if columns.get("vm_state", "active") == "active":
            shop.driver.start_guest(guest)
        self.machines[host].written[server_id] = written
        return server_id

    def find(self, server_id: str) -> Server:
        with self.db.read() as tx:
            return servers_.find(tx, server_id, deleted=True)

    def move(self, server_id: str) -> Move:
        """The last one."""
        with self.db.read() as tx:
            return moves_.listing(tx, {"server_id": server_id}, newest_first=True)[0]

    def held(self, server_id: str) -> dict[str, tuple]:
        """Room by host; the hosts' books agree."""
        with self.db.read() as tx:
            assert allocations.audit(tx) == []
            rows = tx.query(Allocation, Host.name).join(Host, Host.id == Allocation.host_id).filter(Allocation.server_id == server_id)
            return {name: (row.vcpus, row.memory_mb, row.disk_gb) for row, name in rows}

    def runs_at(self, server_id: str) -> list[str]:
        return [name for name, machine in self.machines.items()
                if server_id in machine.guests and machine.guests[server_id].state == PowerState.RUNNING]

    def files_at(self, server_id: str) -> list[str]:
        return [name for name, machine in self.machines.items() if server_id in {*machine.bases_by_server, *machine.incoming}]
