"""What image and flavor choose, in the domain's XML by values: firmware, devices, limits, pages, NUMA nodes; and what a host has not."""
import dataclasses
from xml.etree import ElementTree

import pytest

from nova_lite import exception
from nova_lite.numa import wanted
from nova_lite.numa.cells import HostCell
from nova_lite.numa.fit import fit
from nova_lite.virt import types
from nova_lite.virt.libvirt import choices, host
from nova_lite.virt.libvirt.domain import domain_xml
from nova_lite.virt.libvirt.settings import LibvirtSettings

SERVER = "0f2c81d0-6a53-4d35-9c0b-3c1c9a5d2b11"
CELLS = (HostCell(0, (0, 1), (2, 3), ((0, 2), (1, 3)), 4096, {2048: 1024, 1048576: 1}), HostCell(1, (4, 5), (6, 7), ((4, 6), (5, 7)), 4096))
HOST = host.HostCapabilities(arch="x86_64", virt_type="qemu", machines=frozenset({"pc", "q35"}), cpu_modes=frozenset({"host-model"}), cells=CELLS,
                             floor=(0, 1, 4, 5), tpm_versions=frozenset({"2.0"}))
ROOT = types.Disk("root", "vda", "virtio", 1024, None, boot=True)
GUEST = types.Guest(SERVER, "web", "p1", "u1", "m1.tiny", 4, 512, (ROOT,), (types.Nic("port", "fa:16:3e:00:00:01", "br7", "tap7"),))


def build(image=None, flavor=None, at=HOST, **changes):
    guest = dataclasses.replace(GUEST, properties=image or {}, extra_specs=flavor or {}, **changes)
    return ElementTree.fromstring(domain_xml(guest, at, LibvirtSettings(host="h1", state_path="/state")))


def refused(words, **asked):
    with pytest.raises(exception.HypervisorError, match=words):
        build(**asked)


# ---- words -----------------------------------------------------------------------------------------------------------------
# (image's properties, flavor's extra specs, path in the XML, attributes there)
DEVICES = [
    ({"hw_watchdog_action": "reset"}, {}, "devices/watchdog", {"model": "i6300esb", "action": "reset"}),
    ({}, {"hw:watchdog_action": "pause"}, "devices/watchdog", {"model": "i6300esb", "action": "pause"}),
    ({"hw_watchdog_action": "disabled"}, {}, "devices/watchdog", None),
    ({"hw_tpm_version": "2.0"}, {}, "devices/tpm", {"model": "tpm-crb"}),
    ({"hw_tpm_version": "2.0", "hw_tpm_model": "tpm-tis"}, {}, "devices/tpm", {"model": "tpm-tis"}),
    ({}, {"hw:tpm_version": "2.0"}, "devices/tpm/backend", {"type": "emulator", "version": "2.0"}),
    ({"hw_input_bus": "virtio"}, {}, "devices/input[@type='keyboard']", {"type": "keyboard", "bus": "virtio"}),
    ({"hw_pointer_model": "ps2mouse"}, {}, "devices/input", None),
    ({"hw_video_model": "qxl"}, {}, "devices/video/model", {"type": "qxl"}),
    ({"hw_video_ram": "8"}, {"hw_video:ram_max_mb": "16"}, "devices/video/model", {"type": "vga", "vram": "8192"}),
    ({"hw_rng_model": "virtio"}, {"hw_rng:allowed": "True"}, "devices/rng", {"model": "virtio"}),
    ({"hw_rng_model": "virtio"}, {"hw_rng:allowed": "False"}, "devices/rng", None),
    ({"hw_sound_model": "ich9"}, {}, "devices/sound", {"model": "ich9"}),
    ({"hw_usb_model": "nec-xhci"}, {}, "devices/controller[@type='usb']", {"type": "usb", "index": "0", "model": "nec-xhci"}),
    ({"hw_vif_multiqueue_enabled": "true"}, {}, "devices/interface/driver", {"queues": "4"}),
    ({"hw_boot_menu": "true"}, {}, "os/bootmenu", {"enable": "yes"}),
    ({"img_hide_hypervisor_id": "true"}, {}, "features/kvm/hidden", {"state": "on"}),
    ({}, {"hw:pmu": "no"}, "features/pmu", {"state": "off"}),
    ({}, {"hw:locked_memory": "True"}, "memoryBacking/locked", {}),
    ({"os_type": "windows"}, {}, "clock", {"offset": "localtime"}),
    ({"os_type": "linux"}, {}, "clock", {"offset": "utc"}),
]


