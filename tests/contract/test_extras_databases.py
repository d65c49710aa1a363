"""What servers hold of hosts besides room: claimed exactly, given back, whoever races and whatever order. On SQLite, PostgreSQL and MariaDB."""
import uuid

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_lite import clock, concurrency
from nova_lite.db import allocations, claims, extras, hosts
from nova_lite.db.engine import Database
from nova_lite.db.models import Allocation, Host, Server

INVENTORY = {"hypervisor_type": "QEMU", "hypervisor_version": 7002000, "vcpus": 64, "memory_mb": 65536, "disk_gb": 1000, "disk_available_gb": 1000}
DEVICES = {"resources": {"CUSTOM_GOLD": {"total": 8}}, "pci": ["a", "b", "c"]}


def add_host(db, name="h", has=DEVICES, **values) -> int:
    with db.write() as tx:
        hosts.put_inventory(tx, name, hosts.start_service(tx, hosts.COMPUTE, name), **{
            **INVENTORY, "hypervisor_hostname": name, "extras": has, **values})
        return hosts.get(tx, name).id


def add_server(db) -> str:
    server_id = str(uuid.uuid4())
    with db.write() as tx:
        tx.add(Server(id=server_id, project_id="p", user_id="u", reservation_id="r-1", name="s", hostname="s", changed_at=clock.now(),
                      vm_state="building", task_state="scheduling", task_action="create", task_id="t", flavorid="1", flavor={}))
    return server_id


def devices(count, gold=0, flavorid="1"):
    """A wish for some free devices, the first ones, and for gold."""
    def fit(has, used):
        free = [each for each in has.get("pci", ()) if each not in used.get("pci", ())]
        left = has.get("resources", {}).get("CUSTOM_GOLD", {"total": 0})["total"] - used.get("resources", {}).get("CUSTOM_GOLD", 0)
        if len(free) < count or left < gold:
            return None
        return {"pci": free[:count], "guest": {"names": free[:count]}} | ({"resources": {"CUSTOM_GOLD": gold}} if gold else {})
    return extras.Wish(flavorid, fit)


def wanted(server_id, host_id, wish, name="h"):
    return claims.Claim(server_id, "t", host_id, name, name, "nova", 1, 512, 1, wish=wish)


def used(db, name="h"):
    with db.read() as tx:
        assert allocations.audit(tx) == []
        return tx.scalar(sa.select(Host.extras_used).where(Host.name == name))


def holds(db, server_id, name="h"):
    with db.read() as tx:
        return extras.of_server(tx, server_id, name)


def claim(db, *claims_):
    with db.write() as tx:
        return claims.claim_many(tx, list(claims_))


def test_a_claim_holds_what_it_wished_and_its_release_gives_it_back(db):
    host_id = add_host(db)
    one, two = add_server(db), add_server(db)
    assert len(claim(db, wanted(one, host_id, devices(2, gold=3))).won) == 1
    assert used(db) == {"pci": ["a", "b"], "resources": {"CUSTOM_GOLD": 3}}
    assert holds(db, one) == {"1": {"pci": ["a", "b"], "guest": {"names": ["a", "b"]}, "resources": {"CUSTOM_GOLD": 3}}}
    assert len(claim(db, wanted(two, host_id, devices(1, gold=5))).won) == 1
    with db.write() as tx:
        allocations.release(tx, one)
    assert used(db) == {"pci": ["c"], "resources": {"CUSTOM_GOLD": 5}}
    with db.write() as tx:
        allocations.release(tx, two)
        allocations.release(tx, two)
    assert used(db) == {}
    assert holds(db, two) == {}


def test_schedulers_hear_of_it_without_reading_hosts_as_a_whole(db):
    host_id = add_host(db)
    with db.read() as tx:
        before = hosts.scheduled_hosts(tx)[0]
    assert (before.extras_used, before.extras) == ("{}", '{"resources":{"CUSTOM_GOLD":{"total":8}},"pci":["a","b","c"]}')
    claim(db, wanted(add_server(db), host_id, devices(1)))
    with db.read() as tx:
        row = hosts.changed_usage(tx, before.changed_at)[0]
    assert (row.extras_used, row.facts_version, row.version) == ('{"pci":["a"]}', before.facts_version, before.version + 1)


def test_one_batch_claims_with_and_without_wishes(db):
    first, second = add_host(db), add_host(db, "plain", {})
    ids = [add_server(db) for _ in range(4)]
    stale = add_server(db)
    with db.write() as tx:
        tx.execute(sa.update(Server).where(Server.id == stale).values(task_id="another"))
    outcome = claim(db, wanted(stale, first, devices(1)), *(wanted(each, first, devices(1)) for each in ids[:2]), wanted(ids[2], first, None),
                    wanted(ids[3], second, devices(1), "plain"))
    assert sorted(each.server_id for each in outcome.won) == sorted(ids[:3])
    assert [each.server_id for each in outcome.lost] == [ids[3]]
    assert [each.server_id for each in outcome.stale] == [stale]
    assert len(used(db)["pci"]) == 2
    assert used(db, "plain") == {}
    with db.write() as tx:
        claims.give_up(tx, [each.server_id for each in outcome.won])
    assert used(db) == {}


