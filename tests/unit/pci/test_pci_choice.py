"""What flavors ask for, and which devices they get: exactly as many as there are, none twice."""
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_lite import exception
from nova_lite.pci.aliases import Ask, asks, check, read
from nova_lite.pci.choice import choose, free
from nova_lite.pci.devices import PCI, PF, VF

FEW = settings(max_examples=150, deadline=None)


def device(address, product="0443", dev_type=PCI, **more):
    return {"address": address, "vendor_id": "8086", "product_id": product, "dev_type": dev_type, **more}


def ask(count, *products, policy="legacy", dev_type=None):
    specs = tuple((("dev_type", dev_type), ("product_id", product)) if dev_type else (("product_id", product),) for product in products)
    return Ask("a", count, specs, policy)


def chosen(*args, **kwargs):
    found = choose(*args, **kwargs)
    return None if found is None else [each["address"] for each in found]


def test_aliases_are_read_and_asked_for():
    aliases = read(['{"name": " a1 ", "vendor_id": "8086", "product_id": "0443", "device_type": "type-PCI"}',
                    '{"name": "a1", "vendor_id": "8086", "product_id": "0444", "device_type": "type-PCI"}',
                    '{"name": "b", "resource_class": "fpga", "numa_policy": "required", "live_migratable": "no"}'])
    one, other = asks({"pci_passthrough:alias": "a1:2, b:1"}, {}, aliases)
    assert (one.alias, one.count, one.policy, len(one.specs)) == ("a1", 2, "legacy", 2)
    assert (other.count, other.policy, dict(other.specs[0])) == (1, "required", {"resource_class": "fpga", "live_migratable": "false"})
    assert asks({}, {}, aliases) == ()
    assert asks({"pci_passthrough:alias": "b:1"}, {"hw_pci_numa_affinity_policy": "socket"}, aliases)[0].policy == "socket"
    check({"pci_passthrough:alias": "a1:2,b:1", "hw:pci_numa_affinity_policy": "socket"}, {}, aliases)


@pytest.mark.parametrize(("specs", "properties", "words"), [
    ({"pci_passthrough:alias": "a1:1,gpu:2"}, {}, "PCI alias gpu is not defined"),
    ({"pci_passthrough:alias": "a1"}, {}, None),
    ({"hw:pci_numa_affinity_policy": "near"}, {}, "Invalid PCI NUMA affinity configured: near"),
    ({"hw:pci_numa_affinity_policy": "socket"}, {"hw_pci_numa_affinity_policy": "legacy"}, "not permitted to override")])
def test_what_a_flavor_may_not_ask_for_is_refused(specs, properties, words):
    aliases = read(['{"name": "a1", "vendor_id": "8086", "product_id": "0443"}'])
    if words is None:
        check(specs, properties, aliases)
        assert choose([device("d")], (), asks(specs, properties, aliases)) is None
        return
    with pytest.raises(exception.Invalid, match=words):
        check(specs, properties, aliases)
    if "gpu" in words:
        assert choose([device("d")], (), asks(specs, properties, aliases)) is None


@pytest.mark.parametrize(("texts", "words"), [
    (["{"], "Invalid PCI alias definition"), (["[]"], "object of strings"), (['{"name": "a", "colour": "red"}'], "colour"),
    (['{"vendor_id": "8086", "product_id": "1"}'], "name"), (['{"name": "a"}'], "a does not have vendor_id and product_id"),
    (['{"name": "a", "vendor_id": "8086", "product_id": "12"}'], "does not match"),
    (['{"name": "a", "vendor_id": "8086", "product_id": "0443", "device_type": "vdpa"}'], "type-PF"),
    (['{"name": "a", "vendor_id": "8086", "product_id": "0443", "numa_policy": "x"}'], "required, legacy"),
    (['{"name": "a", "resource_class": "x", "live_migratable": "x"}'], "neither true nor false"),
    (['{"name": "a", "resource_class": "x"}', '{"name": "a", "resource_class": "x", "numa_policy": "required"}'], "NUMA policy mismatch"),
    (['{"name": "a", "resource_class": "x"}', '{"name": "a", "resource_class": "x", "device_type": "type-PF"}'], "Device type mismatch")])
