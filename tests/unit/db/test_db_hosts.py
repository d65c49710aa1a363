"""Services, inventories, change marks and zones; claims and releases stay exact. On SQLite, PostgreSQL and MariaDB."""
import datetime
import uuid

import pytest
import sqlalchemy as sa

from nova_lite import clock, concurrency
from nova_lite.db import allocations, claims, hosts
from nova_lite.db.engine import Database
from nova_lite.db.models import Aggregate, AggregateHost, Allocation, Host, Server

INVENTORY = {
    "hypervisor_hostname": "node-a", "hypervisor_type": "QEMU", "hypervisor_version": 7002000, "host_ip": "10.0.0.1", "vcpus": 8,
    "memory_mb": 8192, "disk_gb": 100, "disk_available_gb": 90, "vcpus_reserved": 0, "memory_mb_reserved": 512, "disk_gb_reserved": 0,
    "vcpu_ratio": 2.0, "memory_ratio": 1.0, "disk_ratio": 1.0, "cpu_info": {"arch": "x86_64"}, "supported": (("x86_64", "kvm", "hvm"),),
    "traits": ("HW_CPU_X86_VMX",),
}


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def db(request, tmp_path):
    url = f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else request.getfixturevalue(request.param).fresh_database()
    database = Database(url)
    database.create_all()
    yield database
    database.close()


def add_host(db, name="a", **values):
    with db.write() as tx:
        epoch = hosts.start_service(tx, hosts.COMPUTE, name)
        assert hosts.put_inventory(tx, name, epoch, **{**INVENTORY, "hypervisor_hostname": f"node-{name}", **values})
    return epoch


def add_server(db, token="t", task_state="scheduling", **values):
    server_id = str(uuid.uuid4())
    with db.write() as tx:
        tx.add(Server(**{
            "id": server_id, "project_id": "p", "user_id": "u", "reservation_id": "r-1", "name": "s", "hostname": "s", "changed_at": clock.now(),
            "vm_state": "building", "task_state": task_state, "task_action": "create", "task_id": token, "flavorid": "1",
            "flavor": {"vcpus": 1, "memory_mb": 512, "root_gb": 1}, **values}))
    return server_id


def host_row(db, name="a"):
    with db.read() as tx:
        return tx.scalars(sa.select(Host).where(Host.name == name)).one()


def audit(db):
    with db.read() as tx:
        return allocations.audit(tx)


def test_each_start_takes_a_new_epoch_and_fences_the_old_one(db):
    first = add_host(db)
    second = add_host(db)
    assert second == first + 1 == 2
    with db.write() as tx:
        assert not hosts.report(tx, hosts.COMPUTE, "a", first)
        assert hosts.report(tx, hosts.COMPUTE, "a", second)
        assert not hosts.put_inventory(tx, "a", first, **{**INVENTORY, "vcpus": 1})
        assert not hosts.report(tx, hosts.COMPUTE, "nobody", 1)
    assert host_row(db).vcpus == 8
    assert host_row(db).epoch == second


def test_a_new_host_is_read_back_as_reported(db):
    add_host(db)
    row = host_row(db)
    assert {name: getattr(row, name) for name in INVENTORY} == {
        **INVENTORY, "hypervisor_hostname": "node-a", "supported": [["x86_64", "kvm", "hvm"]], "traits": ["HW_CPU_X86_VMX"]}


def test_an_unchanged_inventory_is_no_change(db):
    epoch = add_host(db)
    before = host_row(db)
    with db.write() as tx:
        assert hosts.put_inventory(tx, "a", epoch, **INVENTORY)
    assert (host_row(db).version, host_row(db).changed_at) == (before.version, before.changed_at)
    with db.write() as tx:
        assert hosts.put_inventory(tx, "a", epoch, memory_mb=4096)
    assert host_row(db).memory_mb == 4096
    assert host_row(db).version == before.version + 1
    assert host_row(db).changed_at >= before.changed_at
    with db.write() as tx, pytest.raises(TypeError, match="colour"):
        hosts.put_inventory(tx, "a", epoch, colour="red")


