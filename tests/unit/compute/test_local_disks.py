"""Local disks by values: what a create body says of them, what the flavor allows, and what the guest gets."""
import pytest

from nova_lite import exception
from nova_lite.api.compute import block_devices
from nova_lite.compute import local_disks
from nova_lite.compute.worker import disks
from nova_lite.db.models import Server

IMAGE = "0f2c81d0-6a53-4d35-9c0b-3c1c9a5d2b11"
OTHER = "1f2c81d0-6a53-4d35-9c0b-3c1c9a5d2b11"
ROOT = {"source_type": "image", "destination_type": "local", "uuid": IMAGE, "boot_index": 0}
BLANK = {"source_type": "blank", "destination_type": "local", "boot_index": -1}
SWAP = {**BLANK, "guest_format": "swap"}
FLAVOR = {"root_gb": 2, "ephemeral_gb": 6, "swap": 512}


def read(*devices, image=IMAGE):
    return block_devices.read({"imageRef": image, "block_device_mapping_v2": list(devices)})


def sizes(*devices, **flavor):
    _, said = read(ROOT, *devices)
    return [(disk.kind, disk.size_mb) for disk in local_disks.lay_out(said, {**FLAVOR, **flavor})]


def test_the_flavor_says_what_the_user_does_not():
    assert block_devices.read({"imageRef": IMAGE}) == (IMAGE, [])
    assert sizes() == [("root", 2048), ("ephemeral", 6144), ("swap", 512)]
    assert sizes(ephemeral_gb=0, swap=0) == [("root", 2048)]


def test_disks_are_what_the_user_says_within_the_flavor():
    assert sizes({**SWAP, "volume_size": 100}) == [("root", 2048), ("ephemeral", 6144), ("swap", 100)]
    assert sizes({**BLANK, "volume_size": "2"}, {**BLANK, "volume_size": 4}) == [
        ("root", 2048), ("ephemeral", 2048), ("ephemeral", 4096), ("swap", 512)]
    assert sizes(SWAP, BLANK) == [("root", 2048), ("ephemeral", 6144), ("swap", 512)]


def test_a_smaller_swap_of_a_later_flavor_holds():
    assert sizes({**SWAP, "volume_size": 500}, swap=64)[-1] == ("swap", 64)
    assert sizes({**SWAP, "volume_size": 500}, swap=0) == [("root", 2048), ("ephemeral", 6144)]


@pytest.mark.parametrize(("wanted", "words"), [
    ([{**SWAP, "volume_size": 513}], "Swap drive requested is larger than instance type allows."),
    ([SWAP, SWAP], "More than one swap drive requested."),
    ([{**BLANK, "volume_size": 7}], "Ephemeral disks requested are larger than the instance type allows."),
    ([BLANK, {**BLANK, "volume_size": 1}], "Ephemeral disks requested are larger"),
    ([{**BLANK, "volume_size": 4}, {**BLANK, "volume_size": 3}], "Ephemeral disks requested are larger"),
])
def test_what_the_flavor_does_not_allow(wanted, words):
    _, said = read(ROOT, *wanted)
    with pytest.raises(exception.Invalid, match=words):
        local_disks.check(said, FLAVOR)


def test_the_number_of_disks_has_a_limit():
    _, said = read(ROOT, *[{**BLANK, "volume_size": 1}] * 16)
    with pytest.raises(exception.Invalid, match="more local devices than the limit"):
        local_disks.check(said, {**FLAVOR, "ephemeral_gb": 100})


@pytest.mark.parametrize(("devices", "words"), [
    ([BLANK], "Boot sequence"),
    ([{**BLANK, "boot_index": 0}], "Boot sequence"),
    ([ROOT, {**BLANK, "boot_index": 2}], "Boot sequence"),
    ([ROOT, ROOT], "Boot sequence"),
    ([{**ROOT, "boot_index": None}], "Mapping image to local is not supported"),
    ([ROOT, {**ROOT, "uuid": OTHER, "boot_index": 1}], "Mapping image to local is not supported"),
    ([{**ROOT, "uuid": OTHER}], "another image than imageRef"),
    ([{**ROOT, "uuid": None}], "Missing device UUID"),
    ([ROOT, {**BLANK, "uuid": OTHER}], "Invalid device UUID"),
    ([ROOT, {"destination_type": "local"}], "Some required fields are missing"),
    ([{**ROOT, "destination_type": "volume"}], "no volumes"),
    ([ROOT, {"source_type": "volume", "uuid": OTHER}], "no volumes"),
    ([ROOT, {**BLANK, "destination_type": "volume", "volume_size": 1}], "no volumes"),
    ([ROOT, {**BLANK, "volume_type": "fast"}], "Specifying a volume_type with destination_type=local is not supported"),
    ([ROOT, {**BLANK, "disk_bus": "pigeon"}], "disk bus pigeon is not valid"),
    ([ROOT, {**BLANK, "guest_format": "ntfs"}], "guest_format ntfs is not known"),
    ([ROOT, {**BLANK, "device_type": "cdrom"}], "device_type cdrom"),
])
def test_what_cannot_be_asked_for(devices, words):
    with pytest.raises(exception.Invalid, match=words):
        read(*devices)


