"""Domain XML by values: what a Guest asks for and where it shows."""
import dataclasses
from xml.etree import ElementTree

import pytest

from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.libvirt.domain import SPARE_PCI_PORTS, domain_xml
from nova_lite.virt.libvirt.host import HostCapabilities
from nova_lite.virt.libvirt.settings import LibvirtSettings
from nova_lite.virt.libvirt.xml import domain as dom
from nova_lite.virt.libvirt.xml.element import Element, Flag, Part, Value, to_text

SERVER = "0f2c81d0-6a53-4d35-9c0b-3c1c9a5d2b11"
HOST = HostCapabilities(arch="x86_64", virt_type="qemu", machines=frozenset({"pc", "q35"}),
                        cpu_modes=frozenset({"host-model", "maximum"}), direct_io=True)
SETTINGS = LibvirtSettings(host="h1", state_path="/state")
ROOT = types.Disk("root", "vda", "virtio", 1024, types.ImageSource("img", "qcow2", 5), boot=True)
GUEST = types.Guest(SERVER, "web", "p1", "u1", "m1.tiny", 2, 512, (ROOT,),
                    (types.Nic("port", "fa:16:3e:00:00:01", "br7", "tap7", mtu=1450),))


def build(host=HOST, settings=SETTINGS, **changes):
    return ElementTree.fromstring(domain_xml(dataclasses.replace(GUEST, **changes), host, settings))


def test_elements_write_what_they_declare():
    class Leaf(Element):
        tag = "leaf"
        name = Value("@name")

    class Tree(Element):
        tag = "tree"
        kind = Value("trunk/@kind", "oak")
        text = Value("trunk")
        dry = Flag("dry")
        leaves = Part("crown")
        tall = Value("@tall")

    text = to_text(Tree(text="<&>", dry=True, leaves=[Leaf(name="a"), Leaf(name="b")], tall=True))
    node = ElementTree.fromstring(text)
    assert node.find("trunk").attrib == {"kind": "oak"} and node.findtext("trunk") == "<&>"
    assert [leaf.get("name") for leaf in node.iterfind("crown/leaf")] == ["a", "b"]
    assert node.find("dry") is not None and node.get("tall") == "yes"
    assert ElementTree.fromstring(to_text(Tree())).find("crown") is None
    with pytest.raises(TypeError, match="<tree> has no bark"):
        Tree(bark=1)


def test_identity_size_and_mark():
    xml = build()
    assert (xml.get("type"), xml.findtext("uuid"), xml.findtext("name")) == ("qemu", SERVER, "instance-0f2c81d0")
    assert (xml.findtext("memory"), xml.find("memory").get("unit"), xml.findtext("vcpu")) == ("512", "MiB", "2")
    mark = xml.find(f"metadata/{{{dom.NAMESPACE}}}guest")
    assert [child.text for child in mark] == ["web", "m1.tiny", "p1", "u1", "/state"]
    assert dom.read_state_path(ElementTree.tostring(mark, encoding="unicode")) == "/state"
    assert dom.read_state_path("<guest><name>n</name><state_path>/other</state_path></guest>") == "/other"
    assert dom.read_state_path("<guest><name>n</name></guest>") is None


@pytest.mark.parametrize("name", ["<b>&\"'", "tab\there", "nul\0\x1b", "Grüße 雲", "\ud800"])
def test_any_server_name_makes_valid_xml(name):
    xml = build(name=name)
    written = xml.find(f"metadata/{{{dom.NAMESPACE}}}guest/{{{dom.NAMESPACE}}}name").text
    assert len(written) == len(name)


def test_cloud_init_recognizes_the_machine():
    entries = {e.get("name"): e.text for e in build().iterfind("sysinfo/system/entry")}
    assert entries["product"] == "OpenStack Nova" and entries["uuid"] == SERVER
    assert build().find("os/smbios").get("mode") == "sysinfo"


def test_root_disk_and_nic():
    xml = build()
    disk, nic = xml.find("devices/disk"), xml.find("devices/interface")
    assert disk.find("driver").attrib == {"name": "qemu", "type": "qcow2", "cache": "none", "io": "native", "discard": "unmap"}
    assert disk.find("source").get("file") == f"/state/servers/{SERVER}/disk"
    assert disk.find("target").attrib == {"dev": "vda", "bus": "virtio"} and disk.find("boot").get("order") == "1"
    assert nic.get("type") == "bridge" and nic.find("source").get("bridge") == "br7" and nic.find("target").get("dev") == "tap7"
    assert nic.find("mac").get("address") == "fa:16:3e:00:00:01" and nic.find("mtu").get("size") == "1450"
    assert nic.find("rom").get("enabled") == "no"


