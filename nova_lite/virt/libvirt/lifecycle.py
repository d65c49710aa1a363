"""A guest's life in libvirt calls. Each method that takes the virConnect runs in a native thread and makes true what it says."""
import contextlib
from collections.abc import Iterator

import libvirt

from nova_lite import exception
from nova_lite.virt.libvirt.connection import is_missing
from nova_lite.virt.libvirt.xml.domain import NAMESPACE, read_state_path
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
# libvirt before 8.9 forgets what a TPM knows together with the definition.
_KEEP_TPM, _DROP_TPM = (getattr(libvirt, f"VIR_DOMAIN_UNDEFINE_{name}", 0) for name in ("KEEP_TPM", "TPM"))
_UNDEFINE = (libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
             | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | _KEEP_TPM)


class Domains:
    """The domains of one state path. Others on the same libvirtd, another cloud's included, are not there for it."""

    # What a hypervisor's calls are given.
    UNDEFINE = _UNDEFINE
    SHUT_DOWN, REBOOT = libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN, libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN

    def __init__(self, state_path: str):
        self._state_path = state_path
        self._verdicts: dict[str, bool] = {}

    # ---- which are ours ------------------------------------------------------------------------------------------
    def verdict(self, uuid: str) -> bool | None:
        """Whether the domain is ours, as far as remembered; None where libvirt must be asked. Asks nobody."""
        return self._verdicts.get(uuid)

    def is_ours(self, link, server_id: str) -> bool:
        """Whether the domain with this UUID is there and ours."""
        return self._find_or_none(link, server_id) is not None

    def states(self, link) -> dict[str, PowerState]:
        """State of each domain of ours, by server id: one call, and one more for each domain not seen before."""
        found, seen = {}, set()
        for domain, state in self.all_states(link):
            uuid = domain.UUIDString()
            seen.add(uuid)
            if uuid not in self._verdicts:
                self._verdicts[uuid] = self._has_mark(domain)
            if self._verdicts[uuid]:
                found[uuid] = _with_memory(domain, _STATES.get(state, PowerState.NOSTATE))
        for uuid in self._verdicts.keys() - seen:
            self._verdicts.pop(uuid, None)
        return found

    def all_states(self, link) -> Iterator[tuple[libvirt.virDomain, int | None]]:
        """Every domain that there is, with libvirt's number for its state."""
        for domain, stats in link.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE):
            yield domain, stats.get("state.state")

    def state(self, link, server_id: str) -> PowerState:
        """Raises GuestNotFound."""
        return state_of(self._find(link, server_id))

    def apply(self, link, server_id: str, function, *args):
        """``function(virDomain, *args)``. Raises GuestNotFound."""
        return function(self._find(link, server_id), *args)

    def _find(self, link, server_id: str):
        try:
            domain = link.lookupByUUIDString(server_id)
        except libvirt.libvirtError as error:
            # An id that is no UUID cannot be a domain's either.
            if is_missing(error) or error.get_error_code() == libvirt.VIR_ERR_INVALID_ARG:
                raise exception.GuestNotFound(server_id=server_id)
            raise
        if not self._has_mark(domain):
            raise exception.GuestNotFound(server_id=server_id)
        self._verdicts[server_id] = True
        return domain

    def _find_or_none(self, link, server_id: str):
        try:
            return self._find(link, server_id)
        except exception.GuestNotFound:
            return None

    def _has_mark(self, domain) -> bool:
        try:
            mark = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, 0)
        except libvirt.libvirtError as error:
            if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_NO_DOMAIN):
                return False
            raise
        return read_state_path(mark) == self._state_path

    # ---- on ------------------------------------------------------------------------------------------------------
    def start(self, link, server_id: str, xml: str, other_name_xml: str) -> None:
        """Define the domain and start it, from its saved memory where there is one; a running one is left as it is, a paused one goes on.

        ``other_name_xml`` serves where the usual name is taken.
        """
        existing = self._find_or_none(link, server_id)
        if existing is not None and existing.isActive():
            _go_on(existing)
            return
        domain = _define(link, xml, other_name_xml)
        self._verdicts[server_id] = True
        try:
            self.switch_on(domain)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and domain.isActive():
                return
            if existing is None:
                with contextlib.suppress(libvirt.libvirtError):
                    domain.undefineFlags(self.UNDEFINE)
            raise

    def start_again(self, link, server_id: str) -> None:
        """Start a defined domain as it was; a running one is left as it is. Raises GuestNotFound."""
        domain = self._find(link, server_id)
        if not domain.isActive():
            self.switch_on(domain)

    def switch_on(self, domain) -> None:
        """Start a virDomain."""
        domain.createWithFlags(0)

    # ---- off -----------------------------------------------------------------------------------------------------
    def power_off(self, link, server_id: str) -> None:
        """Cut the power and forget saved memory; one that is off is left as it is. Raises GuestNotFound."""
        domain = self._find(link, server_id)
        _cut(domain)
        if state_of(domain) == PowerState.SUSPENDED:
            domain.managedSaveRemove(0)

    def forget(self, link, server_id: str) -> None:
        """Cut the power and remove the definition; nothing to do is fine. The files stay."""
        domain = self._find_or_none(link, server_id)
        if domain is None:
            return
        _cut(domain)
        try:
            domain.undefineFlags(self.UNDEFINE)
        except libvirt.libvirtError as error:
            if not is_missing(error):
                raise

    @staticmethod
    def forget_tpm(link, xml: str) -> None:
        """Remove what the TPM of a guest without definition knows; ``xml``: a definition of it for as long as that takes."""
        if _DROP_TPM:
            link.defineXML(xml).undefineFlags(_UNDEFINE & ~_KEEP_TPM | _DROP_TPM)

    # ---- requests ------------------------------------------------------------------------------------------------
    def press_power_button(self, link, server_id: str) -> PowerState:
        """Ask the guest to shut down; its state at that moment. Raises GuestNotFound."""
        domain = self._find(link, server_id)
        return _signal(domain, lambda: domain.shutdownFlags(self.SHUT_DOWN))

    def ask_to_reboot(self, link, server_id: str) -> PowerState:
        """Ask the guest to restart; its state at that moment. Raises GuestNotFound."""
        domain = self._find(link, server_id)
        return _signal(domain, lambda: domain.reboot(self.REBOOT))


