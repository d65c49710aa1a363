"""The manager end to end on a real database: place, refuse in words, exclude, force, race, and count its statements."""
import contextlib

import pytest
import sqlalchemy as sa

from nova_lite import clock, concurrency, exception
from nova_lite.compute import task
from nova_lite.context import RequestContext
from nova_lite.db import hosts
from nova_lite.db.engine import Database
from nova_lite.db.models import Host, Server, ServerFault, Service
from nova_lite.scheduler.core.request import Options
from nova_lite.scheduler.manager import Manager, Settings

CTX = RequestContext()


class Bell:
    """The compute client: notes each ring; ``broken`` raises what a lost broker raises."""

    def __init__(self):
        self.rings = []
        self.broken = False

    def build_server(self, ctx, host, *, server_id, token, alternates=()):
        if self.broken:
            raise exception.RpcUnavailable(reason="gone")
        self.rings.append((host, server_id, token, list(alternates)))


@pytest.fixture
def bell():
    return Bell()


@pytest.fixture
def make(cloud, bell):
    def build(**settings):
        manager = Manager(cloud.db, bell, task.fail, Settings(host="here", **settings))
        manager.start()
        return manager
    return build


def hosts_of(cloud, *server_ids):
    return [cloud.find(server_id).host for server_id in server_ids]


def fault(cloud, server_id):
    with cloud.db.read() as tx:
        return tx.scalars(sa.select(ServerFault).where(ServerFault.server_id == server_id)).one()


def place(manager, *server_ids, token="t"):
    manager.place_servers(CTX, server_ids=list(server_ids), tokens=[token] * len(server_ids))


def test_a_server_gets_the_best_host_and_the_host_is_rung_with_alternates(cloud, bell, make):
    for name, vcpus in (("a", 8), ("b", 32), ("c", 16), ("d", 4)):
        cloud.host(name, vcpus=vcpus)
    server_id = cloud.server()
    place(make(), server_id)
    assert bell.rings == [("b", server_id, "t", ["c", "a"])]
    server = cloud.find(server_id)
    assert (server.host, server.node, server.availability_zone, server.task_state, server.vm_state) == (
        "b", "node-b", "nova", "spawning", "building")
    assert cloud.audit() == []


def test_one_boot_takes_five_statements(cloud, make):
    for name in "abc":
        cloud.host(name)
    manager = make()
    place(manager, cloud.server())
    server_id = cloud.server()
    seen = []
    sa.event.listen(cloud.db.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_rest: seen.append(statement.split()[0]))
    place(manager, server_id)
    assert [word for word in seen if word != "BEGIN"] == ["SELECT", "SELECT", "UPDATE", "UPDATE", "INSERT"]


def test_many_servers_of_one_request_are_spread_and_fill_what_there_is(cloud, bell, make):
    for name in "ab":
        cloud.host(name, memory_mb=512 + 3 * 1024)
    ids = [cloud.server(index=index) for index in range(7)]
    place(make(), *ids)
    assert sorted(ring[0] for ring in bell.rings) == ["a"] * 3 + ["b"] * 3
    assert [ring[0] for ring in bell.rings[:2]] == ["a", "b"]
    lost = cloud.find(ids[6])
    assert (lost.vm_state, lost.task_state, lost.task_id) == ("error", None, None)
    assert fault(cloud, ids[6]).message == "No valid host was found. 2 hosts considered: 2 lack 1024 MB of RAM."
    assert cloud.audit() == []


def test_a_refusal_counts_reasons_in_order_and_names_no_host(cloud, bell, make):
    for name in ("tiny1", "tiny2"):
        cloud.host(name, memory_mb=1024)
    cloud.host("elsewhere", zone="west")
    server_id = cloud.server(request={"availability_zone": "east"})
    place(make(), server_id)
    assert bell.rings == []
    message = fault(cloud, server_id).message
    assert message == ("No valid host was found. 3 hosts considered: 2 lack 1024 MB of RAM, 1 is in another zone. "
                       "Nearest miss: 1 host that otherwise fits is in another zone.")
    assert fault(cloud, server_id).code == 500


def test_zone_default_zone_and_excluded_hosts(cloud, bell, make):
    cloud.host("a", zone="east")
    cloud.host("b", zone="east")
    cloud.host("c", vcpus=64)
    manager = make(default_schedule_zone="east")
    place(manager, cloud.server())
    place(manager, cloud.server(request={"excluded": ["b"]}))
    place(manager, cloud.server(request={"availability_zone": "nova"}))
    assert [ring[0] for ring in bell.rings] == ["a", "a", "c"]