def test_room_is_asked_for_as_well(db):
    host_id = add_host(db, vcpus=1, vcpu_ratio=1.0)
    outcome = claim(db, *(wanted(add_server(db), host_id, devices(1)) for _ in range(2)))
    assert (len(outcome.won), len(outcome.lost)) == (1, 1)
    assert used(db) == {"pci": ["a"]}


def test_a_move_holds_on_both_hosts_and_each_its_own(db):
    source, destination = add_host(db), add_host(db, "there", {"pci": ["x"]})
    server_id = add_server(db)
    claim(db, wanted(server_id, source, devices(1)))
    with db.write() as tx:
        assert not allocations.add(tx, server_id, destination, 1, 512, 1, devices(2))
        assert allocations.add(tx, server_id, destination, 1, 512, 1, devices(1))
    assert (used(db), used(db, "there")) == ({"pci": ["a"]}, {"pci": ["x"]})
    assert holds(db, server_id, "there")["1"]["guest"] == {"names": ["x"]}
    with db.write() as tx:
        assert allocations.release(tx, server_id, "h") == ["h"]
    assert (used(db), used(db, "there")) == ({}, {"pci": ["x"]})


@pytest.mark.parametrize(("kept", "left"), [("1", ["a", "b"]), ("2", ["a"])])
def test_a_resize_in_place_holds_for_both_flavors_until_one_is_kept(db, kept, left):
    host_id = add_host(db)
    one, other = add_server(db), add_server(db)
    claim(db, wanted(one, host_id, devices(2, gold=5)))
    claim(db, wanted(other, host_id, devices(1)))
    with db.write() as tx:
        assert not allocations.change(tx, one, "h", 2, 512, 2, wish=devices(3, flavorid="2"))
        # What it holds itself is not in its way.
        assert allocations.change(tx, one, "h", 2, 512, 2, wish=devices(1, gold=6, flavorid="2"))
    assert used(db) == {"pci": ["a", "b", "c"], "resources": {"CUSTOM_GOLD": 6}}
    with db.write() as tx:
        assert allocations.change(tx, one, "h", 1, 512, 1, only=kept)
    assert used(db)["pci"] == sorted([*left, "c"])
    assert list(holds(db, one)) == [kept]
    with db.write() as tx:
        assert allocations.change(tx, one, "h", 1, 512, 1, only="3")
        assert tx.scalar(sa.select(Allocation.extras).where(Allocation.server_id == one)) is None
    assert used(db) == {"pci": ["c"]}


def test_the_audit_tells_what_does_not_add_up_and_what_is_held_twice(db):
    host_id = add_host(db)
    claim(db, *(wanted(add_server(db), host_id, devices(1)) for _ in range(2)))
    with db.write() as tx:
        tx.execute(sa.update(Allocation).values(extras={"1": {"pci": ["b"]}}))
    with db.read() as tx:
        assert allocations.audit(tx) == [
            {"host": "h", "column": "extras_used", "used": {"pci": ["a", "b"]}, "sum": {"pci": ["b", "b"]}},
            {"host": "h", "column": "extras pci b held twice", "used": 1, "sum": 2}]


def test_of_many_who_race_for_devices_as_many_win_as_there_are(db):
    host_id = add_host(db)
    ids = [add_server(db) for _ in range(12)]

    def one(server_id):
        return len(claim(db, wanted(server_id, host_id, devices(1))).won)

    assert sum(concurrency.map_parallel(one, ids)) == 3
    assert used(db) == {"pci": ["a", "b", "c"]}

    def swap(server_id):
        with db.write() as tx:
            allocations.release(tx, server_id)
        return len(claim(db, wanted(add_server(db), host_id, devices(1))).won)

    assert sum(concurrency.map_parallel(swap, ids)) == 3
    assert used(db) == {"pci": ["a", "b", "c"]}


STEPS = st.lists(st.tuples(st.sampled_from(["claim", "release", "move", "resize", "keep"]), st.integers(0, 3), st.integers(0, 1), st.integers(0, 2),
                           st.integers(0, 4)), max_size=14)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_whatever_happens_what_is_used_is_the_sum(steps):
    db = Database("sqlite://")
    db.create_all()
    names = ("h", "i")
    ids = {name: add_host(db, name) for name in names}
    servers = [add_server(db) for _ in range(4)]
    for what, which, where, count, gold in steps:
        server_id, name = servers[which], names[where]
        with db.write() as tx:
            at = {row.host_id for row in tx.scalars(sa.select(Allocation).where(Allocation.server_id == server_id))}
            if what == "claim" and not at:
                tx.execute(sa.update(Server).where(Server.id == server_id).values(task_state="scheduling"))
                claims.claim_many(tx, [wanted(server_id, ids[name], devices(count, gold), name)])
            elif what == "release":
                allocations.release(tx, server_id, name)
            elif what == "move" and ids[name] not in at:
                allocations.add(tx, server_id, ids[name], 1, 512, 1, devices(count, gold))
            elif what == "resize":
                allocations.change(tx, server_id, name, 2, 512, 1, wish=devices(count, gold, flavorid="2"))
            elif what == "keep":
                allocations.change(tx, server_id, name, 1, 512, 1, only=str(1 + count % 2))
        for each in names:
            assert used(db, each).get("resources", {}).get("CUSTOM_GOLD", 0) <= 8
    db.close()