def state_of(domain) -> PowerState:
    """The state of a virDomain; SUSPENDED where its memory is saved."""
    return _with_memory(domain, _STATES.get(domain.state()[0], PowerState.NOSTATE))


def _with_memory(domain, state: PowerState) -> PowerState:
    if state != PowerState.SHUTDOWN:
        return state
    try:
        return PowerState.SUSPENDED if domain.hasManagedSaveImage(0) else state
    except libvirt.libvirtError as error:
        # Not every hypervisor saves memory.
        if is_missing(error) or error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return state
        raise


def _go_on(domain) -> None:
    state = state_of(domain)
    if state == PowerState.PAUSED:
        domain.resume()
    elif state == PowerState.SUSPENDED:
        domain.pMWakeup(0)


def _define(link, xml: str, other_name_xml: str):
    try:
        return link.defineXML(xml)
    except libvirt.libvirtError as error:
        # Two servers may share the first digits of their ids.
        if "already exists with uuid" in str(error):
            return link.defineXML(other_name_xml)
        raise


def _cut(domain) -> None:
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if is_missing(error) or (error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and _is_off(domain)):
            return
        raise


def _is_off(domain) -> bool:
    try:
        return not domain.isActive()
    except libvirt.libvirtError as error:
        # Another call, of a task that was interrupted, has removed it meanwhile.
        if is_missing(error):
            return True
        raise


def _signal(domain, ask) -> PowerState:
    state = state_of(domain)
    if state == PowerState.RUNNING:
        try:
            ask()
        except libvirt.libvirtError as error:
            # It went by itself between the two calls.
            if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID:
                raise
            return state_of(domain)
    return state
