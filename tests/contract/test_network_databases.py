"""The SQL of the network room says the same on each database."""
import importlib.util
import pathlib
import uuid

import pytest

from nova_lite.network.actions import server_ports
from nova_lite.network.worker import description

_spec = importlib.util.spec_from_file_location(
    "network_client_of_contract", pathlib.Path(__file__).parents[1] / "unit" / "api" / "network_client.py")
network_client = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(network_client)
ADMIN = {"roles": ("admin",)}


@pytest.fixture
def client(database_url, tmp_path):
    client = network_client.NetworkClient(tmp_path, database_url)
    yield client
    client.db.close()


def test_api(client):
    networks = [client.network(name=name, description=text) for name, text in (("b", "x"), ("a", ""), ("c", "x"))]
    subnet = client.subnet(networks[0]["id"], dns_nameservers=["9.9.9.9"])
    group = client.ok("GET", "/v2.0/security-groups?name=default")["security_groups"][0]
    ports = [client.port(networks[0]["id"], name=f"p{number}") for number in range(5)]
    bare = client.port(networks[0]["id"], security_groups=[], fixed_ips=[])
    first = client.ok("GET", "/v2.0/networks?limit=2&sort_key=description&sort_dir=desc&shared=False")
    assert {entry["name"] for entry in first["networks"]} == {"b", "c"}
    assert len(client.ok("GET", f"/v2.0/ports?security_groups={group['id']}&network_id={networks[0]['id']}")["ports"]) == 5
    held = ports[2]["fixed_ips"][0]["ip_address"]
    assert [port["id"] for port in client.ok("GET", f"/v2.0/ports?fixed_ips=ip_address={held}")["ports"]] == [ports[2]["id"]]
    assert [port["id"] for port in client.ok("GET", "/v2.0/ports?binding:host_id=&name=", **ADMIN)["ports"]] == [bare["id"]]
    assert client.error("POST", "/v2.0/ports", {"port": {"network_id": networks[0]["id"], "mac_address": bare["mac_address"]}})[0] == 409
    assert client.error("DELETE", f"/v2.0/security-groups/{group['id']}", **ADMIN)[:2] == (409, "SecurityGroupInUse")
    assert client.error("DELETE", f"/v2.0/subnets/{subnet['id']}")[:2] == (409, "SubnetInUse")
    for port in [*ports, bare]:
        client.ok("DELETE", f"/v2.0/ports/{port['id']}")
    for network in networks:
        client.ok("DELETE", f"/v2.0/networks/{network['id']}")
    client.ok("DELETE", f"/v2.0/security-groups/{group['id']}", **ADMIN)


def test_servers_and_hosts(client):
    network_id = client.network()["id"]
    client.subnet(network_id, gateway_ip=None)
    client.subnet(network_id, "fd00::/64")
    server_id = str(uuid.uuid4())
    wanted = [{"network_id": network_id, "port_id": None, "fixed_ip": None, "tag": tag} for tag in ("one", "two")]
    with client.db.write() as tx:
        given = server_ports.allocate(tx, server_id, network_client.PROJECT, "host-1", wanted)
    with client.db.write() as tx:
        assert server_ports.allocate(tx, server_id, network_client.PROJECT, "host-2", wanted) == given == server_ports.nics(tx, server_id)
    found = description.load(client.db, network_id, "host-2")
    assert found == description.load(client.db, network_id, "host-2") and found.plugged and len(found.leases) == 4
    assert found.subnets[0].server not in {address for _, address, _ in found.leases} and found.subnets[0].server.startswith("10.0.0.")
    assert not description.load(client.db, network_id, "host-1").plugged
    with client.db.write() as tx:
        assert server_ports.check_requested(tx, client.context(), None) == [{**wanted[0], "tag": None}]
        assert server_ports.servers_with_address(tx, "10.0.0.%") == [server_id]
        assert server_ports.release(tx, server_id) == [network_id]
    with client.db.read() as tx:
        assert server_ports.addresses(tx, [server_id]) == {}


def test_auto_network(client):
    for _ in range(2):
        with client.db.write() as tx:
            nics = server_ports.check_requested(tx, client.context(project=network_client.OTHER), "auto")
    assert [entry["id"] for entry in client.ok("GET", "/v2.0/networks", project=network_client.OTHER)["networks"]] == [nics[0]["network_id"]]