def test_cache_mode_follows_the_file_system_and_the_setting():
    assert build(dataclasses.replace(HOST, direct_io=False)).find("devices/disk/driver").get("cache") == "writeback"
    chosen = build(settings=dataclasses.replace(SETTINGS, disk_cache="directsync")).find("devices/disk/driver")
    assert (chosen.get("cache"), chosen.get("io")) == ("directsync", None)


def test_every_kind_of_disk_has_a_file_of_its_own():
    disks = (ROOT, types.Disk("ephemeral", "vdb", "virtio", 10), types.Disk("ephemeral", "/dev/vdc", "virtio", 10),
             types.Disk("swap", "vdd", "virtio", 10))
    found = [(d.find("target").get("dev"), d.find("source").get("file").rpartition("/")[2], d.find("driver").get("type"))
             for d in build(disks=disks).iterfind("devices/disk")]
    assert found == [("vda", "disk", "qcow2"), ("vdb", "disk.eph0", "raw"), ("vdc", "disk.eph1", "raw"), ("vdd", "disk.swap", "raw")]


@pytest.mark.parametrize("machine, bus", [("pc", "ide"), ("q35", "sata")])
def test_config_drive_is_a_cdrom_on_a_bus_that_the_machine_has(machine, bus):
    drive = build(config_drive={"a": b""}, properties={"hw_machine_type": machine}).findall("devices/disk")[-1]
    assert drive.get("device") == "cdrom" and drive.find("target").get("bus") == bus and drive.find("readonly") is not None


def test_config_drive_goes_where_it_is_asked_to():
    disks = (ROOT, types.Disk("config", "sdb", "scsi"))
    xml = build(config_drive={"a": b""}, disks=disks)
    assert xml.findall("devices/disk")[-1].find("target").attrib == {"dev": "sdb", "bus": "scsi"}
    assert xml.find("devices/controller[@type='scsi']").get("model") == "virtio-scsi"


def test_direct_kernel_boot():
    kernel, ramdisk = types.ImageSource("k1", "aki", 1), types.ImageSource("r1", "ari", 1)
    xml = build(kernel=kernel, ramdisk=ramdisk)
    assert xml.findtext("os/kernel") == "/state/images/k1" and xml.findtext("os/initrd") == "/state/images/r1"
    assert xml.findtext("os/cmdline") == "root=/dev/vda console=tty0 console=ttyS0"
    assert xml.find("devices/disk/boot") is None
    assert build(kernel=kernel, properties={"os_command_line": "a=b"}).findtext("os/cmdline") == "a=b"
    assert build(kernel=kernel, kernel_cmdline="c=d", properties={"os_command_line": "a=b"}).findtext("os/cmdline") == "c=d"


def test_console_is_a_pty_with_a_log():
    serial = build().find("devices/serial")
    assert serial.get("type") == "pty"
    assert serial.find("log").attrib == {"file": f"/state/servers/{SERVER}/console.log", "append": "on"}


def test_screens_listen_nowhere():
    assert build().find("devices/graphics").attrib == {"type": "vnc"}
    assert build().find("devices/graphics/listen").attrib == {"type": "none"}
    both = build(settings=dataclasses.replace(SETTINGS, spice=True))
    assert [found.get("type") for found in both.findall("devices/graphics")] == ["vnc", "spice"]
    assert build(settings=dataclasses.replace(SETTINGS, vnc=False)).find("devices/graphics") is None
    bare = build(properties={"hw_video_model": "none"})
    assert bare.find("devices/graphics") is None and bare.find("devices/video/model").get("type") == "none"


def test_pci_express_machines_have_ports_to_spare():
    ports = build(properties={"hw_machine_type": "q35"}).findall("devices/controller[@model='pcie-root-port']")
    assert len(ports) >= SPARE_PCI_PORTS + 2
    assert build().find("devices/controller[@model='pcie-root-port']") is None


