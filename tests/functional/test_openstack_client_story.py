"""A morning with the unmodified ``openstack`` client: make what a server needs, boot it, look at it, change it, and take all of it away.

Each command is a process of 1.5 s, so there are few of them, and each asserts what a person would look for in its answer.
"""
import pytest

import daemons
from tests.functional.cloud import Cloud
from tests.functional.openstack_client import OpenStack


@pytest.fixture(scope="module")
def cloud():
    with Cloud() as running:
        yield running


@pytest.fixture
def client(cloud):
    return OpenStack(f"{cloud.daemon.base}/identity/v3", daemons.PASSWORD)


def test_the_life_of_a_server(cloud, client, tmp_path):
    (tmp_path / "disk.raw").write_bytes(bytes(4096))
    image = client.json("image", "create", "disk", "--disk-format", "raw", "--file", str(tmp_path / "disk.raw"))
    assert image["status"] == "active" and image["size"] == 4096
    flavor = client.json("flavor", "create", "small", "--ram", "64", "--disk", "1", "--vcpus", "1", "--property", "quota:cpu_shares=10")
    assert flavor["properties"] == {"quota:cpu_shares": "10"}
    client.run("keypair", "create", "mine", "--private-key", str(tmp_path / "key"))
    assert (tmp_path / "key").read_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    client.run("network", "create", "quiet")
    subnet = client.json("subnet", "create", "quiet-v4", "--network", "quiet", "--subnet-range", "10.77.0.0/24")
    assert subnet["gateway_ip"] == "10.77.0.1"
    port = client.json("port", "create", "fixed", "--network", "quiet", "--fixed-ip", "ip-address=10.77.0.50")
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.77.0.50"}]

    made = client.json("server", "create", "web", "--flavor", "small", "--image", "disk", "--port", "fixed", "--key-name", "mine",
                       "--property", "tier=front", "--wait")
    assert made["status"] == "ACTIVE" and made["addresses"] == {"quiet": ["10.77.0.50"]}
    client.run("server", "reboot", "web", "--hard", "--wait")
    client.run("server", "stop", "web")
    cloud.wait(made["id"], "SHUTOFF")
    client.run("server", "start", "web")
    cloud.wait(made["id"], "ACTIVE")
    assert client.run("console", "log", "show", "web").strip()
    client.run("server", "set", "web", "--name", "shop", "--property", "owner=ada", "--tag", "blue")
    shown = client.json("server", "show", "shop")
    assert shown["properties"] == {"tier": "front", "owner": "ada"} and shown["tags"] == ["blue"] and shown["key_name"] == "mine"
    listed = client.json("server", "list")
    assert [(row["Name"], row["Status"], row["Networks"], row["Image"], row["Flavor"]) for row in listed] == [
        ("shop", "ACTIVE", {"quiet": ["10.77.0.50"]}, "disk", "small")]
    actions = [row["Action"] for row in client.json("server", "event", "list", "shop")]
    assert actions == ["start", "stop", "reboot", "create"]
    client.run("server", "delete", "shop", "--wait")
    assert client.json("server", "list") == []
    client.run("port", "delete", "fixed")
    client.run("network", "delete", "quiet")


def test_a_server_with_disks_of_its_own(cloud, client):
    client.run("flavor", "create", "roomy", "--ram", "64", "--disk", "1", "--ephemeral", "4", "--swap", "512")
    asked = ("--flavor", "roomy", "--image", cloud.image, "--network", cloud.network, "--swap", "256")
    made = client.json("server", "create", "disks", *asked, "--ephemeral", "size=1,format=vfat", "--ephemeral", "size=3", "--wait")
    assert made["status"] == "ACTIVE"
    refused = client.run("server", "create", "more", *asked, "--ephemeral", "size=5", fails=True)
    assert "Ephemeral disks requested are larger than the instance type allows." in refused
    client.run("server", "delete", "disks", "--wait")


def test_servers_of_a_group(cloud, client):
    group = client.json("server", "group", "create", "near", "--policy", "affinity")["id"]
    asked = ("--flavor", cloud.flavor, "--image", cloud.image, "--network", cloud.network, "--wait")
    made = client.json("server", "create", "member", *asked, "--hint", f"group={group}")
    assert made["status"] == "ACTIVE"
    assert client.json("server", "group", "show", group)["members"] == [made["id"]]
    cloud.add_user("grace")
    stranger = OpenStack(f"{cloud.daemon.base}/identity/v3", "grace" * 3, "grace", "grace")
    refused = stranger.run("server", "create", "guest", *asked, "--hint", f"group={group}", fails=True)
    assert "400" in refused and f"Instance group {group} could not be found." in refused
    client.run("server", "delete", "member", "--wait")
    assert client.json("server", "group", "show", group)["members"] == []


def test_what_an_operator_looks_at(client):
    host = client.json("hypervisor", "list")[0]["Hypervisor Hostname"]
    client.run("compute", "service", "set", "--disable", "--disable-reason", "new disks", host, "nova-compute")
    services = client.json("compute", "service", "list", "--service", "nova-compute", "--long")
    assert ("disabled", "new disks") in [(row["Status"], row["Disabled Reason"]) for row in services if row["Host"] == host]
    client.run("aggregate", "create", "racks", "--zone", "east")
    assert client.json("aggregate", "add", "host", "racks", host)["hosts"] == [host]
    assert "east" in {row["Zone Name"] for row in client.json("availability", "zone", "list", "--compute")}
    client.run("quota", "set", "--instances", "20", "--networks", "5", "admin")
    limits = {row["Resource"]: row["Limit"] for row in client.json("quota", "show", "admin")}
    assert (limits["instances"], limits["networks"]) == (20, 5)
