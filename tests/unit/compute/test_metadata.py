"""What guests are told, as values."""
import base64
import json
from types import SimpleNamespace

from nova_lite.api.metadata.application import _find
from nova_lite.compute import metadata

NICS = [{"port_id": "11111111-2222-3333-4444-555555555555", "index": 0, "network_id": "n1", "network_name": "private", "bridge": "brn1",
         "tap": "tap11111111-22", "mac": "fa:16:3e:00:00:01", "mtu": 1450, "tag": None, "project_id": "p", "security_groups": [],
         "addresses": [{"address": "10.0.0.5", "version": 4, "subnet_id": "s1", "cidr": "10.0.0.0/24", "gateway": "10.0.0.1",
                        "dns": ["192.0.2.53"], "routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}], "dhcp": True}]}]


def server(**changes):
    values = {"id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "name": "My Server", "hostname": "my-server", "launch_index": 1,
              "availability_zone": "nova", "project_id": "p", "meta": {"role": "web"},
              "key_data": "ssh-rsa AAAA me", "key_name": "mine", "user_data": None,
              "image_id": "12345678-0000-0000-0000-000000000000", "image": {"properties": {}}, "disks": [],
              "flavor": {"name": "m1.tiny", "root_gb": 1, "ephemeral_gb": 2, "swap": 64},
              "root_device": "/dev/vda", "reservation_id": "r-1", "request": {}, **changes}
    return SimpleNamespace(**values)


def test_meta_data():
    found = metadata.meta_data(server(), "novalocal")
    assert found["uuid"] == server().id and found["hostname"] == "my-server.novalocal" and found["meta"] == {"role": "web"}
    assert found["public_keys"] == {"mine": "ssh-rsa AAAA me"}
    assert found["keys"] == [{"name": "mine", "type": "ssh", "data": "ssh-rsa AAAA me"}]
    assert len(base64.b64decode(found["random_seed"])) == 512
    assert "admin_pass" not in found and "files" not in found
    assert metadata.meta_data(server(hostname="a.b.c"), "novalocal")["hostname"] == "a.b.c"
    specs = {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1-2"}
    mixed = metadata.meta_data(server(flavor={"vcpus": 4, "memory_mb": 64, "extra_specs": specs}), "novalocal")
    assert found["dedicated_cpus"] == [] and mixed["dedicated_cpus"] == [1, 2]


def test_network_data_with_dhcp_and_without():
    found = metadata.network_data(NICS)
    assert found["links"] == [{"id": "tap11111111-22", "vif_id": NICS[0]["port_id"], "type": "bridge", "mtu": 1450,
                               "ethernet_mac_address": "fa:16:3e:00:00:01"}]
    assert found["networks"][0]["type"] == "ipv4_dhcp" and found["services"] == [{"type": "dns", "address": "192.0.2.53"}]
    fixed = metadata.network_data([{**NICS[0], "addresses": [{**NICS[0]["addresses"][0], "dhcp": False}]}])["networks"][0]
    assert fixed["type"] == "ipv4" and fixed["ip_address"] == "10.0.0.5" and fixed["netmask"] == "255.255.255.0"
    assert fixed["routes"] == [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
                               {"network": "10.9.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.9"}]


def test_config_drive_holds_the_same_and_what_only_a_new_server_has():
    script = base64.b64encode(b"#!/bin/sh\n").decode()
    files = metadata.config_drive(server(user_data=script, request={"admin_pass": "secret", "personality": [
        {"path": "/etc/motd", "contents": base64.b64encode(b"hello").decode()}]}), NICS, "novalocal", ["default"], {"vendor": 1})
    latest = json.loads(files["openstack/latest/meta_data.json"])
    assert latest["admin_pass"] == "secret" and latest["files"] == [{"path": "/etc/motd", "content_path": "/content/0000"}]
    assert files["openstack/content/0000"] == b"hello" and files["openstack/latest/user_data"] == b"#!/bin/sh\n"
    assert json.loads(files["openstack/2018-08-27/network_data.json"]) == metadata.network_data(NICS)
    assert json.loads(files["openstack/latest/vendor_data.json"]) == {"vendor": 1}
    assert json.loads(files["ec2/latest/meta-data.json"])["instance-id"] == "i-aaaaaaaa"


def test_the_ec2_tree_is_browsed_as_folders():
    tree = {"latest": {"meta-data": metadata.ec2(server(), NICS, "novalocal", ["default", "web"])}, "openstack": {"latest": {"a.json": b"{}"}}}
    assert _find(tree, "/") == b"latest"
    assert _find(tree, "/openstack") == b"latest"
    assert _find(tree, "/latest/meta-data/local-ipv4") == b"10.0.0.5"
    assert _find(tree, "/latest/meta-data/instance-id") == b"i-aaaaaaaa"
    assert _find(tree, "/latest/meta-data/security-groups") == b"default\nweb"
    assert _find(tree, "/latest/meta-data/block-device-mapping/") == b"ami\nroot\nephemeral0\nswap"
    assert _find(tree, "/latest/meta-data/block-device-mapping/ephemeral0") == b"/dev/vdb"
    assert b"public-keys/" in _find(tree, "/latest/meta-data/").split(b"\n")
    assert _find(tree, "/latest/meta-data/public-keys/") == b"0=mine"
    assert _find(tree, "/latest/meta-data/public-keys/0/") == b"openssh-key"
    assert _find(tree, "/latest/meta-data/public-keys/0/openssh-key") == b"ssh-rsa AAAA me"
    assert _find(tree, "/latest/meta-data/no-such") is None and _find(tree, "/latest/meta-data/local-ipv4/deeper") is None