@pytest.mark.parametrize(("image", "flavor", "path", "expected"), DEVICES)
def test_what_is_chosen_is_in_the_domain(image, flavor, path, expected):
    found = build(image, flavor).find(path)
    assert found is None if expected is None else found.attrib == expected


def test_only_virtio_has_many_queues_and_only_many_cpus_use_them():
    asked = {"hw:vif_multiqueue_enabled": "true"}
    assert build(flavor=asked, nics=(dataclasses.replace(GUEST.nics[0], model="e1000"),)).find("devices/interface/driver") is None
    assert build(flavor=asked, vcpus=1).find("devices/interface/driver") is None


def test_windows_on_kvm_is_told_what_it_runs_on():
    at = dataclasses.replace(HOST, virt_type="kvm")
    xml = build({"os_type": "windows"}, at=at)
    assert xml.find("features/hyperv/spinlocks").attrib == {"state": "on", "retries": "8191"}
    assert xml.find("clock/timer[@name='hypervclock']").get("present") == "yes"
    assert build({"os_type": "linux"}, at=at).find("features/hyperv") is None


@pytest.mark.parametrize("name", [name for name, choice in choices.TABLE.items() if choice.words])
def test_each_row_takes_its_words_and_no_other(name):
    for word in choices.TABLE[name].words:
        assert choices.chosen(dataclasses.replace(GUEST, properties={name: word}), name) == word
    with pytest.raises(exception.HypervisorError, match=f"{name} cannot be pigeon; use "):
        choices.chosen(dataclasses.replace(GUEST, properties={name: "pigeon"}), name)


def test_image_and_flavor_must_agree():
    refused("the image says hw_tpm_version=1.2, the flavor hw:tpm_version=2.0", image={"hw_tpm_version": "1.2"}, flavor={"hw:tpm_version": "2.0"})
    assert build({"hw_tpm_version": "2.0"}, {"hw:tpm_version": "2.0"}).find("devices/tpm") is not None


def test_what_this_host_has_not():
    refused("install swtpm", image={"hw_tpm_version": "1.2"})
    refused("hw_video:ram_max_mb", image={"hw_video_ram": "8"})
    refused("hw_video_ram", image={"hw_video_ram": "20"}, flavor={"hw_video:ram_max_mb": "16"})
    refused("which is not a number", flavor={"quota:cpu_shares": "many"})


# ---- limits ----------------------------------------------------------------------------------------------------------------
def test_cpu_time():
    tune = build(flavor={"quota:cpu_shares": "512", "quota:cpu_period": "20000", "quota:cpu_quota": "10000"}).find("cputune")
    assert [(node.tag, node.text) for node in tune] == [("shares", "512"), ("period", "20000"), ("quota", "10000")]
    assert build(flavor={"quota:cpu_quota": "-1"}).findtext("cputune/quota") == "-1"
    assert build().find("cputune") is None


def test_disks_and_nics():
    xml = build(flavor={"quota:disk_read_bytes_sec": "1048576", "quota:disk_total_iops_sec": "100", "quota:vif_inbound_average": "1000",
                        "quota:vif_inbound_peak": "2000", "quota:vif_outbound_burst": "64"},
                disks=(ROOT, types.Disk("swap", "vdb", "virtio", 64)))
    for disk in xml.iterfind("devices/disk"):
        assert {node.tag: node.text for node in disk.find("iotune")} == {"read_bytes_sec": "1048576", "total_iops_sec": "100"}
    assert xml.find("devices/interface/bandwidth/inbound").attrib == {"average": "1000", "peak": "2000"}
    assert xml.find("devices/interface/bandwidth/outbound").attrib == {"burst": "64"}
    assert build().find("devices/disk/iotune") is None and build().find("devices/interface/bandwidth") is None


# ---- memory and NUMA -------------------------------------------------------------------------------------------------------
def lie(at=HOST, vcpus=4, **specs):
    """The domain of a guest that lies on the host as the scheduler would have it."""
    flavor = {f"hw:{name}": value for name, value in specs.items()}
    topology = wanted.read({"vcpus": vcpus, "memory_mb": 512, "extra_specs": flavor}, {})
    return build(flavor=flavor, at=at, topology=topology, lying=fit(HOST.cells, {}, topology))