def test_an_image_that_only_a_mapping_names_is_not_local():
    with pytest.raises(exception.Invalid, match="Mapping image to local is not supported"):
        read(ROOT, image="")


def test_devices_that_are_not_wanted_are_not_there():
    assert read({"no_device": True, "device_name": "vdb"}) == (IMAGE, [])


def test_the_mappings_of_old():
    mapping = [{"virtual_name": "swap", "volume_size": 10}, {"virtual_name": "ephemeral0"}, {"device_name": "vdz", "no_device": True}]
    image, said = block_devices.read({"imageRef": IMAGE, "block_device_mapping": mapping})
    assert image == IMAGE and [(disk["kind"], disk["size_mb"]) for disk in said] == [("swap", 10), ("ephemeral", None)]
    for wrong, words in (({"volume_id": OTHER}, "no volumes"), ({"virtual_name": "root"}, "Unrecognized legacy format")):
        with pytest.raises(exception.Invalid, match=words):
            block_devices.read({"imageRef": IMAGE, "block_device_mapping": [wrong]})
    with pytest.raises(exception.Invalid, match="different block_device_mapping syntaxes"):
        block_devices.read({"imageRef": IMAGE, "block_device_mapping": mapping, "block_device_mapping_v2": [ROOT]})


# ---- the guest's -----------------------------------------------------------------------------------------------------------
def server(said=(), properties=None, rescue=None, **flavor):
    image = {"id": IMAGE, "disk_format": "qcow2", "properties": properties or {}}
    request = {"rescue_image": {"id": OTHER, "disk_format": "raw", "properties": rescue}} if rescue is not None else {}
    return Server(image=image, disks=list(said), flavor={**FLAVOR, **flavor}, request=request)


def shown(row, with_drive=False):
    return [(disk.kind, disk.device, disk.bus) for disk in disks.of_server(row, with_drive)]


def test_names_follow_the_buses():
    assert shown(server()) == [("root", "vda", "virtio"), ("ephemeral", "vdb", "virtio"), ("swap", "vdc", "virtio")]
    assert shown(server(properties={"hw_disk_bus": "ide"})) == [("root", "hda", "ide"), ("ephemeral", "hdb", "ide"), ("swap", "hdc", "ide")]
    _, said = read({**ROOT, "disk_bus": "scsi"}, {**BLANK, "volume_size": 1, "disk_bus": "usb"}, {**BLANK, "volume_size": 1},
                   {**SWAP, "disk_bus": "sata"})
    assert shown(server(said), with_drive=True) == [
        ("root", "sda", "scsi"), ("ephemeral", "sdb", "usb"), ("ephemeral", "vda", "virtio"), ("swap", "sdc", "sata"), ("config", "", "")]


def test_metadata_names_the_devices():
    _, said = read(ROOT, {**BLANK, "volume_size": 1, "disk_bus": "scsi"}, {**BLANK, "volume_size": 1})
    assert local_disks.mapping(said, FLAVOR, {}) == {"ephemeral0": "/dev/sda", "ephemeral1": "/dev/vdb", "swap": "/dev/vdc"}
    assert local_disks.mapping([], FLAVOR, {"properties": {"hw_disk_bus": "ide"}}) == {"ephemeral0": "/dev/hdb", "swap": "/dev/hdc"}


def test_file_systems():
    _, said = read(ROOT, {**BLANK, "volume_size": 1, "guest_format": "xfs"}, {**BLANK, "volume_size": 1})
    assert [disk.fs for disk in disks.of_server(server(said), False)] == [None, "xfs", "ext4", "swap"]


def test_a_rescue_takes_the_first_name_and_pushes_the_others_on():
    found = disks.of_server(server(rescue={}), False)
    assert [(disk.kind, disk.device, disk.boot) for disk in found] == [
        ("rescue", "vda", True), ("root", "vdb", False), ("ephemeral", "vdc", False), ("swap", "vdd", False)]


@pytest.mark.parametrize(("asked", "device", "bus", "cdrom"), [
    ({"hw_rescue_bus": "virtio"}, "vdd", "virtio", False), ({"hw_rescue_bus": "usb"}, "sda", "usb", False),
    ({"hw_rescue_device": "disk", "hw_disk_bus": "scsi"}, "sda", "scsi", False), ({"hw_rescue_device": "disk"}, "vdd", "virtio", False),
    ({"hw_rescue_device": "cdrom"}, "", "", True), ({"hw_rescue_device": "cdrom", "hw_rescue_bus": "ide"}, "", "ide", True),
])
def test_a_stable_rescue_leaves_all_others_where_they_are(asked, device, bus, cdrom):
    plain, rescued = disks.of_server(server(), True), disks.of_server(server(rescue=asked), True)
    assert [(disk.kind, disk.device, disk.bus) for disk in rescued[:-1]] == [(disk.kind, disk.device, disk.bus) for disk in plain]
    last = rescued[-1]
    assert (last.kind, last.device, last.bus, last.cdrom, last.image.id) == ("rescue", device, bus, cdrom, OTHER)
    assert [disk.kind for disk in rescued if disk.boot] == ["rescue"]
