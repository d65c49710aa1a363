"""The host's PCI devices as libvirt lists them."""
from collections.abc import Iterable
from xml.etree import ElementTree

import libvirt

from nova_lite.pci.devices import PCI, PF, VF, Device


def devices(connect) -> tuple[Device, ...]:
    """All of them, those that no guest can be given included. Blocks; run by ``Connection.call``."""
    kinds = (libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV, libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET)
    pci, net = ([text for text in map(_described, connect.listAllDevices(kind)) if text is not None] for kind in kinds)
    return read(pci, net)


def _described(device) -> str | None:
    try:
        return device.XMLDesc(0)
    except libvirt.libvirtError as error:
        # Devices come and go: interfaces of guests above all.
        if error.get_error_code() == libvirt.VIR_ERR_NO_NODE_DEVICE:
            return None
        raise


def read(pci: Iterable[str], net: Iterable[str] = ()) -> tuple[Device, ...]:
    """Devices from the XML of node devices; ``net``: of network interfaces, which are named after their devices."""
    interfaces = {}
    for document in net:
        root = ElementTree.fromstring(document)
        interfaces[root.findtext("parent")] = root.findtext("capability/interface")
    found = []
    for document in pci:
        root = ElementTree.fromstring(document)
        own = root.find("capability[@type='pci']")
        if own is not None:
            found.append(_device(own, interfaces.get(root.findtext("name"))))
    return tuple(sorted(found, key=lambda device: device.address))


def _device(own: ElementTree.Element, interface: str | None) -> Device:
    address = _address(*(int(own.findtext(part) or 0) for part in ("domain", "bus", "slot", "function")))
    physical = own.find("capability[@type='phys_function']/address")
    virtual = own.find("capability[@type='virt_functions']")
    kind, parent = PCI, None
    if physical is not None:
        kind, parent = VF, _address(*(int(physical.get(part, "0"), 16) for part in ("domain", "bus", "slot", "function")))
    elif virtual is not None and (virtual.find("address") is not None or int(virtual.get("maxCount", 0))):
        kind = PF
    numa = own.find("numa")
    return Device(address, _id(own, "vendor"), _id(own, "product"), kind, None if numa is None else int(numa.get("node", 0)), parent, interface)


def _address(domain: int, bus: int, slot: int, function: int) -> str:
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _id(own: ElementTree.Element, name: str) -> str:
    node = own.find(name)
    return "0000" if node is None else node.get("id", "0x0000").removeprefix("0x").lower().zfill(4)
