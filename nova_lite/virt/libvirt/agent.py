"""What the agent inside a guest is asked for. Each function takes a virDomain, in a native thread."""
import contextlib

import libvirt

from nova_lite import exception

_MISSING = (libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_AGENT_UNSYNCED)


def set_password(domain, user: str, password: str) -> None:
    """Raises GuestAgentMissing where none is set up, or none answers."""
    if not domain.isActive():
        raise exception.HypervisorError(reason=f"guest {domain.UUIDString()} is not running")
    try:
        domain.setUserPassword(user, password, 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _MISSING:
            raise exception.GuestAgentMissing()
        raise


@contextlib.contextmanager
def quiet(domain):
    """The guest's file systems are whole on disk inside the block, where an agent can see to it."""
    try:
        domain.fsFreeze()
    except libvirt.libvirtError:
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            domain.fsThaw()
