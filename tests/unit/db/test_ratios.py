"""Allocation ratios of aggregates: the least holds, claims obey it, and the host's own returns with the last aggregate that said one."""
import types
import uuid

import pytest

from nova_lite import exception
from nova_lite.compute.actions import aggregates
from nova_lite.context import RequestContext
from nova_lite.db import allocations, hosts
from nova_lite.db.engine import Database
from nova_lite.db.models import Host, Server

CTX = RequestContext.for_service()


@pytest.fixture
def site(tmp_path):
    db = Database(f"sqlite:///{tmp_path}/state.db")
    db.create_all()
    told = []
    yield types.SimpleNamespace(db=db, told=told, scheduler=types.SimpleNamespace(hosts_changed=lambda ctx, names: told.append(names)))
    db.close()


def report(site, **values) -> None:
    with site.db.write() as tx:
        epoch = hosts.start_service(tx, hosts.COMPUTE, "a")
        hosts.put_inventory(tx, "a", epoch, **{
            "hypervisor_hostname": "node-a", "hypervisor_type": "QEMU", "vcpus": 4, "memory_mb": 4096, "disk_gb": 100, "vcpu_ratio": 2.0,
            "memory_ratio": 1.0, "disk_ratio": 1.0, **values})


def row(site) -> Host:
    with site.db.read() as tx:
        return hosts.get(tx, "a")


def aggregate(site, name: str, **metadata) -> int:
    made = aggregates.create(site, name, None)
    aggregates.set_metadata(site, CTX, made.id, metadata)
    aggregates.add_host(site, CTX, made.id, "a")
    return made.id


def test_the_least_ratio_of_its_aggregates_holds_and_the_hosts_own_returns(site):
    report(site)
    first = aggregate(site, "first", cpu_allocation_ratio="16", ram_allocation_ratio="1.5")
    second = aggregate(site, "second", cpu_allocation_ratio="8.0")
    before = row(site)
    assert (before.vcpu_ratio, before.memory_ratio, before.disk_ratio) == (8.0, 1.5, 1.0)
    report(site, vcpu_ratio=3.0)
    assert (row(site).vcpu_ratio, row(site).own_ratios["vcpu_ratio"]) == (8.0, 3.0)
    aggregates.set_metadata(site, CTX, second, {"cpu_allocation_ratio": "4"})
    changed = row(site)
    assert changed.vcpu_ratio == 4.0 and changed.facts_version > before.facts_version
    aggregates.remove_host(site, CTX, second, "a")
    assert row(site).vcpu_ratio == 16.0
    aggregates.set_metadata(site, CTX, first, {"cpu_allocation_ratio": None})
    assert (row(site).vcpu_ratio, row(site).memory_ratio) == (3.0, 1.5)
    aggregates.remove_host(site, CTX, first, "a")
    assert row(site).memory_ratio == 1.0


def test_a_claim_obeys_the_aggregates_ratio(site):
    report(site)
    aggregate(site, "dense", ram_allocation_ratio="2")
    with site.db.write() as tx:
        host_id = hosts.get(tx, "a").id
        outcomes = []
        for _turn in range(3):
            server_id = str(uuid.uuid4())
            tx.add(Server(id=server_id, project_id="p", user_id="u", reservation_id="r", name="s", hostname="s", vm_state="active",
                          flavorid="1", flavor={}, changed_at=hosts.get(tx, "a").created_at))
            tx.flush()
            outcomes.append(allocations.add(tx, server_id, host_id, 1, 4096, 1))
    assert outcomes == [True, True, False]


@pytest.mark.parametrize("value", ["much", "0", "-1", "nan", "inf"])
def test_a_ratio_that_is_none_is_refused_and_named(site, value):
    report(site)
    made = aggregates.create(site, "odd", None)
    with pytest.raises(exception.Invalid, match="disk_allocation_ratio"):
        aggregates.set_metadata(site, CTX, made.id, {"disk_allocation_ratio": value})