def pins(xml):
    return {int(pin.get("vcpu")): pin.get("cpuset") for pin in xml.iterfind("cputune/vcpupin")}


@pytest.mark.parametrize(("asked", "expected"), [("small", None), ("large", "2048"), ("any", "2048"), ("2048", "2048"), ("2MB", "2048"),
                                                 ("4KiB", None)])
def test_pages(asked, expected):
    xml = lie(vcpus=2, mem_page_size=asked)
    page = xml.find("memoryBacking/hugepages/page")
    assert page is None if expected is None else page.attrib == {"size": expected, "unit": "KiB", "nodeset": "0"}
    assert expected is None or xml.find("numatune/memnode").attrib == {"cellid": "0", "mode": "strict", "nodeset": "0"}


def test_numa_nodes_are_the_hosts():
    xml = lie(**{"numa_nodes": "2", "numa_cpus.0": "0-1", "numa_mem.0": "384", "numa_cpus.1": "2,3", "numa_mem.1": "128"})
    assert [cell.attrib for cell in xml.iterfind("cpu/numa/cell")] == [
        {"id": "0", "cpus": "0-1", "memory": "384", "unit": "MiB"}, {"id": "1", "cpus": "2-3", "memory": "128", "unit": "MiB"}]
    assert [int(node.get("nodeset")) for node in xml.iterfind("numatune/memnode")] == [0, 1]
    assert xml.find("numatune/memory").attrib == {"mode": "strict", "nodeset": "0-1"}
    assert pins(xml) == {0: "0-1", 1: "0-1", 2: "4-5", 3: "4-5"} and xml.find("cputune/emulatorpin").get("cpuset") == "0-1,4-5"
    assert xml.find("vcpu").attrib == {}


def test_guests_that_ask_for_nothing_keep_to_the_shared_cpus():
    xml = build()
    assert xml.find("numatune") is None and xml.find("cpu/numa") is None and xml.find("cputune") is None
    assert xml.find("vcpu").attrib == {"cpuset": "0-1,4-5"}
    assert build(at=dataclasses.replace(HOST, floor=None)).find("vcpu").attrib == {}


def test_dedicated_cpus():
    xml = lie(cpu_policy="dedicated", numa_nodes="2")
    assert sorted(pins(xml).values()) == ["2", "3", "6", "7"] and xml.find("cputune/emulatorpin").get("cpuset") == "2-3,6-7"
    shared = lie(cpu_policy="dedicated", numa_nodes="2", emulator_threads_policy="share")
    assert shared.find("cputune/emulatorpin").get("cpuset") == "0-1,4-5"
    alone = lie(cpu_policy="mixed", cpu_dedicated_mask="0", emulator_threads_policy="isolate", numa_nodes="2")
    assert alone.find("cputune/emulatorpin").get("cpuset") in "2 3 6 7".split() and pins(alone)[2] in ("0-1", "4-5")


def test_real_time_cpus():
    xml = lie(cpu_policy="mixed", cpu_realtime="yes", cpu_realtime_mask="3", numa_nodes="2")
    assert xml.find("cputune/vcpusched").attrib == {"vcpus": "3", "scheduler": "fifo", "priority": "1"}
    assert pins(xml)[3] not in xml.find("cputune/emulatorpin").get("cpuset")
    assert {node.tag for node in xml.find("memoryBacking")} == {"locked", "nosharepages"}


def test_what_was_promised_must_still_be_there():
    refused("this host has promised it none", topology=wanted.read({"vcpus": 4, "memory_mb": 512, "extra_specs": {"hw:numa_nodes": "1"}}, {}))
    fewer = dataclasses.replace(HOST, cells=(dataclasses.replace(CELLS[0], dedicated=(2,)), CELLS[1]))
    with pytest.raises(exception.HypervisorError, match="no longer gives guests the dedicated CPUs 3"):
        lie(fewer, cpu_policy="dedicated", numa_nodes="2")
    with pytest.raises(exception.HypervisorError, match="no longer gives guests its NUMA nodes 1"):
        lie(dataclasses.replace(HOST, cells=CELLS[:1]), cpu_policy="dedicated", numa_nodes="2")