def test_what_is_no_alias_is_refused(texts, words):
    with pytest.raises(exception.ConfigurationError, match=words):
        read(texts)


def test_a_physical_function_and_its_virtual_ones_exclude_each_other():
    card = [device("pf", "1521", PF), device("v1", "1520", VF, parent="pf"), device("v2", "1520", VF, parent="pf")]
    assert [each["address"] for each in free(card, {"v1"})] == ["v2"]
    assert free(card, {"pf"}) == []
    # Unless it is asked for as one, a physical function is nobody's.
    assert chosen(card, (), [ask(1, "1521")]) is None
    assert chosen(card, (), [ask(1, "1521", dev_type=PF)]) == ["pf"]
    assert chosen(card, {"v2"}, [ask(1, "1521", dev_type=PF)]) is None
    assert chosen(card, (), [ask(1, "1520"), ask(1, "1521", dev_type=PF)]) is None
    more = [*card, device("qf", "1521", PF), device("w1", "1520", VF, parent="qf")]
    # Cards of which a part is used already come first.
    assert chosen(more, {"v2"}, [ask(1, "1520")]) == ["v1"]
    assert chosen(more, {"v2"}, [ask(1, "1520"), ask(1, "1521", dev_type=PF)]) == ["v1", "qf"]


def test_numa_policies():
    devices = [device("here", numa_node=0), device("there", numa_node=1), device("far", numa_node=2), device("anywhere")]
    def options(policy, count=1, **how):
        return chosen(devices, (), [ask(count, "0443", policy=policy)], {0}, **how)
    assert options("required") == ["here"]
    assert options("required", 2) is None
    assert options("legacy", 2) == ["here", "anywhere"]
    assert options("legacy", 3) is None
    assert sorted(options("preferred", 4)) == ["anywhere", "far", "here", "there"]
    assert options("preferred") == ["here"]
    assert options("socket", 2) is None
    assert options("socket", 2, sockets={0: 0, 1: 0, 2: 1}) == ["here", "there"]
    assert options("socket", 3, sockets={0: 0, 1: 0, 2: 1}) is None
    assert len(chosen(devices, (), [ask(4, "0443", policy="required")])) == 4


def test_tags_classes_and_traits():
    devices = [device("x", resource_class="CUSTOM_FPGA", traits="blue,my trait"), device("y", remote_managed="true", physical_network="Net1")]
    def by(**spec):
        return chosen(devices, (), [Ask("a", 1, (tuple(spec.items()),))])
    assert by(resource_class="fpga") == ["x"]
    assert by(resource_class="fpga", traits="CUSTOM_MY_TRAIT") == ["x"]
    assert by(resource_class="fpga", traits="red") is None
    assert by(physical_network="net1") is None
    assert by(physical_network="net1", remote_managed="true") == ["y"]


@FEW
@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.tuples(st.integers(1, 2), st.sets(st.sampled_from("abc"), min_size=1)), max_size=3),
       st.sets(st.integers(0, 5), max_size=3))
def test_devices_are_found_exactly_where_there_is_a_way(kinds, wanted, used):
    devices = [device(str(number), kind) for number, kind in enumerate(kinds)]
    requests = [ask(count, *sorted(products)) for count, products in wanted]
    slots = [products for count, products in wanted for _ in range(count)]
    left = [each for each in devices if int(each["address"]) not in used]
    possible = any(all(each["product_id"] in products for each, products in zip(way, slots, strict=True))
                   for way in itertools.permutations(left, len(slots)))
    found = choose(devices, {str(number) for number in used}, requests)
    assert (found is not None) == possible
    if found is not None:
        taken = [each["address"] for each in found]
        assert len(set(taken)) == len(slots) and not {int(each) for each in taken} & used
        assert all(devices[int(address)]["product_id"] in products for address, products in zip(taken, slots, strict=True))