def test_force_skips_the_filters_but_not_room_and_life(cloud, bell, make):
    cloud.host("a", zone="east")
    cloud.host("b")
    cloud.host("small", memory_mb=600)
    manager = make()
    place(manager, cloud.server(request={"availability_zone": "west", "force_host": "b"}))
    place(manager, cloud.server(request={"force_node": "node-a"}))
    place(manager, cloud.server(request={"destination": {"host": "a"}}))
    assert [ring[0] for ring in bell.rings] == ["b", "a", "a"]
    wrong_zone = cloud.server(request={"availability_zone": "nova", "destination": {"host": "a"}})
    full, unknown = cloud.server(request={"force_host": "small"}), cloud.server(request={"force_host": "nowhere"})
    for server_id in (wrong_zone, full, unknown):
        place(manager, server_id)
    assert [fault(cloud, server_id).message for server_id in (wrong_zone, full, unknown)] == [
        "No valid host was found. 1 host considered: 1 is in another zone.",
        "No valid host was found. 1 host considered: 1 lacks 1024 MB of RAM. Nearest miss: 1 host that otherwise fits lacks 936 MB of RAM.",
        "No valid host was found. There is no host to consider."]


def test_attempts_come_to_an_end(cloud, bell, make):
    cloud.host("a")
    spent = cloud.server(request={"excluded": ["x", "y", "z"], "attempts": 3})
    place(make(), spent)
    assert bell.rings == []
    assert fault(cloud, spent).message == "No valid host was found. The build failed on 3 hosts, and at most 3 are tried."


def test_image_properties_choose_the_hypervisor(cloud, bell, make):
    cloud.host("x86")
    cloud.host("arm", supported=(("aarch64", "kvm", "hvm"),))
    manager = make()
    place(manager, cloud.server(image={"properties": {"hw_architecture": "aarch64"}}))
    place(manager, cloud.server(image={"properties": {"architecture": "amd64", "hw_vm_mode": "hvm"}}))
    assert [ring[0] for ring in bell.rings] == ["arm", "x86"]


def test_messages_that_are_late_repeated_or_wrong_do_nothing(cloud, bell, make):
    cloud.host("a")
    manager = make()
    server_id = cloud.server()
    place(manager, server_id, token="older")
    assert bell.rings == []
    place(manager, server_id)
    place(manager, server_id)
    place(manager, "no-such-server")
    place(manager, cloud.server(task_action="delete", task_state="deleting"))
    assert [ring[1] for ring in bell.rings] == [server_id]
    assert cloud.row("a").servers == 1


def test_a_broker_that_is_away_leaves_the_claim(cloud, bell, make):
    cloud.host("a")
    bell.broken = True
    server_id = cloud.server()
    place(make(), server_id)
    assert cloud.find(server_id).task_state == "spawning"
    assert cloud.audit() == []


def test_changes_are_seen_without_a_doorbell(cloud, bell, make):
    cloud.host("a")
    manager = make()
    place(manager, cloud.server())
    cloud.host("b", vcpus=64)
    place(manager, cloud.server())
    with cloud.db.write() as tx:
        hosts.set_service(tx, hosts.COMPUTE, "b", disabled=True, reason="repair")
    place(manager, cloud.server())
    assert [ring[0] for ring in bell.rings] == ["a", "b", "a"]
    with cloud.db.write() as tx:
        hosts.set_service(tx, hosts.COMPUTE, "a", forced_down=True)
    refused = cloud.server()
    place(manager, refused)
    assert "2 are disabled or down" in fault(cloud, refused).message


def test_builds_that_ended_are_seen_though_nothing_tells_of_them(cloud, bell, make):
    """The least of builds under way decides here, and once there is no room by that rule, what holds now is read before anybody is refused."""
    for name in "ab":
        cloud.host(name)
    filters = [*Options().enabled_filters, "IoOpsFilter"]
    manager = make(options=Options(enabled_filters=tuple(filters), max_io_ops_per_host=1))
    first, second, third, fourth = (cloud.server() for _ in range(4))
    place(manager, first)
    place(manager, second)
    assert sorted(hosts_of(cloud, first, second)) == ["a", "b"]
    with cloud.db.write() as tx:
        tx.execute(sa.update(Server).where(Server.id == first).values(task_id=None, task_action=None, task_state=None, task_deadline=None))
    place(manager, third)
    assert hosts_of(cloud, third) == hosts_of(cloud, first)
    place(manager, fourth)
    assert "2 have too many builds" in fault(cloud, fourth).message


def test_a_silent_host_drops_out_and_comes_back_when_heard(cloud, bell, make):
    cloud.host("a")
    with cloud.db.write() as tx:
        tx.execute(sa.update(Service).values(last_seen_at=clock.now() - clock.seconds(61)))
    manager = make(hear_interval=0.0)
    silent = cloud.server()
    place(manager, silent)
    assert "1 is disabled or down" in fault(cloud, silent).message
    with cloud.db.write() as tx:
        assert hosts.report(tx, hosts.COMPUTE, "a", 1)
    # Nobody told the scheduler: before it refuses it listens itself.
    place(manager, cloud.server())
    assert [ring[0] for ring in bell.rings] == ["a"]


