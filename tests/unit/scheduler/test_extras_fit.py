"""The exact rule of what fits on a host besides room: resources, devices and cells together, again and again until it is full."""
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_lite.db.extras import held, total
from nova_lite.numa.cells import HostCell
from nova_lite.pci import aliases
from nova_lite.scheduler.core.extras import Need, fit
from nova_lite.scheduler.core.holdings import plus
from nova_lite.scheduler.core.request import Options, Request

OPTIONS = Options(pci_aliases=aliases.read(json.dumps({"name": name, "vendor_id": "8086", "product_id": "0443", "numa_policy": policy})
                                           for name, policy in (("near", "required"), ("any", "preferred"))))
CELLS = {"cells": [HostCell(0, (), (0, 1), ((0,), (1,)), 1024, {}, 0).as_json(), HostCell(1, (), (2, 3), ((2,), (3,)), 1024, {}, 1).as_json()],
         "vcpu_ratio": 1.0, "memory_ratio": 1.0}


def device(address, node, **more):
    return {"address": address, "vendor_id": "8086", "product_id": "0443", "dev_type": "type-PCI", "numa_node": node, **more}


def need(properties=None, **specs):
    flavor = {"flavorid": "7", "vcpus": 1, "memory_mb": 256, "root_gb": 1, "ephemeral_gb": 0, "swap": 0, "extra_specs": {
        name.replace("__", ":"): value for name, value in specs.items()}}
    return Request.of(flavor, {"properties": properties or {}}, None, options=OPTIONS).extras


def test_most_flavors_need_nothing():
    assert need() is None
    assert need(quota__cpu_shares="10", resources__VCPU="0", resources__CUSTOM_A="0", trait__CUSTOM_B="required") is None
    assert need(resources__CUSTOM_A="2", resources1__CUSTOM_A="1", resources2__CUSTOM_B="1", resources__CUSTOM_C="many") == Need(
        "7", (("CUSTOM_A", 3), ("CUSTOM_B", 1)))


@pytest.mark.parametrize(("alias", "cell"), [("near:1", 1), ("near:2", None), ("any:2", 0)])
def test_a_guest_lies_where_its_devices_are(alias, cell):
    has = {"numa": CELLS, "pci": [device("x", 1), device("y", 0)]}
    asked = need(pci_passthrough__alias=alias, hw__cpu_policy="dedicated")
    found = fit(has, {"pci": ["y"]} if alias == "near:1" else {}, asked)
    if cell is None:
        assert found is None
    else:
        assert [each["host"] for each in found["guest"]["numa"]["cells"]] == [cell]
        assert set(found["numa"]) == {str(cell)}


def test_a_device_that_is_not_the_hypervisors_to_manage_is_told_so():
    asked = need(pci_passthrough__alias="any:1")
    assert fit({"pci": [device("x", 0, managed="false")]}, {}, asked)["guest"]["pci"] == [{"address": "x", "alias": "any", "managed": False}]


FACTS = st.fixed_dictionaries({}, optional={
    "resources": st.dictionaries(st.sampled_from(["CUSTOM_A", "CUSTOM_B"]), st.fixed_dictionaries({"total": st.integers(1, 7)}), min_size=1),
    "pci": st.lists(st.integers(0, 1), max_size=5).map(lambda nodes: [device(str(number), node) for number, node in enumerate(nodes)]),
    "numa": st.just(CELLS)})
NEEDS = st.fixed_dictionaries({}, optional={
    "resources__CUSTOM_A": st.sampled_from(["1", "2"]), "resources__CUSTOM_B": st.just("1"), "hw__cpu_policy": st.just("dedicated"),
    "pci_passthrough__alias": st.sampled_from(["near:1", "any:2", "near:1,any:1"])})


@settings(max_examples=120, deadline=None)
@given(FACTS, st.lists(NEEDS, min_size=1, max_size=3))
def test_a_host_fills_up_and_never_promises_anything_twice(has, flavors):
    wanted = [each for each in (need(**specs) for specs in flavors) if each is not None]
    used, holds = {}, []
    while len(holds) < 30:
        found = next((hold for hold in (fit(has, used, each) for each in wanted) if hold is not None), None)
        if found is None:
            break
        holds.append(found)
        # What the table adds up in memory is what the database adds up of allocations.
        used = plus(used, {kind: value for kind, value in found.items() if kind != "guest"})
        assert used == total(held({"7": hold}) for hold in holds)
    assert len(holds) < 30
    for name, amount in used.get("resources", {}).items():
        assert amount <= has["resources"][name]["total"]
    devices = used.get("pci", [])
    assert len(set(devices)) == len(devices) and set(devices) <= {each["address"] for each in has.get("pci", ())}
    cpus = [cpu for cell in used.get("numa", {}).values() for cpu in cell.get("dedicated", ())]
    assert len(set(cpus)) == len(cpus) <= 4
