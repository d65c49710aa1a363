"""What hosts have besides vCPUs, memory and disk, on a cloud of two hosts with two PCI devices and some gold each: claimed, moved, given back."""
import json
import subprocess
import sys
import uuid

import pytest

from tests.functional.cloud import Cloud

GOLD = """
meta: {schema_version: '1.0'}
providers:
  - identification: {uuid: $COMPUTE_NODE}
    inventories: {additional: [{CUSTOM_GOLD: {total: 4, reserved: 1}}]}
    traits: {additional: [CUSTOM_RICH]}
"""
ALIAS = {"name": "a1", "vendor_id": "8086", "product_id": "0443", "device_type": "type-PCI"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("providers")
    (folder / "gold.yaml").write_text(GOLD)
    options = {
        "compute": {"driver": "fake", "fake_hosts": 2, "fake_pci_devices": "8086:0443:2,10de:25b6:1", "provider_config_location": folder},
        "pci": {"alias": json.dumps(ALIAS), "device_spec": json.dumps({"vendor_id": "8086"})}}
    with Cloud(options) as running:
        running.lite = running.daemon.client("lite/v1")
        yield running
        done = subprocess.run([sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(running.daemon.process.config), "audit"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def flavor(cloud, **specs) -> str:
    body = {"flavor": {"name": str(uuid.uuid4()), "ram": 64, "vcpus": 1, "disk": 1}}
    made = cloud.admin.post("/flavors", body).json["flavor"]["id"]
    if specs:
        answer = cloud.admin.post(f"/flavors/{made}/os-extra_specs", {"extra_specs": specs})
        assert answer.status == 200, answer
    return made


def left(cloud, flavor_id) -> int:
    return cloud.lite.get(f"/scheduler/capacity?flavor={flavor_id}").json["servers"]


def refused(cloud, flavor_id) -> str:
    return cloud.wait(cloud.create(flavorRef=flavor_id), "ERROR")["fault"]["message"]


def test_custom_resources(cloud):
    pair = flavor(cloud, **{"resources:CUSTOM_GOLD": "2", "trait:CUSTOM_RICH": "required"})
    assert left(cloud, pair) == 2
    one, two = cloud.boot(flavorRef=pair), cloud.boot(flavorRef=pair)
    assert len({cloud.show(each)["OS-EXT-SRV-ATTR:host"] for each in (one, two)}) == 2
    assert refused(cloud, pair).startswith("No valid host was found. 2 hosts considered: 2 lack 2 CUSTOM_GOLD")
    assert left(cloud, flavor(cloud, **{"resources:CUSTOM_GOLD": "1"})) == 2
    cloud.delete(one)
    assert left(cloud, pair) == 1
    cloud.delete(two)
    assert "2 lack 1 CUSTOM_LEAD" in refused(cloud, flavor(cloud, **{"resources:CUSTOM_LEAD": "1"}))


def test_what_a_flavor_takes_can_be_overridden(cloud):
    free = flavor(cloud, **{"resources:VCPU": "0", "resources:MEMORY_MB": "7"})
    before = cloud.usage()
    server = cloud.boot(flavorRef=free)
    assert cloud.usage()[0] == before[0]
    host = cloud.show(server)["OS-EXT-SRV-ATTR:host"]
    detail = cloud.admin.get("/os-hypervisors/detail", headers={"OpenStack-API-Version": "compute 2.87"}).json["hypervisors"]
    assert [each["memory_mb_used"] for each in detail if each["hypervisor_hostname"] == host] == [512 + 7]
    cloud.delete(server)


def test_pci_devices_go_to_one_server_each_and_are_given_back(cloud):
    one, pair = flavor(cloud, **{"pci_passthrough:alias": "a1:1"}), flavor(cloud, **{"pci_passthrough:alias": "a1:2"})
    assert (left(cloud, one), left(cloud, pair)) == (4, 2)
    server = cloud.boot(flavorRef=pair)
    assert (left(cloud, one), left(cloud, pair)) == (2, 1)
    single = cloud.boot(flavorRef=one)
    message = refused(cloud, pair)
    assert message.startswith("No valid host was found. 2 hosts considered: 2 lack free PCI devices (2 a1)"), message
    assert cloud.show(single)["OS-EXT-SRV-ATTR:host"] != cloud.show(server)["OS-EXT-SRV-ATTR:host"]
    # The operator sees which rule it is.
    answer = cloud.lite.post("/scheduler/explain", {**cloud.body(flavorRef=pair)})
    assert {rule for host in answer.json["hosts"] for rule in host["removed_by"]} == {"PciPassthroughFilter"}
    cloud.delete(single)
    cloud.delete(server)
    assert left(cloud, one) == 4


def test_aliases_that_nobody_defined_are_refused(cloud):
    wrong = flavor(cloud, **{"pci_passthrough:alias": "gpu:1"})
    answer = cloud.admin.post("/servers", cloud.body(flavorRef=wrong))
    assert (answer.status, answer.json["badRequest"]["message"]) == (400, "PCI alias gpu is not defined")
    server = cloud.boot()
    answer = cloud.act(server, "resize", {"flavorRef": wrong})
    assert (answer.status, answer.json["badRequest"]["message"]) == (400, "PCI alias gpu is not defined")
    cloud.delete(server)


def test_moves_hold_devices_on_both_hosts(cloud):
    one, pair = flavor(cloud, **{"pci_passthrough:alias": "a1:1"}), flavor(cloud, **{"pci_passthrough:alias": "a1:2"})
    server = cloud.boot(flavorRef=one)
    answer = cloud.act(server, "os-migrateLive", {"host": None, "block_migration": "auto"})
    assert answer.status == 400 and "PCI devices" in answer.json["badRequest"]["message"]
    assert cloud.act(server, "migrate").status == 202
    cloud.wait(server, "VERIFY_RESIZE")
    assert left(cloud, one) == 2
    assert cloud.act(server, "confirmResize").status == 204
    cloud.wait(server)
    assert left(cloud, one) == 3
    # Where both flavors are on one host, it holds for both until the user has decided.
    for verdict, after in (("revertResize", 3), ("confirmResize", 2)):
        assert cloud.act(server, "resize", {"flavorRef": pair}).status == 202
        cloud.wait(server, "VERIFY_RESIZE")
        assert left(cloud, one) < 3
        assert cloud.act(server, verdict).status in (202, 204)
        cloud.wait(server)
        assert left(cloud, one) == after
    cloud.delete(server)
    assert left(cloud, one) == 4
