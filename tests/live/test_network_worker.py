"""The network worker on real bridges, namespaces, dnsmasq and tunnels; each host is a set of namespaces that the test makes and removes."""
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import uuid

import pytest

from nova_lite import clock
from nova_lite.db import networks as db_networks
from nova_lite.db.engine import Database
from nova_lite.db.models.compute import Host
from nova_lite.network import ipam
from nova_lite.network.actions import server_ports

_spec = importlib.util.spec_from_file_location("network_host", pathlib.Path(__file__).with_name("network_host.py"))
network_host = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(network_host)

NEEDED = [program for program in ("unshare", "nsenter", "ip", "bridge", "dnsmasq", "busybox", "nft") if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or bool(NEEDED), reason=f"needs root and the programs {NEEDED or 'of the linux driver'}")

SNIFFER = """
import socket, sys, select, time
seen, sock = set(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sock.bind(("gw0", 0))
print("ready", flush=True)
while select.select([sock, sys.stdin], [], [])[0] != [sys.stdin]:
    seen.add(sock.recv(2000)[6:12].hex(":"))
    if select.select([sys.stdin], [], [], 0)[0]:
        break
print(" ".join(seen), flush=True)
"""


class Cloud:
    """The database, with what the API and the compute workers would write in it."""

    def __init__(self, url: str):
        self.url, self.db = url, Database(url)
        self.db.create_all()

    def network(self, *cidrs, gateway: bool = True, subnet: dict | None = None, **values) -> str:
        with self.db.write() as tx:
            network = db_networks.create_network(tx, {"project_id": "p", "name": "net", **values})
            for cidr in cidrs:
                self.subnet(tx, network.id, cidr, gateway, subnet)
            return network.id

    def subnet(self, tx, network_id: str, cidr: str, gateway: bool = True, values: dict | None = None) -> str:
        span = ipam.network_of(cidr)
        first = ipam.first_host(span) if gateway else None
        return db_networks.create_subnet(tx, {
            "network_id": network_id, "project_id": "p", "cidr": cidr, "gateway_ip": first, "ip_version": span.version,
            "allocation_pools": ipam.default_pools(span, first), **(values or {})}).id

    def boot(self, network_id: str, host: str, fixed_ip: str | None = None) -> tuple[str, dict]:
        """(server id, its NIC): what the compute worker does before it rings ``prepare``."""
        server_id = str(uuid.uuid4())
        with self.db.write() as tx:
            wanted = [{"network_id": network_id, "port_id": None, "fixed_ip": fixed_ip, "tag": None}]
            return server_id, server_ports.allocate(tx, server_id, "p", host, wanted)[0]

    def delete(self, server_id: str) -> None:
        with self.db.write() as tx:
            server_ports.release(tx, server_id)

    def add_host(self, name: str, address: str) -> None:
        with self.db.write() as tx:
            tx.add(Host(uuid=str(uuid.uuid4()), name=name, hypervisor_hostname=name, hypervisor_type="QEMU", host_ip=address, vcpus=1, memory_mb=1,
                        disk_gb=1, changed_at=clock.now()))


@pytest.fixture
def cloud(tmp_path):
    cloud = Cloud(f"sqlite:///{tmp_path}/state.db")
    yield cloud
    cloud.db.close()


@pytest.fixture
def host(cloud, tmp_path):
    with network_host.NetworkHost(tmp_path / "one", "one", "192.0.2.1", cloud.url) as host:
        host.start_worker()
        yield host


@pytest.fixture
def two_hosts(cloud, tmp_path, host):
    with network_host.NetworkHost(tmp_path / "two", "two", "192.0.2.2", cloud.url) as other:
        network_host.join(host, other)
        for each in (host, other):
            cloud.add_host(each.name, each.my_ip)
        other.start_worker()
        yield host, other


def plug(cloud, host, network_id, fixed_ip=None):
    server_id, nic = cloud.boot(network_id, host.name, fixed_ip)
    host.call("prepare", network_ids=[network_id])
    return server_id, network_host.Guest(host, nic)


