"""Groups and batches in the scheduler on a real database: versions that others raised, servers of one batch, and claims that are given back."""
import contextlib
import uuid

import pytest
import sqlalchemy as sa

from nova_lite.compute import task
from nova_lite.context import RequestContext
from nova_lite.db import servergroups
from nova_lite.db.engine import Database
from nova_lite.db.models import Host, Server, ServerFault, ServerGroup
from nova_lite.scheduler.core.request import Options
from nova_lite.scheduler.manager import Manager, Settings

CTX = RequestContext()


class Bell:
    """The compute client: notes each ring."""

    def __init__(self):
        self.rings = []

    def build_server(self, ctx, host, *, server_id, token, alternates=()):
        self.rings.append((host, server_id))


class Interrupted(Database):
    """A database on which ``meanwhile`` happens just before the next write transaction begins."""

    meanwhile = None

    @contextlib.contextmanager
    def write(self):
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        with super().write() as tx:
            yield tx


@pytest.fixture
def bell():
    return Bell()


def make(db, bell, **options):
    manager = Manager(db, bell, task.fail, Settings(host="here", options=Options(**options)))
    manager.start()
    return manager


def place(manager, *server_ids):
    manager.place_servers(CTX, server_ids=list(server_ids), tokens=["t"] * len(server_ids))


def group(cloud, policy, **rules) -> int:
    with cloud.db.write() as tx:
        made = ServerGroup(uuid=str(uuid.uuid4()), project_id="p", user_id="u", name="g", policy=policy, rules=rules)
        servergroups.add(tx, made)
    return made.id


def hosts_of(cloud, *server_ids):
    return [cloud.find(server_id).host for server_id in server_ids]


def message(cloud, server_id):
    with cloud.db.read() as tx:
        return tx.scalars(sa.select(ServerFault.message).where(ServerFault.server_id == server_id)).one()


def test_servers_of_one_batch_keep_apart_and_together(cloud, bell):
    for name in "abc":
        cloud.host(name)
    manager = make(cloud.db, bell)
    apart, near, twice = group(cloud, "anti-affinity"), group(cloud, "affinity"), group(cloud, "anti-affinity", max_server_per_host=2)
    ids = {number: [cloud.server(group_id=number, memory_mb=256 * size) for size in (1, 1, 2, 1)] for number in (apart, near)}
    ids[twice] = [cloud.server(group_id=twice, memory_mb=64) for _ in range(7)]
    place(manager, *ids[apart], *ids[near], *ids[twice])
    assert sorted(map(str, hosts_of(cloud, *ids[apart]))) == ["None", "a", "b", "c"]
    assert len(set(hosts_of(cloud, *ids[near]))) == 1
    assert sorted(map(str, hosts_of(cloud, *ids[twice]))) == ["None", "a", "a", "b", "b", "c", "c"]
    assert cloud.audit() == []


@pytest.mark.parametrize(("policy", "expected"), [("anti-affinity", ["a", "b"]), ("affinity", ["a", "a"])])
def test_a_group_that_changed_meanwhile_is_read_anew(cloud, bell, policy, expected):
    cloud.host("a", vcpus=64)
    cloud.host("b", vcpus=32)
    number = group(cloud, policy)
    db = Interrupted(str(cloud.db.url))
    late, other = make(db, bell), make(cloud.db, bell)
    first, second = cloud.server(group_id=number), cloud.server(group_id=number, vcpus=2)

    def meanwhile():
        place(other, first)
        with cloud.db.write() as tx:
            # As if by now b were the better one, so that only the group can say where the second goes.
            tx.execute(sa.update(Host).where(Host.name == "b").values(vcpus=128, version=Host.version + 1))
    db.meanwhile = meanwhile
    place(late, second)
    assert hosts_of(cloud, first, second) == expected
    with cloud.db.read() as tx:
        assert servergroups.occupancies(tx, [number])[number].version == 2
    db.close()


