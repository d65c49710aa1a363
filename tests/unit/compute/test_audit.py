"""The auditor finds what is planted, each by its kind, and nothing in a cloud that is whole."""
import datetime
import uuid

import pytest

from nova_lite import clock
from nova_lite.compute import audit, quota
from nova_lite.compute.worker import audit as of_guests
from nova_lite.compute.worker import channel_note
from nova_lite.compute.worker.transfer import Channel, DiskServer
from nova_lite.context import RequestContext
from nova_lite.db import allocations, hosts
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.db.engine import Database
from nova_lite.db.models import Network, Port
from nova_lite.virt import types
from nova_lite.virt.fake import FakeDriver

FLAVOR = {"flavorid": "1", "name": "m1.tiny", "vcpus": 1, "memory_mb": 64, "root_gb": 1, "ephemeral_gb": 0, "swap": 0, "extra_specs": {}}
INVENTORY = {"hypervisor_hostname": "n", "hypervisor_type": "fake", "hypervisor_version": 1, "vcpus": 8, "memory_mb": 8192, "disk_gb": 100,
             "disk_available_gb": 100, "cpu_info": {}, "supported": (), "traits": ()}
SERVICE = RequestContext.for_service()


class Site:
    """Hosts ``a`` and ``b``, one server on ``a`` with all that belongs to it."""

    def __init__(self, folder):
        self.db = Database(f"sqlite:///{folder}/state.db")
        self.db.create_all()
        self.driver = FakeDriver("a")
        with self.db.write() as tx:
            for host in ("a", "b"):
                hosts.put_inventory(tx, host, hosts.start_service(tx, hosts.COMPUTE, host), **INVENTORY)
            self.hosts = {host: hosts.get(tx, host).id for host in ("a", "b")}
            quota.count(tx, "p", {"instances": 1, "cores": 1, "ram": 64})
            self.network = str(uuid.uuid4())
            tx.add(Network(id=self.network, project_id="p", name="n", vni=1, mtu=1450))
            self.server = self.add_server(tx)
            allocations.add(tx, self.server, self.hosts["a"], 1, 64, 1)
            self.port(tx, self.server, "a")
        guest = types.Guest(self.server, "one", "p", "u", "f", 1, 64, (types.Disk("root", "vda", "virtio", 1),), ())
        self.driver.create_disks(guest, None)
        self.driver.start_guest(guest)

    def add_server(self, tx) -> str:
        now, server_id = clock.now(), str(uuid.uuid4())
        servers_.insert(tx, [{"id": server_id, "project_id": "p", "user_id": "u", "reservation_id": "r-1", "name": "one", "hostname": "one",
                              "created_at": now, "changed_at": now, "vm_state": "active", "flavor": FLAVOR, "flavorid": "1", "host": "a",
                              "launched_at": now}])
        return server_id

    def port(self, tx, server_id, host) -> None:
        tx.add(Port(id=str(uuid.uuid4()), network_id=self.network, project_id="p", mac=f"fa:16:3e:00:00:{len(tx.query(Port).all()):02x}",
                    device_id=server_id, request_index=0, host=host))

    def kinds(self) -> list[str]:
        return sorted(finding["kind"] for finding in [*audit.audit(self.db), *of_guests.audit(self.db, self.driver, "a")])


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    assert made.kinds() == []
    yield made
    made.db.close()


def change_server(**columns):
    return lambda site, tx: servers_.update(tx, site.server, **columns)


def gone(site, tx):
    servers_.update(tx, site.server, deleted=True)


def elsewhere(site, tx):
    servers_.update(tx, site.server, host="b")


def open_move(site, tx):
    moves_.add(tx, servers_.find(tx, site.server), moves_.EVACUATION, SERVICE)


def miscounted_host(site, tx):
    hosts.get(tx, "a").vcpus_used = 5


def claimed_twice(site, tx):
    allocations.add(tx, site.server, site.hosts["b"], 1, 64, 1)


PLANTED = {
    "a server that was deleted and gave nothing back": (gone, ["allocation", "files", "guest", "port", "quota", "quota", "quota"]),
    "a server that moved and took nothing along": (elsewhere, ["allocation", "allocation", "files", "guest", "port"]),
    "a second allocation": (claimed_twice, ["allocation"]),
    "a host that counts wrong": (miscounted_host, ["usage"]),
    "a counter that is wrong": (lambda site, tx: quota.count(tx, "p", {"cores": 2}), ["quota"]),
    "a move that nobody carries out": (open_move, ["move"]),
    "a task_state without a task": (change_server(task_state="rebooting"), ["task"]),
    "a task that nobody ends": (change_server(task_state="rebooting", task_id="t", task_action="reboot", task_deadline=datetime.datetime(2020, 1, 1)),
                                ["task"]),
    "a port of nobody": (lambda site, tx: site.port(tx, str(uuid.uuid4()), "a"), ["port"]),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_found(site, what):
    plant, kinds = PLANTED[what]
    with site.db.write() as tx:
        plant(site, tx)
    assert site.kinds() == kinds


def test_what_the_host_has_lost(site):
    site.driver.hypervisor.power_off(site.server)
    assert site.kinds() == ["guest"]
    site.driver.destroy_guest(site.server)
    site.driver.delete_disks(site.server)
    assert site.kinds() == ["files"]


@pytest.mark.parametrize("left", ["staged", "aside", "incoming"])
def test_what_a_change_has_left(site, left):
    getattr(site.driver.hypervisor, left)[site.server] = frozenset()
    assert site.kinds() == ["files"]
    with site.db.write() as tx:
        servers_.update(tx, site.server, request={"put_back": "a"})
    assert site.kinds() == []
    with site.db.write() as tx:
        servers_.update(tx, site.server, request={}, vm_state="resized")
        open_move(site, tx)
    assert site.kinds() == []


def test_a_channel_that_nobody_needs(site, tmp_path):
    note = channel_note.path(str(tmp_path), "a")
    disks = DiskServer(site.db, site.driver, "a", Channel(), note)
    assert channel_note.audit(site.db, "a", str(tmp_path)) == []
    disks.url()
    assert [finding["kind"] for finding in channel_note.audit(site.db, "a", str(tmp_path))] == ["channel"]
    with site.db.write() as tx:
        servers_.update(tx, site.server, task_state="x", task_id="t", task_host="b", task_deadline=clock.now())
    disks.rest()
    assert channel_note.audit(site.db, "a", str(tmp_path)) == [] and note.exists()
    with site.db.write() as tx:
        servers_.update(tx, site.server, task_state=None, task_id=None, task_host=None, task_deadline=None)
    disks.rest()
    assert not note.exists()
    note.write_text("127.0.0.1 1")
    assert channel_note.audit(site.db, "a", str(tmp_path)) == []


def test_what_is_under_way_is_not_judged(site):
    with site.db.write() as tx:
        claimed_twice(site, tx)
        open_move(site, tx)
        moves_.change_open(tx, site.server, dest_host="b")
        servers_.update(tx, site.server, task_state="rebuilding", task_id="t", task_action="evacuate", task_host="b",
                        task_deadline=clock.now() + clock.seconds(60))
    assert site.kinds() == []
    assert of_guests.audit(site.db, FakeDriver("b"), "b") == []
