"""Asking a guest to stop or restart, and seeing whether it does. Waits in green threads only."""
from nova_lite import clock, concurrency
from nova_lite.virt.libvirt.events import STOPPED, Watcher
from nova_lite.virt.libvirt.lifecycle import Domains
from nova_lite.virt.types import PowerState

OFF = (PowerState.SHUTDOWN, PowerState.CRASHED)


def shut_down(watcher: Watcher, domains: Domains, server_id: str, timeout: float, resend: float) -> bool:
    """Ask the guest to shut down, again each ``resend`` seconds. True once it is off, False after ``timeout`` seconds."""
    with watcher.asked(server_id), watcher.changes(server_id) as changes:
        return _ask_until(watcher, domains.press_power_button, server_id, changes, timeout, resend) == STOPPED


def restart(watcher: Watcher, domains: Domains, server_id: str, timeout: float, resend: float) -> bool:
    """Ask the guest to restart. True once it did, False after ``timeout`` seconds or when it does not run."""
    if watcher.connection.call(domains.state, server_id) != PowerState.RUNNING:
        return False
    with watcher.asked(server_id), watcher.changes(server_id) as changes:
        outcome = _ask_until(watcher, domains.ask_to_reboot, server_id, changes, timeout, resend)
        if outcome == STOPPED:
            # It took the button for a request to switch off.
            watcher.connection.call(domains.start_again, server_id)
        return outcome is not None


def _ask_until(watcher, ask, server_id, changes, timeout, resend) -> str | None:
    deadline = clock.monotonic() + timeout
    while True:
        state = watcher.connection.call(ask, server_id)
        if state in OFF:
            # Its event is on the way; waiting for it keeps the caller's later changes apart from this one.
            return _next(changes, 1.0) or STOPPED
        if state != PowerState.RUNNING:
            return None
        remaining = deadline - clock.monotonic()
        outcome = _next(changes, min(resend, remaining)) if remaining > 0 else None
        if outcome or remaining <= resend:
            return outcome


def _next(changes, seconds: float) -> str | None:
    try:
        return changes.get(timeout=seconds)
    except concurrency.QueueEmpty:
        return None


