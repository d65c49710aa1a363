"""The contract that each hypervisor driver keeps (at most 30 methods); ``tests/contract/test_virt_contract.py`` runs on all of them.

Every method may be called from any green thread, may be repeated (each is idempotent: it makes true what it says), and
blocks only the caller: what blocks in C goes through ``concurrency.run_native``. Errors: exception.GuestNotFound,
exception.HypervisorError and its leaves, exception.ImageUnusable.
"""
import abc
from collections.abc import Callable, Iterable, Iterator

from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.moves import Moves

Fetch = Callable[[str], Iterator[bytes]]
"""Given an image id, yields its bytes in chunks; raises exception.ImageNotFound or exception.Unavailable."""

Take = Callable[[Iterator[bytes], int], None]
"""Consumes chunks, of so many bytes in all."""


class Driver(abc.ABC):
    """A hypervisor on this host. Loaded by entry point ``nova_lite.virt`` and the option ``compute.driver``."""

    @abc.abstractmethod
    def start_host(self, on_event: Callable[[types.LifecycleEvent], None]) -> None:
        """Connect, check that guests can run (ConfigurationError says why not), and report guest changes to ``on_event`` from now on."""

    @abc.abstractmethod
    def stop_host(self) -> None:
        """Stop reporting and disconnect; guests go on."""

    @abc.abstractmethod
    def inventory(self) -> types.Inventory:
        """What the host has in all, whatever guests use."""

    @abc.abstractmethod
    def guests(self) -> dict[str, types.PowerState]:
        """Every guest of ours on this host by server id, running or not."""

    @abc.abstractmethod
    def guest_files(self) -> set[str]:
        """Server ids that have disks or other files on this host, with or without a guest."""

    @abc.abstractmethod
    def power_state(self, server_id: str) -> types.PowerState:
        """Raises GuestNotFound."""

    @abc.abstractmethod
    def create_disks(self, guest: types.Guest, fetch: Fetch) -> None:
        """Make every disk of the guest, fetching base images once a host however many guests start at once."""

    @abc.abstractmethod
    def delete_disks(self, server_id: str) -> None:
        """Remove all files of the server; nothing to do is fine."""

    @abc.abstractmethod
    def stage_disks(self, guest: types.Guest, fetch: Fetch, keep: Iterable[str] = ()) -> None:
        """Make new disks beside the present ones, whose guest may run on; those of a kind in ``keep`` are left out. Begins anew each time."""

    @abc.abstractmethod
    def stage_resized(self, guest: types.Guest) -> None:
        """Stage copies of the present disks, grown to the sizes that ``guest`` has, and those that it has besides. The guest must be off."""

    @abc.abstractmethod
    def swap_disks(self, server_id: str, back: bool = False) -> None:
        """Put staged disks in the place of the present ones, which stay aside; nothing staged is fine. The guest must be off.

        ``back``: the ones aside return to their place, new and staged ones go.
        """

    @abc.abstractmethod
    def trim_disks(self, guest: types.Guest) -> None:
        """Remove the disks of the server that ``guest`` has not: staged ones, ones aside, one to rescue with."""

    @abc.abstractmethod
    def snapshot_root(self, guest: types.Guest, take: Take) -> None:
        """Give ``take`` the root disk as it is at one moment of the call, whole and by itself: raw for an ami, else qcow2.

        The guest may run, and goes on meanwhile. What ``take`` raises comes through.
        """

    @abc.abstractmethod
    def start_guest(self, guest: types.Guest) -> None:
        """Define the guest from its present description and start it, from its saved memory where it was suspended.

        One that runs is left as it is, one that is paused goes on.
        """

    @abc.abstractmethod
    def destroy_guest(self, server_id: str) -> None:
        """End the guest at once and forget its definition; disks stay. Nothing to do is fine."""

    @abc.abstractmethod
    def stop_guest(self, server_id: str, timeout: int) -> bool:
        """Ask for shutdown (ACPI), after ``timeout`` seconds (0: at once) cut the power. True when the guest went by itself."""

    @abc.abstractmethod
    def reboot_soft(self, server_id: str, timeout: int) -> bool:
        """Ask the guest to restart and see it happen within ``timeout`` seconds. False: it did not; the caller reboots hard."""

    @abc.abstractmethod
    def reboot_hard(self, guest: types.Guest) -> None:
        """Cut the power, forget saved memory, define the guest anew and start it."""

    @abc.abstractmethod
    def pause_guest(self, server_id: str) -> None:
        """Stop the CPUs of a running guest; one that is paused is left so. Raises GuestNotFound, HypervisorError when it is off."""

    @abc.abstractmethod
    def unpause_guest(self, server_id: str) -> None:
        """Let a paused guest go on; one that runs is left so. Raises GuestNotFound, HypervisorError when it is off."""

    @abc.abstractmethod
    def suspend_guest(self, server_id: str) -> None:
        """Write the memory of a running guest to disk and switch it off: SUSPENDED. One that is so is left. As pause_guest."""

    @abc.abstractmethod
    def inject_nmi(self, server_id: str) -> None:
        """Send a non-maskable interrupt, upon which many systems dump their memory and reboot. Raises as pause_guest."""

    @abc.abstractmethod
    def attach_nic(self, guest: types.Guest, nic: types.Nic) -> None:
        """Plug a NIC into the guest if it is on; one that is off gets it when it starts. Raises HypervisorError."""

    @abc.abstractmethod
    def detach_nic(self, server_id: str, nic: types.Nic, timeout: int) -> None:
        """Unplug a NIC from the guest if it is on and has it. HypervisorError when the guest has not let go after ``timeout`` seconds."""

    @abc.abstractmethod
    def set_password(self, server_id: str, user: str, password: str) -> None:
        """Have the guest's agent set a password. Raises GuestAgentMissing, GuestNotFound, HypervisorError."""

    @abc.abstractmethod
    def console_output(self, server_id: str, max_bytes: int) -> bytes:
        """The end of the serial console's log, at most ``max_bytes``; empty before the first output. Raises GuestNotFound."""

    @abc.abstractmethod
    def console(self, server_id: str, kind: str) -> types.Console:
        """The running guest's ``vnc``, ``spice`` or ``serial`` console. Raises GuestNotFound (off, or none), ConsoleTypeUnavailable."""

    @abc.abstractmethod
    def diagnostics(self, server_id: str) -> types.Diagnostics:
        """What the guest has used since it was started; a guest that is off has its state and little else. Raises GuestNotFound."""

    def moves(self) -> Moves:
        """How guests of this driver are taken to another host. Raises HypervisorError where they cannot be."""
        raise exception.HypervisorError(reason=f"guests of {type(self).__name__} stay on their host")

    @abc.abstractmethod
    def prune_images(self, keep: Iterable[str], older_than: float) -> list[str]:
        """Remove cached base images that no disk uses, not in ``keep`` and unused for ``older_than`` seconds; their ids."""
