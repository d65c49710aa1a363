"""What the host can do: from documents and from the machine."""
import os

import pytest

from nova_lite import exception
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
    with pytest.raises(exception.ConfigurationError, match="auto, kvm or qemu"):
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
