"""What a migration may take, and what of a guest's XML changes with its host: pure rules."""
from xml.etree import ElementTree

import pytest

from nova_lite.virt.libvirt import live_job, live_pace, relocation
from nova_lite.virt.libvirt.live_pace import LiveSettings

XML = """
<domain type='qemu'>
  <name>instance-12345678</name>
  <metadata><nova-lite:guest xmlns:nova-lite='urn:nova-lite:guest:1'>
    <nova-lite:name>/here/is not a path</nova-lite:name><nova-lite:state_path>/here</nova-lite:state_path>
  </nova-lite:guest></metadata>
  <os><type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type><kernel>/here/images/k</kernel><nvram>/here/servers/1/nvram</nvram></os>
  {cpu}
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='/here/servers/1/disk'/>
      <backingStore type='file'><source file='/here/images/i'/></backingStore><target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='/here/servers/1/disk.config'/><target dev='hdd'/></disk>
    <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/hereafter/disk'/><target dev='vdb' bus='virtio'/></disk>
    <serial type='pty'><log file='/here/servers/1/console.log' append='on'/></serial>
    <interface type='bridge'><mac address='fa:16:3e:00:00:01'/><address type='pci' bus='0x00' slot='0x03'/></interface>
  </devices>
  <seclabel type='static' model='dac' relabel='yes'><label>+0:+0</label></seclabel>
</domain>
"""


def relocated(run_as_root=False):
    return ElementTree.fromstring(relocation.relocate(XML.format(cpu=""), "/here", "/there/x", run_as_root))


def test_paths_and_the_mark_follow_the_destination():
    root = relocated()
    assert [node.get("file") for node in root.iterfind("devices/disk/source")] == ["/there/x/servers/1/disk", "/there/x/servers/1/disk.config",
                                                                                   "/hereafter/disk"]
    assert root.findtext("os/kernel") == "/there/x/images/k" and root.findtext("os/nvram") == "/there/x/servers/1/nvram"
    assert root.find("devices/serial/log").get("file") == "/there/x/servers/1/console.log"
    assert root.findtext(".//{urn:nova-lite:guest:1}state_path") == "/there/x"
    assert root.find("devices/disk/backingStore") is None


def test_what_the_guest_sees_stays():
    root = relocated()
    assert root.findtext(".//{urn:nova-lite:guest:1}name") == "/here/is not a path"
    assert root.find("devices/interface/address").attrib == {"type": "pci", "bus": "0x00", "slot": "0x03"}
    assert root.find("os/type").get("machine") == "pc-i440fx-7.2"


@pytest.mark.parametrize("run_as_root", [True, False])
def test_the_account_is_the_destination_s(run_as_root):
    assert [label.findtext("label") for label in relocated(run_as_root).findall("seclabel")] == (["+0:+0"] if run_as_root else [])


def test_the_cpus_are_the_destination_s():
    vcpu = "<vcpu placement='static' cpuset='0-1'>2</vcpu><cputune><shares>9</shares></cputune><memoryBacking><locked/></memoryBacking>"
    xml, there = XML.format(cpu=vcpu), {"floor": None, "cputune": "<cputune><vcpupin vcpu='0' cpuset='5'/></cputune>", "numatune": "<numatune/>",
                                        "memoryBacking": None}
    root = ElementTree.fromstring(relocation.relocate(xml, "/here", "/there", False, there))
    assert [node.attrib for node in root.iterfind("cputune/*")] == [{"vcpu": "0", "cpuset": "5"}]
    assert root.find("vcpu").attrib == {"placement": "static"} and root.find("numatune") is not None and root.find("memoryBacking") is None
    root = ElementTree.fromstring(relocation.relocate(xml, "/here", "/there", False, {**there, "floor": "7"}))
    assert root.find("vcpu").attrib == {"placement": "static", "cpuset": "7"}
    root = ElementTree.fromstring(relocation.relocate(xml, "/here", "/there", False))
    assert root.find("vcpu").get("cpuset") == "0-1" and root.find("memoryBacking/locked") is not None


@pytest.mark.parametrize(("cpu", "named"), [("", False), ("<cpu><topology sockets='1' cores='1' threads='1'/></cpu>", False),
                                            ("<cpu mode='custom' match='exact'><model>Nehalem</model></cpu>", True),
                                            ("<cpu mode='host-passthrough'/>", True)])
def test_facts_name_a_cpu_where_it_matters(cpu, named):
    facts = relocation.facts(XML.format(cpu=cpu))
    assert (facts["virt_type"], facts["arch"], facts["machine"]) == ("qemu", "x86_64", "pc-i440fx-7.2")
    assert (facts["cpu"] is not None) == named


def test_disks_are_those_with_a_content_of_their_own():
    assert [(disk["target"], disk["format"], disk["cache"]) for disk in relocation.disks(XML.format(cpu=""))] == [
        ("vda", "qcow2", "none"), ("vdb", "raw", None)]


def test_the_silence_that_is_allowed_grows_to_the_limit():
    settings = LiveSettings(downtime=500, downtime_steps=10, downtime_delay=75)
    allowed = [live_pace.downtime(settings, 2, seconds) for seconds in range(0, 1600, 50)]
    assert allowed == sorted(allowed) and allowed[0] == 50 and allowed[-1] == 500 and len(set(allowed)) == 10
    assert live_pace.downtime(settings, 4, 150) < live_pace.downtime(settings, 2, 150)


def test_time_is_over_by_size():
    settings = LiveSettings(completion_timeout=800)
    assert not live_pace.is_late(settings, 2, 1600) and live_pace.is_late(settings, 2, 1601) and not live_pace.is_late(settings, 3, 1601)
    assert not live_pace.is_late(LiveSettings(completion_timeout=0), 2, 1e9)


def test_size_is_memory_and_disk():
    assert live_pace.size_gb(128, 0) == 2
    assert live_pace.size_gb(4096, 10 << 30) == 14
    assert live_pace.size_gb(4097, 0) == 5


@pytest.mark.parametrize(("post_copy", "then"), [(True, ("migrateStartPostCopy", 0)), (False, ("suspend",))])
def test_who_hurries_has_all_of_the_line(post_copy, then):
    class Domain:
        """What libvirt would be asked."""

        def __init__(self):
            self.asked = []

        def __getattr__(self, name):
            return lambda *args: self.asked.append((name, *args))
    domain = Domain()
    live_job.hurry(domain, post_copy)
    assert domain.asked == [("migrateSetMaxSpeed", 8796093022207), then]