def test_guest_gets_lease_routes_names_and_metadata(cloud, host):
    network_id = cloud.network("10.0.0.0/24", mtu=1400)
    machine = host.machine()
    server_id, guest = plug(cloud, host, network_id)
    address = guest.nic["addresses"][0]["address"]
    lease = guest.dhcp()
    assert (lease["ip"], lease["router"], lease["mtu"], lease["dns"], lease["domain"]) == (address, "10.0.0.1", "1400", "10.0.0.1", "novalocal")
    assert lease["hostname"] == "host-" + address.replace(".", "-")
    assert lease["staticroutes"].split() == ["169.254.169.254/32", "10.0.0.1", "0.0.0.0/0", "10.0.0.1"]
    assert guest.get("http://169.254.169.254/") == {"network": network_id, "address": address, "server": server_id}
    assert "10.0.0.77" in guest.run("busybox", "nslookup", "host-10-0-0-77.novalocal", "10.0.0.1")
    assert guest.reaches("10.0.0.1")
    assert host.machine() == machine
    assert host.run("ip", "-br", "addr", "show", guest.nic["bridge"]).split()[2:] == []


def test_a_stranger_on_the_wire_gets_no_lease(cloud, host):
    network_id = cloud.network("10.0.0.0/24")
    _, guest = plug(cloud, host, network_id)
    guest.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")
    assert guest.dhcp(check=False, tries=2) == {}


def test_one_more_guest_costs_no_restart(cloud, host):
    network_id = cloud.network("10.0.0.0/24")
    plug(cloud, host, network_id)
    before = host.dnsmasq()
    _, second = plug(cloud, host, network_id)
    assert second.dhcp()["ip"] == second.nic["addresses"][0]["address"]
    assert host.dnsmasq() == before and len(before) == 1


def test_many_at_once(cloud, host):
    networks = [cloud.network("10.0.0.0/24") for _ in range(6)]
    for network_id in networks:
        cloud.boot(network_id, "one")
    before = host.left()
    host.call("prepare_at_once", network_ids=networks, times=5)
    assert host.left()["files"] == sorted(networks) and len(host.dnsmasq()) == len(networks)
    host.call("remove_all")
    assert host.left() == before


def test_an_address_passes_on_with_its_lease(cloud, host):
    """dnsmasq keeps a lease for a day: a new guest with the address must not wait for that."""
    network_id = cloud.network("10.0.0.0/24")
    plug(cloud, host, network_id)
    server_id, first = plug(cloud, host, network_id, "10.0.0.50")
    assert first.dhcp()["ip"] == "10.0.0.50"
    leases = host.folder / "networks" / network_id / "leases"
    assert "10.0.0.50" in leases.read_text()
    before = host.dnsmasq()
    first.unplug()
    cloud.delete(server_id)
    host.call("refresh", network_ids=[network_id])
    assert network_host.wait_for(lambda: "10.0.0.50" not in leases.read_text())
    _, second = plug(cloud, host, network_id, "10.0.0.50")
    assert second.dhcp()["ip"] == "10.0.0.50"
    assert host.dnsmasq() == before


def test_refresh_after_the_last_port_leaves_nothing(cloud, host):
    network_id = cloud.network("10.0.0.0/24")
    before, machine = host.left(), host.machine()
    server_id, guest = plug(cloud, host, network_id)
    guest.dhcp()
    guest.get("http://169.254.169.254/")
    cloud.delete(server_id)
    host.call("refresh", network_ids=[network_id])
    assert host.left()["files"] == [network_id], "a guest is still plugged in: its network must stay"
    guest.unplug()
    host.call("refresh", network_ids=[network_id])
    host.call("refresh", network_ids=[network_id])
    assert host.left() == before and host.machine() == machine


