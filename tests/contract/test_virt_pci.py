"""The machine's own PCI devices as libvirt lists them, and a guest that is defined with some of them (not started: they are in use)."""
import pathlib

import libvirt
import pytest

from nova_lite.virt import types
from nova_lite.virt.libvirt import pci
from nova_lite.virt.libvirt.domain import domain_xml
from nova_lite.virt.libvirt.host import HostCapabilities
from nova_lite.virt.libvirt.settings import LibvirtSettings

SYSTEM = pathlib.Path("/sys/bus/pci/devices")


@pytest.fixture
def connect(libvirt_uri):
    connect = libvirt.open(libvirt_uri)
    yield connect
    connect.close()


def word(address: str, name: str) -> str:
    return (SYSTEM / address / name).read_text().strip().removeprefix("0x")


def test_libvirt_lists_what_the_kernel_has(connect):
    addresses = sorted(each.name for each in SYSTEM.glob("*"))
    if not addresses:
        pytest.skip("this machine has no PCI devices")
    found = pci.devices(connect)
    assert [device.address for device in found] == addresses
    for device in found:
        assert (device.vendor_id, device.product_id) == (word(device.address, "vendor"), word(device.address, "device"))
        if device.interface:
            assert any((SYSTEM / device.address).rglob(f"net/{device.interface}"))


def test_libvirt_takes_a_guest_with_devices(connect):
    guest = types.Guest("3a0d2d8e-94a3-4f0b-b9b4-7d0b9a3f2c11", "s", "p", "u", "f", 1, 64, (), (),
                        pci=(types.PciDevice("0000:81:10.0"), types.PciDevice("0001:00:1f.7", managed=False)))
    host = HostCapabilities(arch="x86_64", virt_type="qemu", cpu={})
    text = domain_xml(guest, host, LibvirtSettings(host="h", state_path="/s", vnc=False, machine="pc"))
    domain = connect.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    try:
        assert domain.XMLDesc().count("<hostdev mode='subsystem' type='pci' managed='yes'>") == 1
        assert domain.XMLDesc().count("<hostdev mode='subsystem' type='pci' managed='no'>") == 1
    finally:
        domain.undefine()