def test_a_service_is_up_while_it_is_heard(db):
    add_host(db)
    with db.read() as tx:
        service = hosts.services(tx, host="a")[0]
        seen = service.last_seen_at
        assert abs(seen - clock.now()) < datetime.timedelta(minutes=1)
        assert hosts.is_up(service, seen + clock.seconds(60), 60)
        assert not hosts.is_up(service, seen + clock.seconds(60.001), 60)
        assert hosts.is_host_up(tx, "a", seen, 60)
        assert not hosts.is_host_up(tx, "b", seen, 60)
    with db.write() as tx:
        assert hosts.set_service(tx, hosts.COMPUTE, "a", forced_down=True)
        assert not hosts.set_service(tx, hosts.COMPUTE, "b", forced_down=True)
        assert not hosts.is_host_up(tx, "a", seen, 60)


def test_services_are_found_by_each_key_and_disabled_with_a_reason(db):
    add_host(db)
    with db.write() as tx:
        hosts.start_service(tx, "nova-scheduler", "a", address="10.0.0.9")
        hosts.set_service(tx, hosts.COMPUTE, "a", disabled=True, reason="broken fan")
    with db.read() as tx:
        compute, scheduler = hosts.services(tx)
        assert (compute.binary, compute.disabled, compute.disabled_reason) == (hosts.COMPUTE, True, "broken fan")
        assert (scheduler.binary, scheduler.address, scheduler.disabled) == ("nova-scheduler", "10.0.0.9", False)
        assert [row.id for row in hosts.services(tx, binary="nova-scheduler")] == [scheduler.id]
        assert [row.id for row in hosts.services(tx, service_id=compute.uuid)] == [compute.id]
        assert [row.id for row in hosts.services(tx, service_id=compute.id)] == [compute.id]
    with db.write() as tx:
        hosts.set_service(tx, hosts.COMPUTE, "a", disabled=False)
    with db.read() as tx:
        assert hosts.services(tx)[0].disabled_reason is None


def test_deleting_a_service_keeps_a_host_that_holds_servers(db):
    for name in "ab":
        add_host(db, name)
    server_id = add_server(db)
    with db.write() as tx:
        assert claims.claim(tx, server_id, "t", "b", 1, 512, 1, zone="nova")
        for service in hosts.services(tx):
            hosts.delete_service(tx, service.id)
    with db.read() as tx:
        assert [name for name, _version in hosts.host_versions(tx)] == ["b"]
        assert hosts.hypervisors(tx)[0][1] is None


def test_hypervisors_are_found_and_paged(db):
    for name in "abc":
        add_host(db, name)
    with db.read() as tx:
        every = hosts.hypervisors(tx)
        assert [(host.name, service.host) for host, service in every] == [("a", "a"), ("b", "b"), ("c", "c")]
        assert [host.name for host, _ in hosts.hypervisors(tx, limit=1, after=every[0][0].id)] == ["b"]
        assert [host.name for host, _ in hosts.hypervisors(tx, name="c")] == ["c"]
        assert [host.name for host, _ in hosts.hypervisors(tx, pattern="de-b")] == ["b"]
        assert hosts.hypervisors(tx, pattern="%") == []
        assert [host.name for host, _ in hosts.hypervisors(tx, hypervisor_id=every[1][0].uuid)] == ["b"]
        assert [host.name for host, _ in hosts.hypervisors(tx, hypervisor_id=every[2][0].id)] == ["c"]


def test_only_what_changed_since_the_mark_is_read(db):
    for name in "abc":
        add_host(db, name)
    with db.read() as tx:
        found = hosts.scheduled_hosts(tx)
        assert [row.name for row in found] == ["a", "b", "c"]
        assert found[0].supported == '[["x86_64","kvm","hvm"]]'
        mark = max(row.changed_at for row in found)
    concurrency.sleep(0.005)
    with db.write() as tx:
        hosts.touch(tx, ["b"])
    with db.read() as tx:
        later = mark + datetime.timedelta(milliseconds=1)
        usage = hosts.changed_usage(tx, later)
        assert [(row.name, row.facts_version - found[1].facts_version) for row in usage] == [("b", 1)]
        assert sorted(row.name for row in hosts.changed_usage(tx, later, ["c", "gone"])) == ["b", "c"]
        assert [row.name for row in hosts.scheduled_hosts(tx, ["c", "gone"])] == ["c"]