def test_a_group_that_was_deleted_meanwhile_binds_nobody(cloud, bell):
    cloud.host("a")
    number = group(cloud, "anti-affinity")
    db = Interrupted(str(cloud.db.url))
    manager = make(db, bell)
    first, second = cloud.server(group_id=number), cloud.server(group_id=number)
    place(manager, first)

    def meanwhile():
        with cloud.db.write() as tx:
            tx.execute(sa.delete(ServerGroup))
    db.meanwhile = meanwhile
    place(manager, second)
    assert hosts_of(cloud, first, second) == ["a", "a"]
    db.close()


def test_a_policy_without_its_filter_places_nobody(cloud, bell):
    cloud.host("a")
    manager = make(cloud.db, bell, enabled_filters=("ComputeFilter", "ServerGroupAffinityFilter"))
    near, apart = group(cloud, "affinity"), group(cloud, "anti-affinity")
    fits, refused = cloud.server(group_id=near), cloud.server(group_id=apart)
    place(manager, fits, refused)
    assert hosts_of(cloud, fits, refused) == ["a", None]
    assert message(cloud, refused) == ("No valid host was found. The server group's policy anti-affinity needs ServerGroupAntiAffinityFilter, "
                                       "which is not enabled.")


def batch(cloud, count, at_least, **values):
    request = {"count": count, "min_count": at_least, "attempts": 0}
    return [cloud.server(index=index, request=request, **{"reservation_id": "r-batch", **values}) for index in range(count)]


def test_a_batch_that_fits_in_part_is_built_in_part_or_not(cloud, bell):
    cloud.host("a", memory_mb=512 + 3 * 1024)
    manager = make(cloud.db, bell)
    refused = batch(cloud, 5, 4)
    alone = cloud.server(reservation_id="r-alone")
    place(manager, *refused, alone)
    assert [ring[1] for ring in bell.rings] == [alone]
    assert {cloud.find(server_id).vm_state for server_id in refused} == {"error"}
    assert {message(cloud, server_id) for server_id in refused} == {
        "No valid host was found. Of the servers asked for together 3 would fit, and at least 4 must: 1 host considered: 1 lacks 1024 MB of RAM."}
    served = batch(cloud, 5, 2, reservation_id="r-other")
    place(manager, *served)
    assert hosts_of(cloud, *served) == ["a", "a", None, None, None]
    assert cloud.audit() == []


def test_all_of_a_batch_is_placed_whatever_part_of_it_the_bell_names(cloud, bell):
    cloud.host("a", memory_mb=512 + 3 * 1024)
    manager = make(cloud.db, bell)
    ids = batch(cloud, 3, 3)
    place(manager, ids[1])
    assert sorted(ring[1] for ring in bell.rings) == sorted(ids)
    # One that was deleted in between holds up nobody.
    cloud.host("b", memory_mb=512 + 2 * 1024)
    later = batch(cloud, 3, 3, reservation_id="r-later")
    with cloud.db.write() as tx:
        tx.execute(sa.update(Server).where(Server.id == later[0]).values(deleted=True))
    place(manager, later[2])
    assert hosts_of(cloud, *later) == [None, "b", "b"]


def test_a_batch_that_loses_its_room_while_it_claims_gives_everything_back(cloud, bell):
    for name in "ab":
        cloud.host(name, memory_mb=512 + 1024)
    db = Interrupted(str(cloud.db.url))
    manager = make(db, bell)
    ids = batch(cloud, 2, 2)

    def meanwhile():
        with cloud.db.write() as tx:
            tx.execute(sa.update(Host).where(Host.name == "b").values(memory_mb_used=1024, version=Host.version + 1))
    db.meanwhile = meanwhile
    place(manager, *ids)
    assert bell.rings == []
    assert {(cloud.find(server_id).vm_state, cloud.find(server_id).host) for server_id in ids} == {("error", None)}
    row = cloud.row("a")
    assert (row.memory_mb_used, row.servers) == (0, 0)
    assert [wrong["host"] for wrong in cloud.audit()] == ["b"]
    # In memory too: the next server finds the room.
    single = cloud.server()
    place(manager, single)
    assert hosts_of(cloud, single) == ["a"]
    db.close()