def test_worker_killed_and_restarted(cloud, host):
    network_id = cloud.network("10.0.0.0/24")
    server_id, guest = plug(cloud, host, network_id)
    address = guest.dhcp()["ip"]
    before, devices = host.dnsmasq(), host.left()
    host.kill_worker()
    host.start_worker()
    host.call("reconcile")
    assert guest.get("http://169.254.169.254/")["server"] == server_id
    assert (host.dnsmasq(), host.left()) == (before, devices)
    os.kill(before[0], signal.SIGKILL)
    assert network_host.wait_for(lambda: host.dnsmasq() == [])
    host.call("reconcile")
    assert host.dnsmasq() and guest.dhcp()["ip"] == address
    host.run("ip", "link", "del", "gw" + network_id[:11])
    host.call("reconcile")
    assert guest.dhcp()["ip"] == address and guest.get("http://169.254.169.254/")["server"] == server_id
    host.run("ip", "netns", "del", "nlnet-" + network_id)
    host.call("reconcile")
    assert guest.dhcp()["ip"] == address and guest.get("http://169.254.169.254/")["server"] == server_id


def test_reconcile_removes_what_the_database_no_longer_has(cloud, host):
    before = host.left()
    server_id, guest = plug(cloud, host, cloud.network("10.0.0.0/24"))
    guest.unplug()
    host.kill_worker()
    cloud.delete(server_id)
    host.start_worker()
    host.call("reconcile")
    assert host.left() == before


def test_remove_all_takes_down_networks_in_use(cloud, host):
    before = host.left()
    _, guest = plug(cloud, host, cloud.network("10.0.0.0/24"))
    host.call("remove_all")
    guest.unplug()
    assert host.left() == before


def test_subnet_without_gateway_several_subnets_and_ipv6(cloud, host):
    bare = cloud.network("10.7.0.0/24", gateway=False, subnet={"dns_nameservers": ["9.9.9.9"],
                                                               "host_routes": [{"destination": "172.16.0.0/12", "nexthop": "10.7.0.9"}]})
    server_id, guest = plug(cloud, host, bare)
    lease = guest.dhcp()
    assert "router" not in lease and lease["dns"] == "9.9.9.9"
    assert lease["staticroutes"].split()[:3] == ["172.16.0.0/12", "10.7.0.9", "169.254.169.254/32"] and "0.0.0.0/0" not in lease["staticroutes"]
    assert guest.get("http://169.254.169.254/")["server"] == server_id
    with cloud.db.write() as tx:
        cloud.subnet(tx, bare, "10.8.0.0/24")
        cloud.subnet(tx, bare, "fd00:7::/64", values={"ipv6_address_mode": "dhcpv6-stateful"})
    host.call("refresh", network_ids=[bare])
    addresses = host.run("ip", "-n", f"nlnet-{bare}", "-br", "addr", "show", "gw0")
    assert "10.8.0.1/24" in addresses and "fd00:7::1/64" in addresses
    assert "10.8.0.0/24" in guest.dhcp()["staticroutes"]
    assert guest.reaches("10.8.0.1")


def test_network_without_dhcp_has_metadata_and_no_dnsmasq(cloud, host):
    network_id = cloud.network("10.0.0.0/24", subnet={"enable_dhcp": False})
    server_id, guest = plug(cloud, host, network_id)
    assert host.dnsmasq() == []
    guest.run("ip", "addr", "add", guest.nic["addresses"][0]["address"] + "/24", "dev", "eth0")
    guest.run("ip", "route", "add", "default", "via", "10.0.0.1")
    assert guest.get("http://169.254.169.254/")["server"] == server_id


def test_unknown_network_and_a_program_that_fails(cloud, host):
    with pytest.raises(RuntimeError, match="NetworkNotFound"):
        host.call("prepare", network_ids=[str(uuid.uuid4())])
    before = host.left()
    network_id = cloud.network("10.0.0.0/24", mtu=5_000_000)
    server_id, _ = cloud.boot(network_id, "one")
    with pytest.raises(RuntimeError, match="CommandFailed: .*mtu"):
        host.call("prepare", network_ids=[network_id])
    cloud.delete(server_id)
    host.call("reconcile")
    assert host.left() == before