def test_heartbeats_are_read_since_a_mark_and_change_no_host(db):
    epochs = {name: add_host(db, name) for name in "ab"}
    with db.read() as tx:
        seen = hosts.heard_since(tx, None)
        versions = hosts.host_versions(tx)
        assert {row[0] for row in seen} == {"a", "b"}
        mark = max(row[1] for row in seen)
    concurrency.sleep(0.005)
    with db.write() as tx:
        hosts.report(tx, hosts.COMPUTE, "b", epochs["b"])
    with db.read() as tx:
        assert [row[0] for row in hosts.heard_since(tx, mark + datetime.timedelta(milliseconds=1))] == ["b"]
        assert hosts.host_versions(tx) == versions


def add_aggregate(db, name, zone, members, **meta):
    with db.write() as tx:
        tx.add(Aggregate(uuid=str(uuid.uuid4()), name=name, availability_zone=zone, meta=meta, hosts=[AggregateHost(host=each) for each in members]))


def test_zones_come_from_aggregates(db):
    for name in "abc":
        add_host(db, name)
    add_aggregate(db, "fast", None, ["a", "c"], ssd="true")
    add_aggregate(db, "east", "east", ["a"])
    with db.read() as tx:
        assert hosts.zone_of_hosts(tx, "nova") == {"a": "east", "b": "nova", "c": "nova"}
        rows = [(row.name, row.aggregate_id) for row in hosts.scheduled_hosts(tx)]
        fast, east = (row[0] for row in hosts.aggregates(tx))
        assert sorted(rows, key=str) == sorted([("a", fast), ("a", east), ("b", None), ("c", fast)], key=str)


def test_a_claim_takes_room_and_hands_the_server_over(db):
    add_host(db)
    server_id = add_server(db)
    before = host_row(db)
    with db.write() as tx:
        assert claims.claim(tx, server_id, "t", "a", 3, 1024, 10, zone="east")
    row = host_row(db)
    assert (row.vcpus_used, row.memory_mb_used, row.disk_gb_used, row.servers) == (3, 1024, 10, 1)
    assert row.version == before.version + 1
    with db.read() as tx:
        server = tx.get(Server, server_id)
        assert (server.host, server.node, server.availability_zone, server.task_state) == ("a", "node-a", "east", "spawning")
        held = tx.scalars(sa.select(Allocation)).one()
        assert (held.server_id, held.host_id, held.vcpus, held.memory_mb, held.disk_gb) == (server_id, row.id, 3, 1024, 10)
    assert audit(db) == []


@pytest.mark.parametrize(("amounts", "fits"), [
    ((8, 7680, 100), True), ((9, 1, 1), False), ((1, 7681, 1), False), ((1, 1, 101), False), ((1, 8192, 1), False)])
def test_a_claim_must_fit_ratio_reserve_and_size(db, amounts, fits):
    add_host(db)
    server_id = add_server(db)
    with db.write() as tx:
        assert claims.claim(tx, server_id, "t", "a", *amounts, zone="nova") is fits
    assert host_row(db).servers == int(fits)
    assert audit(db) == []


def test_the_ratio_counts_in_sum(db):
    add_host(db)
    answers = []
    for _turn in range(3):
        server_id = add_server(db)
        with db.write() as tx:
            answers.append(claims.claim(tx, server_id, "t", "a", 8, 1, 1, zone="nova"))
    assert answers == [True, True, False]
    assert host_row(db).vcpus_used == 16


@pytest.mark.parametrize("change", [{"token": "other"}, {"task_state": "spawning"}, {"deleted": True}])
def test_a_claim_for_a_server_that_no_longer_waits_leaves_nothing(db, change):
    add_host(db)
    server_id = add_server(db, **change)
    with db.write() as tx:
        assert not claims.claim(tx, server_id, "t", "a", 1, 512, 1, zone="nova")
        assert not claims.claim(tx, server_id, "t", "nowhere", 1, 512, 1, zone="nova")
    assert (host_row(db).servers, host_row(db).memory_mb_used) == (0, 0)
    assert audit(db) == []


def claims_for(db, server_ids, name="a", token="t"):
    row = host_row(db, name)
    return [claims.Claim(server_id, token, row.id, name, "node", "nova", 1, 2048, 1) for server_id in server_ids]


def test_of_many_claims_those_that_fit_win_and_the_rest_lose(db):
    add_host(db, "a")
    add_host(db, "b")
    ids = [add_server(db) for _ in range(6)]
    stale = add_server(db, token="another")
    with db.write() as tx:
        outcome = claims.claim_many(tx, claims_for(db, ids[:5], "a") + claims_for(db, [ids[5], stale], "b"))
    assert len(outcome.won) == 4
    assert len(outcome.lost) == 2
    assert [claim.server_id for claim in outcome.stale] == [stale]
    assert host_row(db, "a").memory_mb_used == 6144
    assert host_row(db, "b").memory_mb_used == 2048
    assert audit(db) == []


