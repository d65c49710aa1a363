"""What the host can do: from documents and from the machine."""
import os

import pytest

from nova_lite import exception
from nova_lite.numa import sets
from nova_lite.numa.cells import HostCell
from nova_lite.virt.libvirt import host

CAPABILITIES = """<capabilities><host><cpu><arch>x86_64</arch><model>Broadwell</model><vendor>Intel</vendor>
<topology sockets='1' dies='1' cores='2' threads='2'/><feature name='vme'/><feature name='avx'/></cpu>
<secmodel><model>none</model></secmodel>
<secmodel><model>dac</model><baselabel type='kvm'>+1:+2</baselabel><baselabel type='qemu'>+64055:+110</baselabel></secmodel></host>
<guest><os_type>hvm</os_type><arch name='i686'><domain type='qemu'/></arch></guest>
<guest><os_type>hvm</os_type><arch name='x86_64'><machine canonical='pc-i440fx-7.2'>pc</machine><domain type='qemu'/></arch></guest>
</capabilities>"""
DOMAIN_CAPABILITIES = """<domainCapabilities><os><enum name='firmware'><value>efi</value></enum></os>
<cpu><mode name='host-passthrough' supported='no'/><mode name='maximum' supported='yes'/></cpu></domainCapabilities>"""


@pytest.fixture
def files(tmp_path):
    def make(flags="fpu vmx", kvm=True):
        (tmp_path / "cpuinfo").write_text(f"processor: 0\nflags\t\t: {flags}\n")
        if kvm:
            (tmp_path / "kvm").touch()
        return str(tmp_path / "cpuinfo"), str(tmp_path / "kvm")
    return make


x86_only = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the CPU flags of x86")


def test_kvm_where_the_cpu_can_and_the_device_opens(files):
    assert host.choose_virt_type("auto", *files())[0] == "kvm"
    assert host.choose_virt_type("kvm", *files("svm"))[0] == "kvm"
    assert host.choose_virt_type("qemu", *files())[0] == "qemu"


@x86_only
def test_a_device_alone_is_not_enough(files):
    kind, why = host.choose_virt_type("auto", *files("fpu"))
    assert kind == "qemu" and "neither vmx nor svm" in why


def test_a_cpu_alone_is_not_enough(files):
    kind, why = host.choose_virt_type("auto", *files(kvm=False))
    assert kind == "qemu" and "cannot be opened" in why


def test_kvm_is_never_replaced_silently(files):
    with pytest.raises(exception.ConfigurationError, match="set it to qemu or auto"):
        host.choose_virt_type("kvm", *files(kvm=False))
    with pytest.raises(exception.ConfigurationError, match="auto, kvm, qemu or lxc"):
        host.choose_virt_type("xen", *files())


def test_capabilities():
    found = host.read_capabilities(CAPABILITIES, "qemu")
    assert (found.arch, found.qemu_uid, found.qemu_gid, found.guest_types) == ("x86_64", 64055, 110, ("qemu",))
    assert found.machines == {"pc", "pc-i440fx-7.2"}
    assert found.cpu == {"arch": "x86_64", "model": "Broadwell", "vendor": "Intel", "features": ["avx", "vme"],
                         "topology": {"cells": 1, "sockets": 1, "cores": 2, "threads": 2}}
    found = host.with_domain_capabilities(found, DOMAIN_CAPABILITIES)
    assert found.has_uefi and found.cpu_modes == {"maximum"}


def test_what_libvirt_cannot_run_is_said():
    with pytest.raises(exception.ConfigurationError, match="cannot run kvm guests here, only qemu"):
        host.read_capabilities(CAPABILITIES, "kvm")
    with pytest.raises(exception.ConfigurationError, match="no emulator for s390x"):
        host.read_capabilities(CAPABILITIES.replace("<arch>x86_64<", "<arch>s390x<"), "qemu")


def test_the_folder_that_keeps_qemu_out_is_named(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        folder.chmod(0o711)
    stranger = os.getuid() + 4711
    outer = host.blocked_folder(str(tmp_path), stranger, stranger)
    assert host.blocked_folder(str(inner), stranger, stranger) == outer
    assert host.blocked_folder(str(inner), os.getuid(), os.getgid()) is None
    inner.parent.chmod(0o700)
    assert host.blocked_folder(str(inner), stranger, stranger) == (outer or str(inner.parent))


def test_direct_io_leaves_no_file(tmp_path):
    assert host.takes_direct_io(str(tmp_path)) in (True, False)
    assert list(tmp_path.iterdir()) == []


# ---- CPUs and memory -------------------------------------------------------------------------------------------------------
TOPOLOGY = """<topology><cells num='2'>
<cell id='0'><memory unit='KiB'>8388608</memory><pages unit='KiB' size='4'>1048576</pages><pages unit='KiB' size='2048'>2048</pages>
<pages unit='KiB' size='1048576'>0</pages><cpus num='4'><cpu id='0' siblings='0,2'/><cpu id='1' siblings='1,3'/><cpu id='2' siblings='0,2'/>
<cpu id='3' siblings='1,3'/></cpus></cell>
<cell id='1'><memory unit='KiB'>1048576</memory><cpus num='3'><cpu id='4' siblings='4-5'/><cpu id='5' siblings='4-5'/><cpu id='6'/></cpus></cell>
</cells></topology></host>"""


def test_numa_nodes():
    found = host.read_capabilities(CAPABILITIES.replace("</host>", TOPOLOGY), "qemu")
    assert found.cells == (HostCell(0, (0, 1, 2, 3), (), ((0, 2), (1, 3)), 4096, {2048: 2048}), HostCell(1, (4, 5), (), ((4, 5),), 1024, {}))
    chosen = host.with_cpu_sets(found, sets.read("0-1", "2,4-5", ["node:0,size:2MB,count:48"]))
    assert chosen.cells == (HostCell(0, (0, 1), (2,), ((0, 2),), 4096, {2048: 2000}), HostCell(1, (), (4, 5), ((4, 5),), 1024, {}))
    assert chosen.floor == (0, 1) and host.with_cpu_sets(found, sets.ALL_SHARED).cells == found.cells
    assert [cell.shared for cell in host.with_cpu_sets(found, sets.read(None, "3")).cells] == [(), ()]


@pytest.mark.parametrize(("shared", "dedicated", "reserved", "words"), [
    ("0", "0-1", [], "both name the CPUs 0"), ("x", None, [], "cpu_shared_set is 'x': Invalid inclusion expression 'x'"),
    (None, "^1", [], "names no CPU"), (None, None, ["node:0"], "write it as node:0,size:2048,count:64"),
    (None, None, ["node:0,size:big,count:1"], "write it as"), (None, None, ["node:0,size:any,count:1"], "write it as"),
    (None, "6-7", [], "cpu_dedicated_set names the CPUs 6-7; this host has 0-5 on line"), ("9", None, [], "cpu_shared_set names the CPUs 9"),
])
def test_what_operators_cannot_say_of_cpus(shared, dedicated, reserved, words):
    found = host.read_capabilities(CAPABILITIES.replace("</host>", TOPOLOGY), "qemu")
    with pytest.raises(exception.ConfigurationError) as caught:
        host.with_cpu_sets(found, sets.read(shared, dedicated, reserved))
    assert words in str(caught.value)


def test_dedicated_cpus_need_numa_nodes():
    with pytest.raises(exception.ConfigurationError, match="does not tell this host's NUMA nodes"):
        host.with_cpu_sets(host.read_capabilities(CAPABILITIES, "qemu"), sets.read(None, "1"))
