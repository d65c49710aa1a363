"""What dnsmasq is told: pure functions of a Description."""
import dataclasses

import pytest

from nova_lite.network.worker import dhcp
from nova_lite.network.worker.description import Description, SubnetHere
from nova_lite.network.worker.settings import NetworkSettings

SETTINGS = NetworkSettings(state_path="/state", dns_servers=("8.8.4.4",))
SUBNET = SubnetHere(id="s4", cidr="10.0.0.0/24", version=4, gateway="10.0.0.1", server="10.0.0.1", dhcp=True, dns=(), routes=())
SIX = SubnetHere(id="s6", cidr="fd00::/64", version=6, gateway="fd00::1", server="fd00::1", dhcp=True, dns=("fd00::53", "9.9.9.9"), routes=(),
                 ipv6_mode="dhcpv6-stateful")


def describe(*subnets, leases=(), peers=None):
    return Description(network_id="n1", mtu=1450, vni=7, subnets=subnets, leases=tuple(leases), plugged=bool(leases), peers=peers or {})


def options(*subnets, settings=SETTINGS) -> list[str]:
    return dhcp.configuration(describe(*subnets), settings, "nobody").splitlines()


def test_options_of_a_plain_subnet():
    lines = options(SUBNET)
    assert "dhcp-range=set:s0,10.0.0.0,static,255.255.255.0,86400s" in lines
    assert "dhcp-option=tag:s0,option:router,10.0.0.1" in lines
    assert "dhcp-option=tag:s0,option:dns-server,8.8.4.4" in lines
    assert "dhcp-option=tag:s0,option:classless-static-route,169.254.169.254/32,10.0.0.1,0.0.0.0/0,10.0.0.1" in lines


def test_the_subnets_own_name_servers_come_first():
    assert "dhcp-option=tag:s0,option:dns-server,1.1.1.1" in options(dataclasses.replace(SUBNET, dns=("1.1.1.1",)))
    assert not [line for line in options(SUBNET, settings=NetworkSettings(state_path="/state")) if "dns-server" in line]


def test_without_gateway_no_default_route():
    subnet = dataclasses.replace(SUBNET, gateway=None, server="10.0.0.9", routes=(("172.16.0.0/12", "10.0.0.2"),))
    assert dhcp.routes_of(subnet, describe(subnet)) == [("172.16.0.0/12", "10.0.0.2"), ("169.254.169.254/32", "10.0.0.9")]
    assert "dhcp-option=tag:s0,option:router" in options(subnet)


def test_a_default_route_of_the_users_is_kept():
    subnet = dataclasses.replace(SUBNET, routes=(("0.0.0.0/0", "10.0.0.254"),))
    assert dhcp.routes_of(subnet, describe(subnet)) == [("0.0.0.0/0", "10.0.0.254"), ("169.254.169.254/32", "10.0.0.1")]


def test_other_subnets_on_the_wire_are_reached_directly():
    other = dataclasses.replace(SUBNET, id="other", cidr="10.1.0.0/24", gateway="10.1.0.1", server="10.1.0.1")
    assert ("10.1.0.0/24", "0.0.0.0") in dhcp.routes_of(SUBNET, describe(SUBNET, other, SIX))


@pytest.mark.parametrize(("change", "served"), [({}, True), ({"dhcp": False}, False), ({"server": None}, False)])
def test_served(change, served):
    assert dhcp.is_served(dataclasses.replace(SUBNET, **change)) is served


def test_ipv6_is_served_only_where_the_subnet_says_so():
    assert dhcp.is_served(SIX) and not dhcp.is_served(dataclasses.replace(SIX, ipv6_mode=None))
    lines = options(SUBNET, SIX)
    assert "dhcp-range=set:s1,fd00::,static,64,86400s" in lines and "dhcp-option=tag:s1,option6:dns-server,[fd00::53]" in lines


def test_hosts_have_one_address_a_version():
    leases = [("m1", "10.0.0.5", "s4"), ("m1", "10.0.0.6", "s4"), ("m1", "fd00::5", "s6"), ("m2", "10.0.0.7", "s4"), ("m3", "10.9.0.7", "unserved")]
    assert dhcp.hosts(describe(SUBNET, SIX, leases=leases)) == (
        "m1,10.0.0.5,host-10-0-0-5\nm1,[fd00::5],host-fd00--5\nm2,10.0.0.7,host-10-0-0-7\n")


def test_leases_are_read():
    text = "1795425305 02:11:11:11:11:11 10.0.0.5 host-10-0-0-5 *\nduid 00:01:00:01\n1795425305 123 fd00::5 host 00:01\n"
    assert dhcp.parse_leases(text) == [("02:11:11:11:11:11", "10.0.0.5")]


def test_a_release_has_the_clients_name_on_it():
    packet = dhcp.release_packet("02:11:11:11:11:11", "10.0.0.5", "10.0.0.1")
    assert packet[:4] == b"\x01\x01\x06\x00" and packet[12:16] == bytes([10, 0, 0, 5]) and packet[28:34].hex(":") == "02:11:11:11:11:11"
    assert packet[236:] == b"\x63\x82\x53\x63\x35\x01\x07\x36\x04\x0a\x00\x00\x01\xff"


def test_interfaces_and_tunnels():
    description = describe(SUBNET, SIX, peers={"b": "192.0.2.2", "c": "192.0.2.3", "same machine": "192.0.2.1"})
    assert description.interfaces() == ["10.0.0.1/24", "fd00::1/64", "169.254.169.254/32"]
    assert description.tunnels("192.0.2.1") == ["192.0.2.2", "192.0.2.3"]
    assert describe(SIX).interfaces() == ["fd00::1/64"]
