"""Devices that come and go while the guest runs. Each function takes a virDomain, in a native thread, unless it says otherwise."""
from collections.abc import Callable
from xml.etree import ElementTree

import libvirt

from nova_lite import clock, exception
from nova_lite.virt.libvirt import polling

RESEND_SECONDS = 5.0


def attach_nic(domain, mac: str, xml: str) -> None:
    """Plug a NIC in; one that is off, or has the NIC, is left as it is."""
    if domain.isActive() and _nic(domain, mac) is None:
        domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def detach_nic(on_domain: Callable, server_id: str, mac: str, timeout: float) -> None:
    """Ask the guest to let go of a NIC until it has. In a green thread; ``on_domain(server_id, function, *args)`` runs libvirt calls.

    Raises HypervisorError after ``timeout`` seconds.
    """
    deadline = clock.monotonic() + timeout
    asked, pauses = None, polling.pauses()
    while on_domain(server_id, _has_nic, mac):
        if clock.monotonic() >= deadline:
            raise exception.HypervisorError(reason=f"the guest has not let go of NIC {mac} within {timeout} s")
        if asked is None or clock.monotonic() - asked >= RESEND_SECONDS:
            on_domain(server_id, _ask_to_detach, mac)
            asked = clock.monotonic()
        next(pauses)


def _has_nic(domain, mac: str) -> bool:
    return bool(domain.isActive()) and _nic(domain, mac) is not None


def _ask_to_detach(domain, mac: str) -> None:
    node = _nic(domain, mac)
    if node is None:
        return
    try:
        domain.detachDeviceFlags(ElementTree.tostring(node, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as error:
        # It went meanwhile, or the guest is still at an earlier request.
        if error.get_error_code() not in (libvirt.VIR_ERR_DEVICE_MISSING, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_INTERNAL_ERROR):
            raise


def _nic(domain, mac: str) -> ElementTree.Element | None:
    for node in ElementTree.fromstring(domain.XMLDesc(0)).iterfind("devices/interface"):
        if node.find("mac").get("address") == mac.lower():
            return node
    return None