def test_many_claims_take_few_statements(db):
    add_host(db)
    ids = [add_server(db) for _ in range(3)]
    wanted = claims_for(db, ids)
    with db.write() as tx:
        before = db.statements
        assert len(claims.claim_many(tx, wanted).won) == 3
        assert db.statements - before <= 4
    before = db.statements


def test_room_is_given_back_once(db):
    add_host(db, "a")
    add_host(db, "b")
    server_id, other = add_server(db), add_server(db)
    with db.write() as tx:
        claims.claim(tx, server_id, "t", "a", 1, 512, 1, zone="nova")
        claims.claim(tx, other, "t", "a", 2, 1024, 2, zone="nova")
        row = tx.scalars(sa.select(Host).where(Host.name == "b")).one()
        assert allocations.take(tx, row.id, 1, 512, 1)
        tx.add(Allocation(server_id=server_id, host_id=row.id, vcpus=1, memory_mb=512, disk_gb=1))
    assert audit(db) == []
    with db.write() as tx:
        assert allocations.release(tx, server_id, "a") == ["a"]
        assert allocations.release(tx, server_id, "a") == []
    assert host_row(db, "a").memory_mb_used == 1024
    with db.write() as tx:
        assert allocations.release(tx, server_id) == ["b"]
        assert allocations.release(tx, "unknown") == []
    assert host_row(db, "b").memory_mb_used == 0
    assert audit(db) == []


def test_failures_in_a_row_are_counted(db):
    add_host(db)
    for _ in range(2):
        with db.write() as tx:
            allocations.note_failure(tx, "a")
    assert host_row(db).build_failures == 2
    with db.write() as tx:
        allocations.forget_failures(tx, "a")
    assert host_row(db).build_failures == 0


def test_builds_under_way_are_counted_where_they_are(db):
    """Until they end, whoever ends them: on their hosts, not where they only wait for one, nor past their deadline."""
    add_host(db, "a")
    add_host(db, "b")
    ids = [add_server(db) for _ in range(4)]
    with db.write() as tx:
        for server_id in ids[:3]:
            assert claims.claim(tx, server_id, "t", "a", 1, 512, 1, zone="nova")
    long_ago = clock.now() - clock.seconds(3600)

    def count(names=()):
        with db.read() as tx:
            before = db.statements
            rows, builds = hosts.changed_usage_and_builds(tx, long_ago, names)
            assert db.statements - before == 1 and {row.name for row in rows} == {"a", "b"}
            assert [(host.name, host.builds) for host, _ in hosts.hypervisors(tx)] == [(name, builds[name]) for name in ("a", "b")]
        return builds
    with db.write() as tx:
        tx.execute(sa.update(Server).values(task_deadline=clock.now() + clock.seconds(60)))
    assert count() == count(["a"]) == {"a": 3}
    with db.write() as tx:
        tx.execute(sa.update(Server).where(Server.id == ids[0]).values(task_action=None, task_deadline=None))
        tx.execute(sa.update(Server).where(Server.id == ids[1]).values(task_action="delete"))
    assert count() == {"a": 1}
    with db.read() as tx:
        assert hosts.changed_usage_and_builds(tx, clock.now() + clock.seconds(120))[1] == {}


def test_the_audit_finds_what_does_not_add_up(db):
    add_host(db)
    server_id = add_server(db)
    with db.write() as tx:
        claims.claim(tx, server_id, "t", "a", 1, 512, 1, zone="nova")
        tx.execute(sa.update(Host).values(memory_mb_used=5))
    assert audit(db) == [{"host": "a", "column": "memory_mb_used", "used": 5, "sum": 512}]


def test_claims_from_many_sides_never_exceed_the_host(db):
    add_host(db)
    ids = [add_server(db) for _ in range(12)]
    wanted = {claim.server_id: claim for claim in claims_for(db, ids)}

    def claim(server_id):
        with db.write() as tx:
            return len(claims.claim_many(tx, [wanted[server_id]]).won)

    assert sum(concurrency.map_parallel(claim, ids)) == 3
    assert host_row(db).memory_mb_used == 6144
    assert audit(db) == []
