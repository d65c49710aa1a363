"""PCI devices of a host: read from libvirt's node devices, and given to guests."""
from xml.etree import ElementTree

from nova_lite.pci.devices import PCI, PF, VF, Device
from nova_lite.virt import types
from nova_lite.virt.libvirt import pci
from nova_lite.virt.libvirt.domain import domain_xml
from nova_lite.virt.libvirt.host import HostCapabilities
from nova_lite.virt.libvirt.settings import LibvirtSettings

CARD = """<device><name>pci_0000_81_00_0</name><parent>pci_0000_80_01_0</parent><driver><name>igb</name></driver>
<capability type='pci'><class>0x020000</class><domain>0</domain><bus>129</bus><slot>0</slot><function>0</function>
<product id='0x1521'>I350</product><vendor id='0x8086'>Intel Corporation</vendor>
<capability type='virt_functions' maxCount='7'><address domain='0x0000' bus='0x81' slot='0x10' function='0x0'/></capability>
<iommuGroup number='4'><address domain='0x0000' bus='0x81' slot='0x00' function='0x0'/></iommuGroup><numa node='1'/></capability></device>"""
FUNCTION = """<device><name>pci_0000_81_10_0</name><parent>pci_0000_80_01_0</parent>
<capability type='pci'><domain>0</domain><bus>129</bus><slot>16</slot><function>0</function>
<product id='0x1520'/><vendor id='0x8086'/>
<capability type='phys_function'><address domain='0x0000' bus='0x81' slot='0x00' function='0x0'/></capability>
<numa node='1'/></capability></device>"""
CHIP = """<device><name>pci_0001_00_1f_7</name><capability type='pci'><domain>1</domain><bus>0</bus><slot>31</slot><function>7</function>
<product id='0xA'/><vendor id='0x10DE'/><capability type='virt_functions' maxCount='0'/></capability></device>"""
INTERFACE = """<device><name>net_ens1f0_aa</name><parent>pci_0000_81_00_0</parent>
<capability type='net'><interface>ens1f0</interface></capability></device>"""
OTHER = "<device><name>computer</name><capability type='system'/></device>"


def test_node_devices_become_devices():
    assert pci.read([FUNCTION, CHIP, CARD, OTHER], [INTERFACE]) == (
        Device("0000:81:00.0", "8086", "1521", PF, 1, interface="ens1f0"),
        Device("0000:81:10.0", "8086", "1520", VF, 1, "0000:81:00.0"),
        Device("0001:00:1f.7", "10de", "000a", PCI))


def test_claimed_devices_are_the_guests():
    guest = types.Guest("3a0d2d8e-94a3-4f0b-b9b4-7d0b9a3f2c11", "s", "p", "u", "f", 1, 64, (), (),
                        pci=(types.PciDevice("0000:81:10.0"), types.PciDevice("0001:00:1f.7", managed=False)))
    host = HostCapabilities(arch="x86_64", virt_type="qemu", cpu={})
    root = ElementTree.fromstring(domain_xml(guest, host, LibvirtSettings(host="h", state_path="/s", machine="pc-q35-7.2")))
    one, two = root.findall("devices/hostdev")
    assert one.attrib == {"mode": "subsystem", "type": "pci", "managed": "yes"}
    assert one.find("source/address").attrib == {"domain": "0x0000", "bus": "0x81", "slot": "0x10", "function": "0x0"}
    assert two.attrib["managed"] == "no"
    assert two.find("source/address").attrib == {"domain": "0x0001", "bus": "0x00", "slot": "0x1f", "function": "0x7"}
    plain = ElementTree.fromstring(domain_xml(types.Guest("3a0d2d8e-94a3-4f0b-b9b4-7d0b9a3f2c11", "s", "p", "u", "f", 1, 64, (), ()), host,
                                              LibvirtSettings(host="h", state_path="/s", machine="pc-q35-7.2")))
    ports = [len(each.findall("devices/controller[@model='pcie-root-port']")) for each in (root, plain)]
    assert ports[0] == ports[1] + 2
