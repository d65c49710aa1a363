"""Holding a guest and letting it go on: its CPUs (pause), or all of it in a file (suspend). Each function takes a virDomain, in a native thread."""
import libvirt

from nova_lite import exception
from nova_lite.virt.libvirt.lifecycle import state_of
from nova_lite.virt.types import PowerState

SAVE_SECONDS = 1800
"""How long writing a guest's memory may take before the call counts as hung."""


def pause(domain) -> None:
    """Stop the CPUs. Raises HypervisorError when the guest is off."""
    state = _on(domain)
    if state != PowerState.PAUSED:
        domain.suspend()


def unpause(domain) -> None:
    """Let the CPUs go on. Raises HypervisorError when the guest is off."""
    if _on(domain) != PowerState.RUNNING:
        domain.resume()


def save(domain) -> None:
    """Write the memory to libvirt's own file of this domain and switch it off. Raises HypervisorError when it is off without one."""
    if state_of(domain) != PowerState.SUSPENDED or domain.isActive():
        _on(domain)
        # It runs when it comes back, even if somebody had paused it.
        domain.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)


def interrupt(domain) -> None:
    """Inject a non-maskable interrupt. Raises HypervisorError when the guest is off."""
    _on(domain)
    domain.injectNMI(0)


def _on(domain) -> PowerState:
    state = state_of(domain)
    if not domain.isActive():
        raise exception.HypervisorError(reason=f"guest {domain.UUIDString()} is not running")
    return state