@pytest.mark.skipif(not os.path.exists("/proc/sys/net/bridge"), reason="the kernel has not loaded br_netfilter: nothing filters bridges")
def test_a_firewall_in_the_way_is_told_of(host):
    host.run("sh", "-c", "echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables")
    assert host.call("obstacle") is None
    host.run("nft", "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
    assert "iptables -I FORWARD" in host.call("obstacle")
    host.run("sh", "-c", "echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables")
    assert host.call("obstacle") is None


def test_guests_on_two_hosts(cloud, two_hosts):
    one, two = two_hosts
    clean, machines = [each.left() for each in two_hosts], [each.machine() for each in two_hosts]
    network_id = cloud.network("10.0.0.0/24")
    first_server, first = plug(cloud, one, network_id)
    second_server, second = plug(cloud, two, network_id)
    assert two.call("rung") == [["one", [network_id]]], "the host that joins tells the others"
    one.call("refresh", network_ids=[network_id])
    leases = [guest.dhcp() for guest in (first, second)]
    assert [lease["ip"] for lease in leases] == [guest.nic["addresses"][0]["address"] for guest in (first, second)]
    sniffers = [host.argv("nsenter", f"--net=/run/netns/nlnet-{network_id}", sys.executable, "-c", SNIFFER) for host in two_hosts]
    running = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for argv in sniffers]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    assert first.reaches(leases[1]["ip"]) and second.reaches(leases[0]["ip"])
    for guest, server_id in ((first, first_server), (second, second_server)):
        guest.run("ip", "neigh", "flush", "dev", "eth0")
        assert guest.dhcp() and guest.reaches("10.0.0.1")
        assert guest.get("http://169.254.169.254/")["server"] == server_id
    heard = [set(process.communicate("stop\n")[0].split()) for process in running]
    macs = [guest.nic["mac"] for guest in (first, second)]
    assert [macs[0] in heard[0], macs[1] in heard[0], macs[0] in heard[1], macs[1] in heard[1]] == [True, False, False, True]
    first.run("busybox", "ping", "-c", "1", "-s", str(1450 - 28), leases[1]["ip"])  # a full frame fits into the tunnel
    assert [each.machine() for each in two_hosts] == machines

    first.unplug()
    cloud.delete(first_server)
    one.call("refresh", network_ids=[network_id])
    assert one.left() == clean[0] and one.call("rung")[-1] == ["two", [network_id]]
    two.call("refresh", network_ids=[network_id])
    assert "vx" + network_id[:11] not in two.left()["links"]
    second.unplug()
    cloud.delete(second_server)
    two.call("reconcile")
    assert two.left() == clean[1]


def test_the_auditor_sees_what_is_missing_and_what_is_left(cloud, host):
    network_id = cloud.network("10.0.0.0/24")
    assert host.call("audit") == []
    server_id, guest = plug(cloud, host, network_id)
    guest.dhcp()
    assert host.call("audit") == []
    for pid in host.dnsmasq():
        os.kill(pid, signal.SIGKILL)
    assert network_host.wait_for(lambda: host.dnsmasq() == [])
    assert host.call("audit") == ["its dnsmasq does not run"]
    host.call("reconcile")
    assert host.call("audit") == []
    # Another server's port is here that dnsmasq was not told of.
    second, _ = cloud.boot(network_id, host.name)
    assert host.call("audit") == ["dnsmasq does not know the ports that are here"]
    cloud.delete(second)
    cloud.delete(server_id)
    left = " ".join(host.call("audit"))
    assert all(word in left for word in ("device br", "device gw", "namespace nlnet-", "its folder", "its dnsmasq runs"))
    guest.unplug()
    host.call("refresh", network_ids=[network_id])
    assert host.call("audit") == []
