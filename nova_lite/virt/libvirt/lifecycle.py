"""A guest's life in libvirt calls. Each function runs in a native thread, takes the virConnect first, and makes true what it says."""
import contextlib

import libvirt

from nova_lite import exception
from nova_lite.virt.libvirt.connection import is_missing
from nova_lite.virt.libvirt.xml.domain import NAMESPACE
from nova_lite.virt.types import PowerState

_STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: PowerState.NOSTATE,
    libvirt.VIR_DOMAIN_RUNNING: PowerState.RUNNING,
    # A vCPU that waits for its block device counts as running.
    libvirt.VIR_DOMAIN_BLOCKED: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: PowerState.PAUSED,
    # libvirt says so while the guest still shuts down.
    libvirt.VIR_DOMAIN_SHUTDOWN: PowerState.SHUTDOWN,
    libvirt.VIR_DOMAIN_SHUTOFF: PowerState.SHUTDOWN,
    libvirt.VIR_DOMAIN_CRASHED: PowerState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: PowerState.SUSPENDED,
}
_UNDEFINE = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA


class Recognizer:
    """Remembers which domains are ours, so that libvirt is asked once a domain."""

    def __init__(self):
        self._verdicts: dict[str, bool] = {}

    def verdict(self, uuid: str) -> bool | None:
        """True, False, or None where libvirt must be asked."""
        return self._verdicts.get(uuid)

    def learn(self, uuid: str, ours: bool) -> None:
        """Remember the answer."""
        self._verdicts[uuid] = ours

    def keep(self, uuids: set[str]) -> None:
        """Forget domains that are no longer there."""
        for uuid in self._verdicts.keys() - uuids:
            self._verdicts.pop(uuid, None)


def find(link, server_id: str):
    """The domain of a server. Raises GuestNotFound when there is none, or one that is not ours."""
    try:
        domain = link.lookupByUUIDString(server_id)
    except libvirt.libvirtError as error:
        # An id that is no UUID cannot be a domain's either.
        if is_missing(error) or error.get_error_code() == libvirt.VIR_ERR_INVALID_ARG:
            raise exception.GuestNotFound(server_id=server_id)
        raise
    if not _has_mark(domain):
        raise exception.GuestNotFound(server_id=server_id)
    return domain


def _has_mark(domain) -> bool:
    try:
        domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, 0)
        return True
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_NO_DOMAIN):
            return False
        raise


def is_ours(link, server_id: str, memory: Recognizer) -> bool:
    """Whether the domain with this UUID is ours; False when it is gone."""
    try:
        find(link, server_id)
        memory.learn(server_id, True)
        return True
    except exception.GuestNotFound:
        return False


def list_guests(link, memory: Recognizer) -> dict[str, PowerState]:
    """State of each domain of ours, by server id: one call, and one more for each domain not seen before."""
    found, seen = {}, set()
    for domain, stats in link.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE):
        uuid = domain.UUIDString()
        seen.add(uuid)
        if memory.verdict(uuid) is None:
            memory.learn(uuid, _has_mark(domain))
        if memory.verdict(uuid):
            found[uuid] = _STATES.get(stats.get("state.state"), PowerState.NOSTATE)
    memory.keep(seen)
    return found


def power_state(link, server_id: str) -> PowerState:
    """Raises GuestNotFound."""
    return _STATES.get(find(link, server_id).state()[0], PowerState.NOSTATE)


def start(link, server_id: str, xml: str, other_name_xml: str) -> None:
    """Define the domain and start it; a running one is left as it is. ``other_name_xml`` serves where the usual name is taken."""
    existing = _find_or_none(link, server_id)
    if existing is not None and existing.isActive():
        return
    domain = _define(link, xml, other_name_xml)
    try:
        domain.createWithFlags(0)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and domain.isActive():
            return
        if existing is None:
            with contextlib.suppress(libvirt.libvirtError):
                domain.undefineFlags(_UNDEFINE | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
        raise


def _find_or_none(link, server_id: str):
    try:
        return find(link, server_id)
    except exception.GuestNotFound:
        return None


def _define(link, xml: str, other_name_xml: str):
    try:
        return link.defineXML(xml)
    except libvirt.libvirtError as error:
        # Two servers may share the first digits of their ids.
        if "already exists with uuid" in str(error):
            return link.defineXML(other_name_xml)
        raise


def power_off(link, server_id: str) -> None:
    """Cut the power; one that is off is left as it is. Raises GuestNotFound."""
    _cut(find(link, server_id))


def _cut(domain) -> None:
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if is_missing(error) or (error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and not domain.isActive()):
            return
        raise


def forget(link, server_id: str) -> None:
    """Cut the power and remove the definition; nothing to do is fine. The files stay."""
    domain = _find_or_none(link, server_id)
    if domain is None:
        return
    _cut(domain)
    try:
        domain.undefineFlags(_UNDEFINE | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
    except libvirt.libvirtError as error:
        if not is_missing(error):
            raise


def press_power_button(link, server_id: str) -> PowerState:
    """Ask the guest to shut down; its state at that moment. Raises GuestNotFound."""
    domain = find(link, server_id)
    return _signal(domain, lambda: domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN))


def ask_to_reboot(link, server_id: str) -> PowerState:
    """Ask the guest to restart; its state at that moment. Raises GuestNotFound."""
    domain = find(link, server_id)
    return _signal(domain, lambda: domain.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN))


def _signal(domain, ask) -> PowerState:
    state = _STATES.get(domain.state()[0], PowerState.NOSTATE)
    if state == PowerState.RUNNING:
        try:
            ask()
        except libvirt.libvirtError as error:
            # It went by itself between the two calls.
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                raise
            return _STATES.get(domain.state()[0], PowerState.NOSTATE)
    return state


def start_again(link, server_id: str) -> None:
    """Start a defined domain as it was; a running one is left as it is. Raises GuestNotFound."""
    domain = find(link, server_id)
    if not domain.isActive():
        domain.createWithFlags(0)
