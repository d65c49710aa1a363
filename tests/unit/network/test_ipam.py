"""The arithmetic of addresses."""
import ipaddress
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_lite import exception
from nova_lite.network import ipam


@pytest.mark.parametrize(("cidr", "gateway", "pools"), [
    ("10.0.0.0/24", "10.0.0.1", [("10.0.0.2", "10.0.0.254")]),
    ("10.0.0.0/24", None, [("10.0.0.1", "10.0.0.254")]),
    ("10.0.0.0/24", "10.0.0.254", [("10.0.0.1", "10.0.0.253")]),
    ("10.0.0.0/29", "10.0.0.3", [("10.0.0.1", "10.0.0.2"), ("10.0.0.4", "10.0.0.6")]),
    ("10.0.0.0/31", "10.0.0.0", [("10.0.0.1", "10.0.0.1")]),
    ("10.0.0.7/32", None, [("10.0.0.7", "10.0.0.7")]),
    ("fd00::/126", "fd00::1", [("fd00::2", "fd00::3")]),
])
def test_default_pools(cidr, gateway, pools):
    assert ipam.default_pools(ipam.network_of(cidr), gateway) == [{"start": start, "end": end} for start, end in pools]


@pytest.mark.parametrize("cidr", ["10.0.0.0", "10.0.0.0/33", "nonsense/8", "", "fd00::/129"])
def test_not_a_range(cidr):
    with pytest.raises(exception.Invalid):
        ipam.network_of(cidr)


@pytest.mark.parametrize(("pools", "gateway", "error"), [
    ([("10.0.1.2", "10.0.1.9")], None, exception.Invalid),
    ([("10.0.0.9", "10.0.0.2")], None, exception.Invalid),
    ([("10.0.0.0", "10.0.0.9")], None, exception.Invalid),
    ([("fd00::1", "fd00::2")], None, exception.Invalid),
    ([("10.0.0.2", "10.0.0.9"), ("10.0.0.9", "10.0.0.12")], None, exception.Conflict),
    ([("10.0.0.1", "10.0.0.9")], "10.0.0.1", exception.Conflict),
])
def test_bad_pools(pools, gateway, error):
    with pytest.raises(error):
        ipam.check_pools(ipam.network_of("10.0.0.0/24"), [{"start": start, "end": end} for start, end in pools], gateway)


def test_pools_come_back_in_order():
    pools = [{"start": "10.0.0.100", "end": "10.0.0.110"}, {"start": "10.0.0.2", "end": "10.0.0.9"}]
    assert ipam.check_pools(ipam.network_of("10.0.0.0/24"), pools, "10.0.0.1") == pools[::-1]


@pytest.mark.parametrize("gateway", ["10.0.0.0", "10.0.0.255", "10.0.1.1", "fd00::1", "gateway"])
def test_bad_gateway(gateway):
    with pytest.raises(exception.Invalid):
        ipam.check_gateway(ipam.network_of("10.0.0.0/24"), gateway)


@settings(deadline=None)  # how long it takes says more about the machine
@given(st.integers(0, 2**31), st.integers(20, 30), st.data())
def test_choice_is_free_and_in_the_pool_until_none_is_left(seed, prefix, data):
    network = ipaddress.ip_network(f"10.9.0.0/{prefix}")
    gateway = str(data.draw(st.sampled_from(list(network.hosts())[:50])))
    pools = ipam.default_pools(network, gateway)
    everything = {str(host) for host in network.hosts()} - {gateway}
    assert ipam.pool_size(pools) == len(everything)
    left = data.draw(st.sets(st.sampled_from(sorted(everything)), max_size=3))
    for _ in range(len(left) + 1):
        chosen = ipam.choose(pools, everything - left, random.Random(seed))
        assert (chosen in left) if left else chosen is None
        left.discard(chosen)


def test_huge_pools_are_probed():
    pools = ipam.default_pools(ipam.network_of("fd00::/64"), "fd00::1")
    assert ipam.in_subnet("fd00::/64", ipam.choose(pools, ["fd00::2"]))


def test_macs():
    assert ipam.gateway_mac("a") == ipam.gateway_mac("a") != ipam.gateway_mac("b")
    assert ipam.new_mac().startswith("fa:16:3e:") and len(ipam.new_mac()) == 17
