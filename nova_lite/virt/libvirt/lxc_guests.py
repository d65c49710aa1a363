"""Containers in libvirt calls: where LXC's answers differ from QEMU's, and what it has no answer to."""
import contextlib
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

import libvirt

from nova_lite import exception, log
from nova_lite.virt import types
from nova_lite.virt.libvirt import agent, diagnostics, layout, lxc_console, lxc_disks, suspend
from nova_lite.virt.libvirt.lifecycle import Domains, state_of
from nova_lite.virt.types import PowerState

LOG = log.get(__name__)

STARTS = 6
_PASSING = ("invalid pointer", "to loop device: Device or resource busy")
"""In libvirt's errors, of what goes another time. Malloc says the first where libvirt_lxc 9.0 crashed: 4 times in 10 where it has three file
systems and a NIC to set up. The second: a container that starts at the same time took the loop device that had been free."""


class Containers(Domains):
    """The containers of one state path."""

    UNDEFINE = 0
    # An initctl pipe, where the container has one, else a signal to its first process: SIGTERM, SIGHUP.
    SHUT_DOWN, REBOOT = libvirt.VIR_DOMAIN_SHUTDOWN_DEFAULT, libvirt.VIR_DOMAIN_REBOOT_DEFAULT

    def all_states(self, link) -> Iterator[tuple[libvirt.virDomain, int | None]]:
        for domain in link.listAllDomains(0):
            yield domain, domain.state()[0]

    def forget(self, link, server_id: str) -> None:
        super().forget(link, server_id)
        with contextlib.suppress(exception.HypervisorError, FileNotFoundError):
            layout.short_name(server_id).unlink()

    def switch_on(self, domain) -> None:
        self._name(domain.UUIDString())
        for attempts_left in reversed(range(STARTS)):
            try:
                domain.createWithFlags(0)
                return
            except libvirt.libvirtError as error:
                if not attempts_left or domain.isActive() or not any(words in str(error) for words in _PASSING):
                    raise

    def _name(self, server_id: str) -> None:
        name, folder = layout.short_name(server_id), layout.ServerFiles(self._state_path, server_id).folder
        name.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            name.symlink_to(folder)

    def apply(self, link, server_id: str, function, *args):
        return super().apply(link, server_id, INSTEAD.get(function, function), *args)


def settle(on_domain, state_path: str, server_id: str) -> None:
    """For a container that has started, or is found running: its console is kept, and no copy of its root disk holds it any longer."""
    try:
        lxc_console.keep(on_domain, state_path, server_id)
        on_domain(server_id, lxc_disks.let_go)
    except exception.NovaLiteError as error:
        LOG.warning("the console of container %s is not kept: %s", server_id, error)


def usage(domain, hypervisor: str) -> types.Diagnostics:
    """What a container has used: CPU time in one sum, and no disks, as its file systems are the host's."""
    state, (_, memory_kib, used_kib, _, cpu_time) = state_of(domain), domain.info()
    nics = []
    if domain.isActive():
        for node in ElementTree.fromstring(domain.XMLDesc(0)).iterfind("devices/interface"):
            name = node.find("target").get("dev")
            nics.append(types.NicUse(name, node.find("mac").get("address"), *domain.interfaceStats(name)))
    return types.Diagnostics(state, "libvirt", hypervisor, "linux", cpu_times=(cpu_time,) if state != PowerState.SHUTDOWN else (), disks=(),
                             nics=tuple(nics), memory_kib=memory_kib, memory_used_kib=used_kib)


def _cannot(what: str) -> Callable:
    def refuse(domain, *_args):
        raise exception.HypervisorError(reason=f"guest {domain.UUIDString()} is a container, {what}")
    return refuse


def _no_agent(_domain, *_args):
    raise exception.GuestAgentMissing()


INSTEAD: dict[Callable, Callable] = {
    diagnostics.read: usage,
    suspend.save: _cannot("whose memory cannot be saved: it cannot be suspended"),
    suspend.interrupt: _cannot("which takes no interrupts"),
    agent.set_password: _no_agent,
}
"""What is done in the place of what QEMU's guests are asked for."""