def test_removed_hosts_and_lost_changes_are_found_by_the_tick(cloud, bell, make):
    cloud.host("a", vcpus=64)
    cloud.host("b")
    manager = make(hear_interval=0.0, refresh_interval=0.0)
    with cloud.db.write() as tx:
        tx.execute(sa.delete(Host).where(Host.name == "a"))
        # As a writer whose clock stands still: only the version tells.
        tx.execute(sa.update(Host).where(Host.name == "b").values(vcpus=2, version=Host.version + 1,
                                                                  changed_at=clock.now() - clock.seconds(3600)))
    manager.tick()
    fits, too_large = cloud.server(vcpus=2), cloud.server(vcpus=3)
    place(manager, fits)
    place(manager, too_large)
    assert [ring[0] for ring in bell.rings] == ["b"]
    assert fault(cloud, too_large).message.endswith("1 host considered: 1 lacks 3 vCPUs. Nearest miss: 1 host that otherwise fits lacks 1 vCPU.")


def test_a_doorbell_makes_a_host_be_read_again(cloud, bell, make):
    cloud.host("a", vcpus=64)
    cloud.host("b")
    manager = make()
    with cloud.db.write() as tx:
        tx.execute(sa.delete(Host).where(Host.name == "a"))
    manager.hosts_changed(CTX, names=["a"])
    place(manager, cloud.server())
    assert [ring[0] for ring in bell.rings] == ["b"]


def test_schedulers_that_race_never_overcommit(cloud, bell, make):
    for name in "abcd":
        cloud.host(name, memory_mb=512 + 2 * 1024)
    managers = [make() for _ in range(4)]
    ids = [cloud.server() for _ in range(12)]
    concurrency.map_parallel(lambda pair: place(managers[pair[0] % 4], pair[1]), list(enumerate(ids)))
    states = [cloud.find(server_id).vm_state for server_id in ids]
    assert (states.count("building"), states.count("error")) == (8, 4)
    assert sorted(ring[0] for ring in bell.rings) == ["a", "a", "b", "b", "c", "c", "d", "d"]
    assert cloud.audit() == []


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


def test_a_lost_claim_is_selected_for_again(cloud, bell, make):
    cloud.host("a", vcpus=64)
    cloud.host("b")
    db = Interrupted(str(cloud.db.url))
    late, other = Manager(db, bell, task.fail, Settings(host="here")), make()
    late.start()
    first, second = cloud.server(memory_mb=8192), cloud.server(memory_mb=8192)
    db.meanwhile = lambda: place(other, first)
    place(late, second)
    assert [ring[:2] for ring in bell.rings] == [("a", first), ("b", second)]
    assert cloud.audit() == []
    db.close()


def test_a_failed_transaction_leaves_no_trace_in_memory(cloud, bell):
    cloud.host("a", memory_mb=512 + 1024)
    broken = [True]

    def fail(tx, server, token, error, **details):
        if broken[0]:
            raise exception.DatabaseUnavailable()
        task.fail(tx, server, token, error, **details)

    manager = Manager(cloud.db, bell, fail, Settings(host="here"))
    manager.start()
    ids = [cloud.server(index=index) for index in range(2)]
    with pytest.raises(exception.DatabaseUnavailable):
        place(manager, *ids)
    assert cloud.row("a").servers == 0
    broken[0] = False
    place(manager, *ids)
    assert [ring[1] for ring in bell.rings] == ids[:1]
    assert cloud.find(ids[1]).vm_state == "error"


def test_unknown_filters_are_refused_at_the_start_with_those_that_exist(cloud, bell):
    with pytest.raises(ValueError, match=r"no filter 'RamFilte'.*AvailabilityZoneFilter, ComputeCapabilitiesFilter, ComputeFilter"):
        Manager(cloud.db, bell, task.fail, Settings(host="here", options=Options(enabled_filters=("RamFilte",))))
    with pytest.raises(ValueError, match="no weigher for ramm_weight_multiplier"):
        Manager(cloud.db, bell, task.fail, Settings(host="here", options=Options(multipliers={"ramm_weight_multiplier": 1.0})))


def test_ping_answers_the_host(make):
    assert make().ping(CTX) == "here"


def test_different_and_same_host_hints_follow_the_named_server(cloud, bell, make):
    for name in "ab":
        cloud.host(name)
    filters = ("ComputeFilter", "DifferentHostFilter", "SameHostFilter")
    manager = make(options=Options(enabled_filters=filters))
    first = cloud.server()
    place(manager, first)
    place(manager, cloud.server(request={"hints": {"same_host": [first]}}))
    place(manager, cloud.server(request={"hints": {"different_host": first}}))
    assert [ring[0] for ring in bell.rings] == ["a", "a", "b"]
