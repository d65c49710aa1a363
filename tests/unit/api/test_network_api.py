"""The Network API v2.0: networks, subnets, ports, security groups, quotas, and what lists have in common."""
import importlib.util
import pathlib
import uuid

import pytest

from nova_lite.network.actions import server_ports

_spec = importlib.util.spec_from_file_location("network_client", pathlib.Path(__file__).with_name("network_client.py"))
network_client = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(network_client)
PROJECT, OTHER = network_client.PROJECT, network_client.OTHER
ADMIN = {"roles": ("admin",), "project": "c" * 32}
STRANGER = {"project": OTHER}


@pytest.fixture
def client(tmp_path):
    client = network_client.NetworkClient(tmp_path)
    yield client
    client.db.close()


def boot(client, network_id, host="host-1", port_id=None):
    """A server with a port on the network, as the compute room makes it."""
    server_id = str(uuid.uuid4())
    with client.db.write() as tx:
        nics = server_ports.allocate(tx, server_id, PROJECT, host, [{"network_id": network_id, "port_id": port_id, "fixed_ip": None, "tag": None}])
    return server_id, nics[0]


# ---- discovery
def test_discovery(client):
    assert client.ok("GET", "/")["versions"] == [
        {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": "http://cloud:8774/network/v2.0/"}]}]
    assert {"name": "port", "collection": "ports", "links": [{"rel": "self", "href": "http://cloud:8774/network/v2.0/ports"}]} in client.ok(
        "GET", "/v2.0/")["resources"]
    aliases = {entry["alias"] for entry in client.ok("GET", "/v2.0/extensions")["extensions"]}
    assert "security-group" in aliases and "router" not in aliases
    assert client.ok("GET", "/v2.0/extensions/net-mtu")["extension"]["alias"] == "net-mtu"
    assert client.error("GET", "/v2.0/extensions/router")[0] == 404


# ---- networks
def test_network_life(client):
    made = client.network(name="blue", description="d")
    assert set(made) == {"id", "name", "tenant_id", "project_id", "admin_state_up", "mtu", "status", "shared", "router:external", "description",
                         "created_at", "updated_at", "revision_number", "subnets"}
    assert (made["tenant_id"], made["project_id"], made["status"], made["mtu"], made["subnets"]) == (PROJECT, PROJECT, "ACTIVE", 1450, [])
    subnet = client.subnet(made["id"])
    shown = client.ok("GET", f"/v2.0/networks/{made['id']}")["network"]
    assert shown["subnets"] == [subnet["id"]]
    changed = client.ok("PUT", f"/v2.0/networks/{made['id']}", {"network": {"name": "green", "admin_state_up": False}})["network"]
    assert (changed["name"], changed["admin_state_up"]) == ("green", False) and changed["revision_number"] > shown["revision_number"]
    assert client("DELETE", f"/v2.0/networks/{made['id']}") == (204, None)
    assert client.error("GET", f"/v2.0/networks/{made['id']}") == (404, "NetworkNotFound", f"Network {made['id']} could not be found.")
    assert client.error("GET", f"/v2.0/subnets/{subnet['id']}")[:2] == (404, "SubnetNotFound")


def test_admins_see_segments(client):
    made = client.network(ADMIN, **{"provider:network_type": "vxlan", "provider:segmentation_id": 77})
    assert (made["provider:network_type"], made["provider:segmentation_id"], made["provider:physical_network"]) == ("vxlan", 77, None)
    assert client.error("POST", "/v2.0/networks", {"network": {"provider:segmentation_id": 77}}, **ADMIN)[0] == 409
    assert client.error("POST", "/v2.0/networks", {"network": {"provider:segmentation_id": 78}})[:2] == (403, "PolicyNotAuthorized")


@pytest.mark.parametrize("values", [{"shared": True}, {"router:external": True}, {"project_id": OTHER}, {"tenant_id": OTHER}])
def test_what_only_admins_may_ask_of_a_network(client, values):
    assert client.error("POST", "/v2.0/networks", {"network": values})[0] == 403
    assert client.network(ADMIN, **values)


@pytest.mark.parametrize(("body", "status"), [
    ({"network": {"nme": "x"}}, 400), ({"network": {"mtu": 9000}}, 400), ({"network": {"mtu": 20}}, 400), ({"network": {"name": 3}}, 400),
    ({"network": []}, 400), ({}, 400), ([], 400), ({"networks": []}, 400), ({"net": {}}, 400), ({"network": {"name": "n" * 256}}, 400),
    ({"network": {"provider:network_type": "vlan"}}, 400), (None, 400)])
def test_bad_networks(client, body, status):
    assert client.error("POST", "/v2.0/networks", body)[0] == status
    assert client.ok("GET", "/v2.0/networks")["networks"] == []


def test_bulk_is_all_or_none(client):
    made = client.ok("POST", "/v2.0/networks", {"networks": [{"name": "one"}, {"name": "two"}]})["networks"]
    assert [network["name"] for network in made] == ["one", "two"]
    body = {"subnets": [{"network_id": made[0]["id"], "cidr": cidr, "ip_version": 4} for cidr in ("10.0.0.0/24", "10.0.0.0/25")]}
    assert client.error("POST", "/v2.0/subnets", body)[0] == 400
    assert client.ok("GET", "/v2.0/subnets")["subnets"] == []


def test_strangers(client):
    mine, shared = client.network(), client.network(ADMIN, shared=True)
    subnet, port = client.subnet(mine["id"]), client.port(mine["id"])
    assert [network["id"] for network in client.ok("GET", "/v2.0/networks", **STRANGER)["networks"]] == [shared["id"]]
    for path in (f"networks/{mine['id']}", f"subnets/{subnet['id']}", f"ports/{port['id']}"):
        noun = path.split("/")[0][:-1]
        assert client.error("GET", f"/v2.0/{path}", **STRANGER)[0] == 404
        assert client.error("PUT", f"/v2.0/{path}", {noun: {"name": "x"}}, **STRANGER)[0] == 404
        assert client.error("DELETE", f"/v2.0/{path}", **STRANGER)[0] == 404
    assert client.error("PUT", f"/v2.0/networks/{shared['id']}", {"network": {"name": "x"}})[:2] == (403, "PolicyNotAuthorized")
    assert client.error("DELETE", f"/v2.0/networks/{shared['id']}")[0] == 403
    body = {"subnet": {"network_id": shared["id"], "cidr": "10.0.0.0/24", "ip_version": 4}}
    assert client.error("POST", "/v2.0/subnets", body)[0] == 403
    assert client.error("POST", "/v2.0/ports", {"port": {"network_id": mine["id"]}}, **STRANGER)[:2] == (404, "NetworkNotFound")


def test_a_shared_network_with_others_ports_stays_shared(client):
    shared = client.network(ADMIN, shared=True)
    client.subnet(shared["id"], who=ADMIN)
    port = client.port(shared["id"])
    assert client.error("PUT", f"/v2.0/networks/{shared['id']}", {"network": {"shared": False}}, **ADMIN)[:2] == (409, "InvalidSharedSetting")
    client.ok("DELETE", f"/v2.0/ports/{port['id']}")
    assert client.ok("PUT", f"/v2.0/networks/{shared['id']}", {"network": {"shared": False}}, **ADMIN)["network"]["shared"] is False


def test_readers_change_nothing(client):
    assert client.error("POST", "/v2.0/networks", {"network": {}}, roles=("reader",))[0] == 403
    assert client.ok("GET", "/v2.0/networks", roles=("reader",)) == {"networks": []}


def test_network_in_use(client):
    network = client.network()
    client.subnet(network["id"])
    port = client.port(network["id"])
    status, kind, message = client.error("DELETE", f"/v2.0/networks/{network['id']}")
    assert (status, kind) == (409, "NetworkInUse") and port["id"] in message


def test_network_with_dhcps_own_port_can_be_deleted(client):
    from nova_lite.db import host_networks as db_host_networks
    from nova_lite.db.models.network import Network, Subnet
    from nova_lite.network.actions import server_ports as actions
    network = client.network()
    subnet = client.subnet(network["id"], gateway_ip=None)
    with client.db.write() as tx:
        row = tx.get(Network, network["id"])
        port_id = db_host_networks.make_service_port(tx, row, "fa:16:3f:00:00:01")
        actions.claim_addresses(tx, {row.id: [row]}, [(port_id, row.id, [tx.get(Subnet, subnet["id"])])])
    assert [port["device_owner"] for port in client.ok("GET", "/v2.0/ports")["ports"]] == ["network:dhcp"]
    client.ok("DELETE", f"/v2.0/subnets/{subnet['id']}")
    client.ok("DELETE", f"/v2.0/networks/{network['id']}")
    assert client.ok("GET", "/v2.0/ports")["ports"] == []


# ---- subnets
def test_subnet_defaults(client):
    network = client.network()
    subnet = client.subnet(network["id"], "10.0.0.7/24")
    assert (subnet["cidr"], subnet["gateway_ip"], subnet["enable_dhcp"], subnet["dns_nameservers"], subnet["host_routes"]) == (
        "10.0.0.0/24", "10.0.0.1", True, [], [])
    assert subnet["allocation_pools"] == [{"start": "10.0.0.2", "end": "10.0.0.254"}]
    assert client.subnet(network["id"], "10.0.1.0/24", gateway_ip=None)["allocation_pools"] == [{"start": "10.0.1.1", "end": "10.0.1.254"}]
    assert client.subnet(network["id"], "fd00::/64", ipv6_ra_mode="dhcpv6-stateful", ipv6_address_mode="dhcpv6-stateful")["gateway_ip"] == "fd00::1"


@pytest.mark.parametrize(("values", "status", "kind"), [
    ({"cidr": "10.0.0.128/25"}, 400, "InvalidInput"), ({"cidr": "fd00::/64"}, 400, "InvalidInput"), ({"cidr": "10.0.9.0"}, 400, "HTTPBadRequest"),
    ({"cidr": "0.0.0.0/0"}, 400, "InvalidInput"), ({"gateway_ip": "10.9.9.9"}, 400, "HTTPBadRequest"), ({"gateway_ip": "x"}, 400, "HTTPBadRequest"),
    ({"allocation_pools": [{"start": "10.0.9.1", "end": "10.0.9.9"}]}, 409, "HTTPConflict"),
    ({"allocation_pools": [{"start": "10.0.8.1", "end": "10.0.9.9"}]}, 400, "HTTPBadRequest"),
    ({"dns_nameservers": ["x"]}, 400, "HTTPBadRequest"), ({"host_routes": [{"destination": "fd00::/64", "nexthop": "fd00::1"}]}, 400, "InvalidInput"),
    ({"network_id": str(uuid.uuid4())}, 404, "NetworkNotFound"), ({"network_id": "x"}, 400, "HTTPBadRequest"),
    ({"ip_version": 5}, 400, "HTTPBadRequest"), ({"ipv6_ra_mode": "slaac"}, 400, "HTTPBadRequest"),
    ({"ipv6_ra_mode": "dhcpv6-stateful"}, 400, "InvalidInput"), ({"foo": 1}, 400, "HTTPBadRequest")])
def test_bad_subnets(client, values, status, kind):
    network = client.network()
    client.subnet(network["id"])
    body = {"network_id": network["id"], "cidr": "10.0.9.0/24", "ip_version": 4, **values}
    assert client.error("POST", "/v2.0/subnets", {"subnet": body})[:2] == (status, kind)


def test_missing_attribute_is_named(client):
    assert client.error("POST", "/v2.0/subnets", {"subnet": {"cidr": "10.0.0.0/24", "ip_version": 4}})[2].endswith(
        "Required attribute 'network_id' not specified")


def test_subnet_changes_reach_the_hosts(client):
    network = client.network()
    subnet = client.subnet(network["id"])
    boot(client, network["id"], "host-1")
    path = f"/v2.0/subnets/{subnet['id']}"
    changed = client.ok("PUT", path, {"subnet": {"dns_nameservers": ["9.9.9.9"], "name": "s", "enable_dhcp": False}})["subnet"]
    assert (changed["dns_nameservers"], changed["name"], changed["enable_dhcp"]) == (["9.9.9.9"], "s", False)
    assert client.bells == [("host-1", [network["id"]])]
    assert client.error("DELETE", path)[:2] == (409, "SubnetInUse")
    assert client.error("PUT", path, {"subnet": {"cidr": "10.0.0.0/25"}})[0] == 400
    assert client.error("PUT", path, {"subnet": {"allocation_pools": [{"start": "10.0.0.1", "end": "10.0.0.9"}]}})[0] == 409
    port = client.port(network["id"], fixed_ips=[{"ip_address": "10.0.0.200"}])
    taken = {"subnet": {"gateway_ip": "10.0.0.200", "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}]}}
    assert client.error("PUT", path, taken)[:2] == (409, "IpAddressAlreadyAllocated")
    client.ok("DELETE", f"/v2.0/ports/{port['id']}")
    assert client.ok("PUT", path, {"subnet": {"gateway_ip": None}})["subnet"]["gateway_ip"] is None


# ---- ports
def test_port_defaults(client):
    network = client.network()
    subnet = client.subnet(network["id"])
    port = client.port(network["id"], name="p")
    assert set(port) == {"id", "name", "tenant_id", "project_id", "network_id", "mac_address", "admin_state_up", "status", "device_id",
                         "device_owner", "fixed_ips", "security_groups", "binding:vnic_type", "description", "created_at", "updated_at",
                         "revision_number"}
    assert port["mac_address"].startswith("fa:16:3e:") and port["status"] == "DOWN" and port["device_id"] == ""
    assert [entry["subnet_id"] for entry in port["fixed_ips"]] == [subnet["id"]]
    group = client.ok("GET", "/v2.0/security-groups")["security_groups"][0]
    assert port["security_groups"] == [group["id"]]
    assert client.ok("GET", f"/v2.0/ports/{port['id']}")["port"] == port


def test_port_of_a_server_for_admins(client):
    network = client.network()
    client.subnet(network["id"])
    server_id, nic = boot(client, network["id"])
    path = f"/v2.0/ports/{nic['port_id']}"
    shown = client.ok("GET", path, **ADMIN)["port"]
    assert (shown["binding:host_id"], shown["binding:vif_type"], shown["device_id"], shown["device_owner"], shown["status"]) == (
        "host-1", "bridge", server_id, "compute:nova", "ACTIVE")
    assert client.error("DELETE", path)[:2] == (409, "PortInUse")
    assert client.error("PUT", path, {"port": {"device_id": ""}})[:2] == (409, "PortBound")
    client.ok("PUT", path, {"port": {"name": "nic"}})
    assert client.bells == [("host-1", [network["id"]])]


def test_addresses_asked_for(client):
    network = client.network()
    subnet, six = client.subnet(network["id"]), client.subnet(network["id"], "fd00::/64")
    port = client.port(network["id"], fixed_ips=[{"ip_address": "10.0.0.50"}, {"subnet_id": six["id"]},
                                                 {"subnet_id": subnet["id"], "ip_address": "10.0.0.51"}])
    assert {"10.0.0.50", "10.0.0.51"} < {entry["ip_address"] for entry in port["fixed_ips"]} and len(port["fixed_ips"]) == 3
    assert client.port(network["id"], fixed_ips=[])["fixed_ips"] == []
    for asked, status, kind in (
            ([{"ip_address": "10.0.0.50"}], 409, "IpAddressAlreadyAllocated"), ([{"ip_address": "10.9.0.50"}], 400, "InvalidIpForNetwork"),
            ([{"ip_address": "10.0.0.1"}], 400, "InvalidIpForNetwork"),
            ([{"ip_address": "10.0.0.9", "subnet_id": six["id"]}], 400, "InvalidIpForSubnet"),
            ([{"subnet_id": str(uuid.uuid4())}], 400, "InvalidInput"), ([{}], 400, "InvalidInput"), ([{"ip_address": "x"}], 400, "HTTPBadRequest"),
            ([{"ip_address": "10.0.0.60"}, {"ip_address": "10.0.0.60"}], 409, "IpAddressAlreadyAllocated")):
        assert client.error("POST", "/v2.0/ports", {"port": {"network_id": network["id"], "fixed_ips": asked}})[:2] == (status, kind), asked
    path = f"/v2.0/ports/{port['id']}"
    asked = [{"ip_address": "10.0.0.50"}, {"subnet_id": subnet["id"], "ip_address": "10.0.0.99"}]
    kept = client.ok("PUT", path, {"port": {"fixed_ips": asked}})["port"]
    assert [entry["ip_address"] for entry in kept["fixed_ips"]] == ["10.0.0.50", "10.0.0.99"]
    assert client.ok("PUT", path, {"port": {"fixed_ips": []}})["port"]["fixed_ips"] == []


def test_full_subnet(client):
    network = client.network()
    client.subnet(network["id"], "10.0.0.0/30")
    client.port(network["id"])
    assert client.error("POST", "/v2.0/ports", {"port": {"network_id": network["id"]}})[:2] == (409, "IpAddressGenerationFailure")


def test_macs_are_unique_on_a_network(client):
    network, other = client.network(), client.network()
    client.port(network["id"], mac_address="FA:16:3E:AA:BB:CC")
    body = {"port": {"network_id": network["id"], "mac_address": "fa:16:3e:aa:bb:cc"}}
    assert client.error("POST", "/v2.0/ports", body)[:2] == (409, "MacAddressInUse")
    port = client.port(other["id"], mac_address="fa:16:3e:aa:bb:cc")
    second = client.port(other["id"])
    assert client.error("PUT", f"/v2.0/ports/{second['id']}", {"port": {"mac_address": port["mac_address"]}})[:2] == (409, "MacAddressInUse")
    for mac in ("01:00:5e:00:00:01", "zz", "fa:16:3e:aa:bb"):
        assert client.error("POST", "/v2.0/ports", {"port": {"network_id": other["id"], "mac_address": mac}})[0] == 400


def test_security_groups_of_ports(client):
    network = client.network()
    group = client.ok("GET", "/v2.0/security-groups")["security_groups"][0]["id"]
    assert client.port(network["id"], security_groups=[])["security_groups"] == []
    port = client.port(network["id"], security_groups=[group])
    body = {"port": {"network_id": network["id"], "security_groups": [str(uuid.uuid4())]}}
    assert client.error("POST", "/v2.0/ports", body)[:2] == (404, "SecurityGroupNotFound")
    found = client.ok("GET", f"/v2.0/ports?security_groups={group}")["ports"]
    assert [entry["id"] for entry in found] == [port["id"]]
    assert client.error("POST", "/v2.0/ports", {"port": {"network_id": network["id"], "device_owner": "network:router_interface"}})[0] == 403


def test_networks_owner_rules_its_ports(client):
    shared = client.network(ADMIN, shared=True)
    client.subnet(shared["id"], who=ADMIN)
    port = client.port(shared["id"])
    assert client.ok("PUT", f"/v2.0/ports/{port['id']}", {"port": {"name": "x"}}, roles=("member",), project=ADMIN["project"])["port"]["name"] == "x"
    client.ok("DELETE", f"/v2.0/ports/{port['id']}", roles=("member",), project=ADMIN["project"])


# ---- lists
def test_filters_fields_and_sorting(client):
    networks = [client.network(name=name) for name in ("b", "a", "c")]
    client.subnet(networks[0]["id"], "10.0.0.0/24", name="one")
    ports = [client.port(networks[0]["id"], fixed_ips=[{"ip_address": address}], device_id=address) for address in ("10.0.0.50", "10.0.0.51")]

    def names(query, noun="networks"):
        return [entry["name"] for entry in client.ok("GET", f"/v2.0/{noun}?{query}")[noun]]

    assert names("sort_key=name") == ["a", "b", "c"] and names("sort_key=name&sort_dir=desc") == ["c", "b", "a"]
    assert sorted(names("name=a&name=c")) == ["a", "c"]
    assert names(f"id={networks[2]['id']}") == ["c"] and len(names(f"tenant_id={PROJECT}")) == 3 and names(f"project_id={OTHER}") == []
    assert names("status=DOWN") == [] and len(names("status=ACTIVE")) == 3 and names("router:external=True") == [] and len(names("shared=false")) == 3
    assert names(f"network_id={networks[0]['id']}&ip_version=4&enable_dhcp=true", "subnets") == ["one"] and names("ip_version=6", "subnets") == []

    def found(query):
        return [entry["id"] for entry in client.ok("GET", f"/v2.0/ports?sort_key=device_id&{query}")["ports"]]

    both = [port["id"] for port in ports]
    assert found("fixed_ips=ip_address=10.0.0.50") == both[:1] and found("fixed_ips=ip_address_substr=10.0.0.5") == both
    assert found("fixed_ips=ip_address=10.0.0.50&fixed_ips=ip_address=10.0.0.51") == both
    assert found("fixed_ips=ip_address_substr=%25") == []
    assert found(f"mac_address={ports[1]['mac_address'].upper()}") == both[1:] and found("device_id=10.0.0.50") == both[:1]
    assert client.ok("GET", "/v2.0/networks?fields=id&fields=name&name=a")["networks"] == [{"id": networks[1]["id"], "name": "a"}]
    assert client.ok("GET", f"/v2.0/networks/{networks[1]['id']}?fields=name")["network"] == {"name": "a"}


@pytest.mark.parametrize("query", ["nonsense=1", "sort_key=nonsense", "sort_key=name&sort_dir=up", "limit=x", "limit=-1", "shared=perhaps", "mtu=big",
                                   "sort_key=name&sort_key=id&sort_dir=asc", "limit=1&marker=nobody"])
def test_bad_queries(client, query):
    assert client.error("GET", f"/v2.0/networks?{query}")[0] == 400


@pytest.mark.parametrize("order", ["sort_key=name&sort_dir=asc", "sort_key=name&sort_dir=desc", "sort_key=description&sort_dir=asc", "limit=2"])
def test_pages_cover_everything_once(client, order):
    for name in "cabbed":
        client.network(name=name, description="even" if name in "bd" else "")
    everything = [entry["id"] for entry in client.ok("GET", f"/v2.0/networks?{order.replace('limit=2', '')}")["networks"]]
    seen, path = [], f"/v2.0/networks?limit=2&{order.replace('limit=2', '')}"
    while path:
        page = client.ok("GET", path)
        seen.append([entry["id"] for entry in page["networks"]])
        links = {link["rel"]: link["href"].removeprefix("http://cloud:8774/network") for link in page.get("networks_links", [])}
        path = links.get("next")
        if len(seen) == 2:
            back = client.ok("GET", links["previous"])
            assert [entry["id"] for entry in back["networks"]] == seen[0]
    assert [ident for page in seen for ident in page] == everything and len(everything) == 6
    assert "networks_links" not in client.ok("GET", "/v2.0/networks")


# ---- security groups and quotas
def test_default_group_comes_with_the_first_look(client):
    group, = client.ok("GET", "/v2.0/security-groups")["security_groups"]
    assert (group["name"], group["tenant_id"], group["project_id"]) == ("default", PROJECT, PROJECT)
    assert sorted((rule["direction"], rule["ethertype"], rule["remote_group_id"]) for rule in group["security_group_rules"]) == [
        ("egress", "IPv4", None), ("egress", "IPv6", None), ("ingress", "IPv4", group["id"]), ("ingress", "IPv6", group["id"])]
    assert client.ok("GET", f"/v2.0/security-groups/{group['id']}")["security_group"] == group
    rules = client.ok("GET", f"/v2.0/security-group-rules?security_group_id={group['id']}&direction=ingress")["security_group_rules"]
    assert len(rules) == 2
    assert client.ok("GET", f"/v2.0/security-group-rules/{rules[0]['id']}")["security_group_rule"] == rules[0]
    assert client.error("GET", f"/v2.0/security-groups/{group['id']}", **STRANGER)[:2] == (404, "SecurityGroupNotFound")
    assert client.error("GET", f"/v2.0/security-group-rules/{rules[0]['id']}", **STRANGER)[:2] == (404, "SecurityGroupRuleNotFound")


def test_deleting_a_default_group(client):
    """What Tempest does after each of its projects."""
    query = f"/v2.0/security-groups?tenant_id={PROJECT}&name=default"
    group, = client.ok("GET", query, **ADMIN)["security_groups"]
    path = f"/v2.0/security-groups/{group['id']}"
    assert client.error("DELETE", path)[:2] == (409, "SecurityGroupCannotRemoveDefault")
    port = client.port(client.network()["id"])
    assert client.error("DELETE", path, **ADMIN)[:2] == (409, "SecurityGroupInUse")
    client.ok("DELETE", f"/v2.0/ports/{port['id']}")
    assert client("DELETE", path, **ADMIN) == (204, None)
    assert client.error("DELETE", path, **ADMIN)[0] == 404
    assert client.ok("GET", "/v2.0/security-groups")["security_groups"][0]["id"] == group["id"]


def test_quotas(tmp_path):
    client = network_client.NetworkClient(tmp_path, quotas={"networks": 2, "subnets": 1, "ports": -1})
    network = client.network()
    client.subnet(network["id"])
    body = {"subnet": {"network_id": network["id"], "cidr": "10.1.0.0/24", "ip_version": 4}}
    assert client.error("POST", "/v2.0/subnets", body) == (409, "OverQuota", "Quota exceeded for resources: ['subnet'].")
    assert client.error("POST", "/v2.0/networks", {"networks": [{}, {}]})[:2] == (409, "OverQuota")
    client.port(network["id"])
    assert client.ok("GET", f"/v2.0/quotas/{PROJECT}")["quota"]["network"] == 2
    assert client.ok("GET", f"/v2.0/quotas/{PROJECT}/default")["quota"]["subnet"] == 1
    assert client.ok("GET", f"/v2.0/quotas/{PROJECT}/details")["quota"]["port"] == {"limit": -1, "used": 1, "reserved": 0}
    assert client.error("GET", f"/v2.0/quotas/{OTHER}")[0] == 403
    assert client.error("PUT", f"/v2.0/quotas/{PROJECT}", {"quota": {"network": 3}})[0] == 403
    assert client.error("DELETE", f"/v2.0/quotas/{PROJECT}")[0] == 403
    for wrong in ({"quota": {"network": -2}}, {"quota": {"no-such": 1}}, {"network": 1}):
        assert client.error("PUT", f"/v2.0/quotas/{PROJECT}", wrong, **ADMIN)[0] == 400
    assert client.ok("PUT", f"/v2.0/quotas/{PROJECT}", {"quota": {"network": 3}}, **ADMIN)["quota"]["network"] == 3
    client.network()
    assert client.error("PUT", f"/v2.0/quotas/{PROJECT}", {"quota": {"network": 1, "check_limit": True}}, **ADMIN)[0] == 400
    assert client.ok("GET", f"/v2.0/quotas/{PROJECT}")["quota"]["network"] == 3
    assert client("DELETE", f"/v2.0/quotas/{PROJECT}", **ADMIN) == (204, None)
    assert client.ok("GET", f"/v2.0/quotas/{PROJECT}")["quota"]["network"] == 2
    assert client.error("POST", "/v2.0/networks", {"network": {}})[:2] == (409, "OverQuota")
    client.db.close()
