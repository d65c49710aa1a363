"""Destinations of moves: claimed beside what the server holds, refused with a reason, given back when the move fails, whoever carries it out."""
import dataclasses

import pytest

from nova_lite.compute import moves, task
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.db.models import Allocation, Host, ServerGroup
from nova_lite.scheduler.manager import Manager, Settings

CTX = dataclasses.replace(RequestContext.for_service(), request_id="req-move")


class Bell:
    def __init__(self):
        self.rings = []

    def run_task(self, ctx, host, *, server_id, token):
        self.rings.append((host, server_id, token))


@pytest.fixture
def site(cloud):
    bell = Bell()
    manager = Manager(cloud.db, bell, task.fail, Settings(host="here"), give_up=moves.give_up)
    return cloud, manager, bell


def running(cloud, host="a", **values) -> str:
    server_id = cloud.server(task_id=None, task_action=None, task_state=None, vm_state="active", host=host, node=f"node-{host}", **values)
    with cloud.db.write() as tx:
        allocations.add(tx, server_id, cloud.row(host).id, 1, 1024, 1)
    return server_id


def begin(cloud, server_id, **how) -> str:
    with cloud.db.write() as tx:
        return moves.begin(tx, CTX, servers_.find(tx, server_id), "resize", moves_.MIGRATION, **how)


def held(cloud, server_id) -> dict[str, tuple[int, int, int]]:
    with cloud.db.read() as tx:
        rows = tx.query(Allocation, Host.name).join(Host, Host.id == Allocation.host_id).filter(Allocation.server_id == server_id)
        return {name: (row.vcpus, row.memory_mb, row.disk_gb) for row, name in rows}


def test_a_move_claims_room_on_another_host_and_rings_it(site):
    cloud, manager, bell = site
    cloud.host("a")
    cloud.host("b")
    server_id = running(cloud)
    token = begin(cloud, server_id)
    manager.place_moves(CTX, server_ids=[server_id], tokens=[token])
    assert bell.rings == [("b", server_id, token)]
    assert held(cloud, server_id) == {"a": (1, 1024, 1), "b": (1, 1024, 1)}
    server = cloud.find(server_id)
    assert (server.host, server.task_host, server.task_detail["to"]["node"]) == ("a", "b", "node-b")
    with cloud.db.read() as tx:
        move = moves_.open_of(tx, server_id)
        assert (move.source_host, move.dest_host, move.open) == ("a", "b", True)
        assert moves_.hosts(tx, [server_id]) == {server_id: {"a", "b"}}
    assert cloud.audit() == []
    manager.place_moves(CTX, server_ids=[server_id], tokens=[token])
    assert len(bell.rings) == 1


def test_a_live_move_is_its_source_s_and_what_fails_is_given_back(site):
    cloud, manager, bell = site
    cloud.host("a")
    cloud.host("b")
    server_id = running(cloud)
    token = begin(cloud, server_id, runs_at_source=True, destination="b")
    manager.place_moves(CTX, server_ids=[server_id], tokens=[token])
    assert bell.rings == [("a", server_id, token)]
    with cloud.db.write() as tx:
        assert moves.give_up(tx, servers_.find(tx, server_id), token, "the cable broke") is None
    server = cloud.find(server_id)
    assert (server.vm_state, server.task_id, server.task_host) == ("active", None, None)
    assert held(cloud, server_id) == {"a": (1, 1024, 1)}
    assert cloud.audit() == []
    with cloud.db.read() as tx:
        assert moves_.open_of(tx, server_id) is None


def test_the_servers_own_host_undoes_what_the_destination_gave_up(site):
    cloud, manager, _bell = site
    cloud.host("a")
    cloud.host("b")
    server_id = running(cloud)
    token = begin(cloud, server_id)
    manager.place_moves(CTX, server_ids=[server_id], tokens=[token])
    with cloud.db.write() as tx:
        fresh = moves.give_up(tx, servers_.find(tx, server_id), token, "no disk")
    server = cloud.find(server_id)
    assert fresh not in (None, token)
    assert (server.task_id, server.task_host, server.task_detail["undo"]) == (fresh, None, "no disk")
    assert held(cloud, server_id) == {"a": (1, 1024, 1)}
    with cloud.db.write() as tx:
        moves.undone(tx, servers_.find(tx, server_id), fresh, "a")
    assert cloud.find(server_id).task_id is None
    assert cloud.audit() == []


def test_no_destination_ends_the_move_with_the_reason(site):
    cloud, manager, bell = site
    cloud.host("a")
    cloud.host("b", memory_mb=1024)
    server_id = running(cloud)
    manager.place_moves(CTX, server_ids=[server_id], tokens=[begin(cloud, server_id)])
    assert bell.rings == []
    server = cloud.find(server_id)
    assert (server.vm_state, server.task_id) == ("active", None)
    with cloud.db.read() as tx:
        assert "RAM" in servers_.faults(tx, [server_id])[server_id].message
    assert held(cloud, server_id) == {"a": (1, 1024, 1)}


def test_the_same_host_holds_room_for_both(site):
    cloud, manager, bell = site
    cloud.host("a")
    server_id = running(cloud)
    larger = {**cloud.find(server_id).flavor, "vcpus": 2, "memory_mb": 2048, "root_gb": 3}
    token = begin(cloud, server_id, flavor=larger, same_host=True)
    manager.place_moves(CTX, server_ids=[server_id], tokens=[token])
    assert bell.rings == [("a", server_id, token)]
    assert held(cloud, server_id) == {"a": (2, 2048, 4)}
    with cloud.db.write() as tx:
        moves.give_up(tx, servers_.find(tx, server_id), token, "no disk")
    assert held(cloud, server_id) == {"a": (1, 1024, 1)}
    assert cloud.audit() == []


def test_a_server_of_an_affinity_group_of_two_cannot_leave(site):
    cloud, manager, bell = site
    cloud.host("a")
    cloud.host("b")
    with cloud.db.write() as tx:
        group = ServerGroup(uuid="g" * 36, project_id="p", user_id="u", name="g", policy="affinity")
        tx.add(group)
        tx.flush()
        group_id = group.id
    first, _second = running(cloud, group_id=group_id), running(cloud, group_id=group_id)
    manager.place_moves(CTX, server_ids=[first], tokens=[begin(cloud, first)])
    assert bell.rings == []
    assert cloud.find(first).task_id is None