@pytest.mark.parametrize("vcpus, asked, expected", [
    (4, {}, (4, 1, 1)), (4, {"hw_cpu_sockets": "1", "hw_cpu_cores": "4"}, (1, 4, 1)), (8, {"hw_cpu_cores": 2, "hw_cpu_threads": 2}, (2, 2, 2)),
    (3, {"hw_cpu_cores": "2"}, (3, 1, 1)), (2, {"hw_cpu_cores": "many"}, (2, 1, 1)), (1, {"hw_cpu_cores": "0"}, (1, 1, 1)),
])
def test_topology_always_multiplies_to_the_flavor(vcpus, asked, expected):
    topology = build(vcpus=vcpus, properties=asked).find("cpu/topology")
    assert tuple(int(topology.get(k)) for k in ("sockets", "cores", "threads")) == expected


def test_flavor_wins_over_image_in_topology():
    topology = build(vcpus=4, properties={"hw_cpu_cores": "4"}, extra_specs={"hw:cpu_cores": "2"}).find("cpu/topology")
    assert topology.get("cores") == "2"


def test_cpu_modes():
    assert build().find("cpu").get("mode") is None
    assert build(dataclasses.replace(HOST, virt_type="kvm")).find("cpu").get("mode") == "host-model"
    assert build(settings=dataclasses.replace(SETTINGS, cpu_mode="maximum")).find("cpu").get("mode") == "maximum"
    custom = build(settings=dataclasses.replace(SETTINGS, cpu_mode="custom", cpu_model="Nehalem")).find("cpu")
    assert custom.get("mode") == "custom" and custom.findtext("model") == "Nehalem"


def test_uefi():
    xml = build(dataclasses.replace(HOST, has_uefi=True), properties={"hw_firmware_type": "uefi"})
    assert xml.find("os").get("firmware") == "efi" and xml.findtext("os/nvram") == f"/state/servers/{SERVER}/nvram"


@pytest.mark.parametrize("asked, expected", [({}, "no"), ({"os_secure_boot": "required"}, "yes"), ({"os_secure_boot": "optional"}, "no")])
def test_secure_boot_only_where_it_is_required(asked, expected):
    xml = build(dataclasses.replace(HOST, has_uefi=True), properties={"hw_firmware_type": "uefi", **asked})
    assert {f.get("name"): f.get("enabled") for f in xml.iterfind("os/firmware/feature")} == {
        "secure-boot": expected, "enrolled-keys": expected}
    assert (xml.find("features/smm") is not None) == (expected == "yes")


@pytest.mark.parametrize("changes, settings, words", [
    ({"properties": {"hw_machine_type": "toaster"}}, {}, "hw_machine_type"),
    ({"properties": {"hw_firmware_type": "uefi"}}, {}, "ovmf"),
    ({"properties": {"hw_video_model": "crt"}}, {}, "hw_video_model"),
    ({"disks": (types.Disk("root", "vda", "carrier-pigeon", 1),)}, {}, "hw_disk_bus"),
    ({"nics": (types.Nic("p", "m", "b", "t", model="ne1"),)}, {}, "hw_vif_model"),
    ({}, {"cpu_mode": "host-passthrough"}, "cpu_mode"),
])
def test_what_this_host_lacks_is_said(changes, settings, words):
    with pytest.raises(exception.HypervisorError, match=words):
        build(settings=dataclasses.replace(SETTINGS, **settings), **changes)


def test_randomness_is_always_there_and_can_be_limited():
    assert build().findtext("devices/rng/backend") == "/dev/urandom" and build().find("devices/rng/rate") is None
    assert build(extra_specs={"hw_rng:rate_bytes": "1024"}).find("devices/rng/rate").attrib == {"period": "1000", "bytes": "1024"}


def test_guests_run_as_root_only_where_they_must():
    assert build().find("seclabel") is None
    assert build(dataclasses.replace(HOST, run_as_root=True)).findtext("seclabel/label") == "+0:+0"


def test_arm_machines():
    arm = HostCapabilities(arch="aarch64", virt_type="qemu", has_uefi=True, cpu_modes=frozenset({"maximum"}))
    xml = build(arm, kernel=types.ImageSource("k", "aki", 1))
    assert xml.find("os/type").get("machine") == "virt" and xml.find("os").get("firmware") == "efi"
    assert xml.findtext("os/cmdline").endswith("console=ttyAMA0") and xml.find("features/apic") is None


def test_a_path_cannot_be_smuggled_in():
    with pytest.raises(exception.HypervisorError, match="cannot be the name of a file"):
        build(kernel=types.ImageSource("../../etc/shadow", "aki", 1))
    with pytest.raises(exception.HypervisorError):
        build(server_id="..")
