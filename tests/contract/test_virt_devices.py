"""What images and flavors ask of a machine, on real guests: libvirt has it, and where that is cheap the guest sees it."""
import re

import pytest

from nova_lite.virt import types
from tests.contract.virt_sites import LibvirtSite


@pytest.fixture(scope="module")
def machine(libvirt_uri):
    from tests.live.guest_image import ensure_guest_image
    made = LibvirtSite(libvirt_uri, ensure_guest_image())
    yield made
    made.close()


@pytest.fixture
def site(machine):
    yield machine
    machine.clear()


def drives(site, server_id):
    """The bus of each drive by its name. libvirt keeps them in an order of its own."""
    return {disk.find("target").get("dev"): disk.find("target").get("bus") for disk in site.domain(server_id).iterfind("devices/disk")}


# The guests' kernel knows no SATA and no USB: that QEMU runs with such disks is all that is seen of them.
def test_many_disks_on_many_buses_with_their_file_systems(site):
    disks = [types.Disk("root", "vda", "virtio", 256, site.system_image(), boot=True)]
    asked = {"ext2": ("vdb", "virtio"), "ext3": ("sda", "scsi"), "xfs": ("vdc", "virtio"), "vfat": ("sdb", "scsi")}
    disks += [types.Disk("ephemeral", device, bus, 320 if fs == "xfs" else 32, fs=fs) for fs, (device, bus) in asked.items()]
    disks += [types.Disk("ephemeral", "sdc", "sata", 16, fs="ext4"), types.Disk("ephemeral", "sdd", "usb", 16),
              types.Disk("swap", "vdd", "virtio", 24, fs="swap")]
    guest = site.guest(disks=tuple(disks), properties={"hw_machine_type": "q35", "hw_cdrom_bus": "scsi"}, memory_mb=192)
    text = site.told(guest, "blkid; cat /proc/swaps; for d in /sys/class/block/[vs]d?; do echo $d $(cat $d/size); done")
    for number, fs in enumerate(asked):
        assert re.search(rf'LABEL="ephemeral{number}".* TYPE="{fs}"', text), (fs, text)
    assert re.search(r"/dev/vdd\s+partition\s+245\d\d", text)
    sectors = dict(re.findall(r"/sys/class/block/(\w+) (\d+)", text))
    assert sectors == {"vda": "524288", "vdb": "65536", "sda": "65536", "vdc": "655360", "sdb": "65536", "vdd": "49152"}
    assert drives(site, guest.server_id) == {
        "vda": "virtio", "vdb": "virtio", "sda": "scsi", "vdc": "virtio", "sdb": "scsi", "sdc": "sata", "sdd": "usb", "vdd": "virtio",
        "sdf": "scsi"}
