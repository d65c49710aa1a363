"""Domain XML of containers by values; and what is said of their hypervisor."""
import dataclasses
from xml.etree import ElementTree

import pytest

from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.libvirt import host, kinds, layout
from nova_lite.virt.libvirt.host import HostCapabilities
from nova_lite.virt.libvirt.lxc_domain import domain_xml, interface_xml
from nova_lite.virt.libvirt.settings import LibvirtSettings

SERVER = "0f2c81d0-6a53-4d35-9c0b-3c1c9a5d2b11"
IMAGE = types.ImageSource("img", "raw", 5)
ROOT = types.Disk("root", "vda", "virtio", 1024, IMAGE, boot=True)
NIC = types.Nic("port", "fa:16:3e:00:00:01", "br7", "tap7", mtu=1450)
GUEST = types.Guest(SERVER, "web", "p1", "u1", "m1.tiny", 2, 512, (ROOT,), (NIC,))
HOST = HostCapabilities(arch="x86_64", virt_type="lxc")


def build(**changes):
    return ElementTree.fromstring(domain_xml(dataclasses.replace(GUEST, **changes), HOST, LibvirtSettings(host="h1", state_path="/state")))


def places(xml):
    return [(node.find("target").get("dir"), node.find("source").get("file").rpartition("/")[2], node.find("readonly") is not None)
            for node in xml.iterfind("devices/filesystem")]


def test_a_container():
    xml = build()
    assert (xml.get("type"), xml.findtext("os/type"), xml.findtext("os/init"), xml.findtext("uuid")) == ("lxc", "exe", "/sbin/init", SERVER)
    assert xml.findtext("os/initenv[@name='product_name']") == "OpenStack Nova"
    assert places(xml) == [("/", "disk", False)]
    assert {node.tag for node in xml.find("devices")} == {"filesystem", "interface", "console"}
    nic = xml.find("devices/interface")
    assert (nic.find("mac").get("address"), nic.find("source").get("bridge"), nic.find("target").get("dev")) == (NIC.mac, "br7", "tap7")
    assert nic.find("mtu").get("size") == "1450" and nic.find("model") is None and nic.find("rom") is None
    assert ElementTree.fromstring(interface_xml(GUEST, NIC)).find("mac").get("address") == NIC.mac


@pytest.mark.parametrize("nics", [(), (NIC,)])
def test_the_hosts_network_is_never_a_containers(nics):
    assert build(nics=nics).find("features/privnet") is not None


def test_each_disk_has_its_place_and_swap_is_memory():
    disks = (ROOT, types.Disk("ephemeral", "vdb", "virtio", 64), types.Disk("ephemeral", "vdc", "virtio", 64),
             types.Disk("swap", "vdd", "virtio", 96))
    xml = build(disks=disks, config_drive={"a": b""})
    assert places(xml) == [("/", "disk", False), ("/mnt/ephemeral0", "disk.eph0", False), ("/mnt/ephemeral1", "disk.eph1", False),
                           ("/var/lib/cloud/seed/config_drive", "disk.config", True)]
    assert xml.findtext("memtune/swap_hard_limit") == "608" and xml.findtext("memory") == "512"


def test_the_system_that_rescues_is_the_root():
    rescue = types.Disk("rescue", "vdb", "virtio", 0, IMAGE, boot=True)
    for disks in ((rescue, ROOT), (ROOT, rescue)):
        assert places(build(disks=disks)) == [("/", "disk.rescue", False), ("/mnt/root", "disk", False)]


@pytest.mark.parametrize(("specs", "wanted"), [
    ({}, (None, "100000", "200000")),
    ({"quota:cpu_shares": "512", "quota:cpu_quota": "5000", "quota:cpu_period": "10000"}, ("512", "10000", "5000")),
    ({"quota:cpu_period": "50000"}, (None, "50000", "100000")),
])
def test_cpu_time(specs, wanted):
    tune = build(extra_specs=specs).find("cputune")
    assert tuple(tune.findtext(name) for name in ("shares", "period", "quota")) == wanted


@pytest.mark.parametrize(("changes", "words"), [
    ({"properties": {"hw_tpm_version": "2.0"}}, "a TPM (hw_tpm_version)"),
    ({"extra_specs": {"hw:tpm_version": "2.0"}}, "a TPM (hw_tpm_version)"),
    ({"properties": {"hw_firmware_type": "uefi"}}, "firmware (hw_firmware_type)"),
    ({"disks": (ROOT, types.Disk("rescue", "", "", 0, IMAGE, boot=True, cdrom=True))}, "a CD-ROM"),
])
def test_what_only_machines_have_is_refused(changes, words):
    with pytest.raises(exception.HypervisorError) as caught:
        build(**changes)
    assert words in str(caught.value)


def test_paths_are_short_enough_for_loop_devices():
    for node in build(config_drive={}, disks=(types.Disk("rescue", "", "", 0, IMAGE), ROOT)).iterfind("devices/filesystem/source"):
        assert len(node.get("file")) <= 63
    with pytest.raises(exception.HypervisorError):
        layout.short_name("../etc")


CAPABILITIES = """<capabilities><host><cpu><arch>x86_64</arch></cpu><topology><cells num='1'><cell id='0'><memory unit='KiB'>1048576</memory>
<cpus num='4'>{}</cpus></cell></cells></topology><secmodel><model>none</model></secmodel></host>
<guest><os_type>exe</os_type><arch name='x86_64'><emulator>/usr/lib/libvirt/libvirt_lxc</emulator><domain type='lxc'/></arch></guest>
<guest><os_type>exe</os_type><arch name='i686'><domain type='lxc'/></arch></guest></capabilities>""".format(
    "".join(f"<cpu id='{number}' socket_id='0' die_id='0' core_id='{number // 2}' siblings='{number // 2 * 2}-{number // 2 * 2 + 1}'/>"
            for number in range(4)))


def test_what_a_host_of_containers_is():
    found = host.read_capabilities(CAPABILITIES, "lxc")
    assert (found.arch, found.virt_type, found.qemu_uid) == ("x86_64", "lxc", None)
    assert found.cpu["topology"] == {"cells": 1, "sockets": 1, "cores": 2, "threads": 2}
    assert host.choose_virt_type("lxc")[0] == "lxc" and kinds.of("lxc").uri == "lxc:///system" and kinds.of("auto").uri == "qemu:///system"


@pytest.mark.parametrize("wanted", ["kvm", "qemu"])
def test_a_virt_type_that_is_not_offered_is_refused_and_the_others_named(wanted):
    with pytest.raises(exception.ConfigurationError, match=f"cannot run {wanted} guests here, only lxc; see virt_type"):
        host.read_capabilities(CAPABILITIES, wanted)
    with pytest.raises(exception.ConfigurationError, match="cannot run lxc guests here, only qemu, kvm"):
        host.read_capabilities(CAPABILITIES.replace("<domain type='lxc'/>", "<domain type='qemu'/><domain type='kvm'/>"), "lxc")
