"""A hypervisor that exists only in memory: for tests, benches, and clouds of thousands of hosts on one machine.

It keeps the driver contract to the letter, images included (they are fetched once, checked and thrown away). A guest costs some
hundred bytes: its console is written when somebody reads it. ``FakeHypervisor`` is the machine, which outlives a driver as real
guests outlive a worker; what a guest does by itself (switching off, hanging) is done to it there.
"""
import contextlib
import socket
from collections.abc import Callable, Iterable

from nova_lite import clock, concurrency, exception
from nova_lite.numa import sets
from nova_lite.numa.cells import HostCell
from nova_lite.pci.devices import Device
from nova_lite.virt import driver, fake_console, image_format, types
from nova_lite.virt.fake_moves import FakeMoves
from nova_lite.virt.image_digest import Digest
from nova_lite.virt.types import PowerState

BOOTED, POWERED_DOWN, POWER_CUT, RESTARTED, INTERRUPTED = range(5)
_CONSOLE = {
    BOOTED: "[    0.000000] Linux version 6.1.0-fake (nova_lite)\r\n"
            "[    0.000000] Command line: root=/dev/vda console=tty0 console=ttyS0\r\n"
            "[    0.412000] Memory: {memory_mb} MB, {vcpus} CPUs\r\n"
            "cloud-init: instance-id {server_id}\r\n"
            "{hostname} login: \r\n",
    POWERED_DOWN: "[   60.000000] reboot: Power down\r\n",
    POWER_CUT: "",
    RESTARTED: "[   60.000000] reboot: Restarting system\r\n",
    INTERRUPTED: "[   60.000000] Uhhuh. NMI received for unknown reason 30 on CPU 0.\r\n",
}
_REMEMBERED = 64
"""How many power changes of a guest its console still tells of."""


class FakeGuest:
    """One guest: its state, what it does when asked to shut down, and its power changes for the console."""

    __slots__ = ("deaf", "facts", "has_agent", "history", "lines", "nics", "passwords", "starts", "state")

    def __init__(self, guest: types.Guest):
        self.describe(guest)
        self.state = PowerState.SHUTDOWN
        self.history = b""
        self.passwords: dict[str, str] = {}
        self.deaf = False
        self.starts = 0
        self.lines: tuple = ()

    def __getstate__(self):
        return None, {name: () if name == "lines" else getattr(self, name) for name in self.__slots__}

    def describe(self, guest: types.Guest) -> None:
        """What the guest is when it starts."""
        self.facts = (guest.server_id, guest.name, guest.vcpus, guest.memory_mb)
        self.has_agent = guest.has_agent
        self.nics = {nic.port_id: nic for nic in guest.nics}

    def happened(self, what: int) -> None:
        """Add a power change to the console."""
        self.history = (self.history + bytes((what,)))[-_REMEMBERED:]

    def connect(self, kind: str):
        """A new connection to a console, which lasts until the guest goes off."""
        visitor, line = fake_console.connect(kind, self.facts[1])
        self.lines = (*(old for old in self.lines if old.fileno() >= 0), line)
        return visitor

    def hang_up(self) -> None:
        """End all connections to the consoles."""
        for line in self.lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self.lines = ()

    def console(self) -> bytes:
        """All that the console still has."""
        server_id, name, vcpus, memory_mb = self.facts
        return "".join(_CONSOLE[what].format(server_id=server_id, hostname=name, vcpus=vcpus, memory_mb=memory_mb)
                       for what in self.history).encode()


class FakeHypervisor:
    """The machine: its guests, the servers with files, what guests have ``written`` in them, the cached images.

    ``on_change(LifecycleEvent)`` is set by the driver.
    """

    def __init__(self):
        self.guests: dict[str, FakeGuest] = {}
        self.bases_by_server: dict[str, frozenset[str]] = {}
        self.staged: dict[str, frozenset[str]] = {}
        self.aside: dict[str, frozenset[str]] = {}
        self.images: dict[str, tuple[int, float]] = {}
        self.written: dict[str, bytes] = {}
        self.incoming: dict[str, tuple[str, bytearray]] = {}
        self.leaving: set[str] = set()
        self.coming: set[str] = set()
        self.on_change: Callable[[types.LifecycleEvent], None] | None = None

    def find(self, server_id: str) -> FakeGuest:
        """Raises GuestNotFound."""
        if server_id not in self.guests:
            raise exception.GuestNotFound(server_id=server_id)
        return self.guests[server_id]

    def power_on(self, server_id: str) -> None:
        """Start a guest that is off."""
        guest = self.find(server_id)
        guest.happened(BOOTED)
        guest.starts += 1
        self._change(server_id, guest, PowerState.RUNNING, "started")

    def power_off(self, server_id: str, what: int = POWERED_DOWN, by_itself: bool = True) -> None:
        """The guest goes off: from inside, as it stands here; by us with ``by_itself`` False."""
        guest = self.find(server_id)
        guest.happened(what)
        guest.hang_up()
        self._change(server_id, guest, PowerState.SHUTDOWN, "stopped", by_itself)

    def hang(self, server_id: str) -> None:
        """From now on the guest does not react to shutdown or reboot requests, until its power is cut."""
        self.find(server_id).deaf = True

    def hold(self, server_id: str, wanted: PowerState) -> None:
        """Bring a guest that is on into RUNNING, PAUSED or SUSPENDED. Raises HypervisorError when it is off."""
        guest = self.find(server_id)
        if guest.state == wanted:
            return
        if guest.state not in (PowerState.RUNNING, PowerState.PAUSED):
            raise exception.HypervisorError(reason=f"guest {server_id} is not running")
        self._change(server_id, guest, wanted, wanted.name.lower())

    def wake(self, server_id: str) -> None:
        """A guest that is paused or suspended goes on."""
        self._change(server_id, self.find(server_id), PowerState.RUNNING, "resumed")

    def hand_over(self, server_id: str, there: "FakeHypervisor") -> None:
        """The guest goes on on another machine, as it is here at this moment."""
        guest = self.guests.pop(server_id)
        state = guest.state
        guest.hang_up()
        self._change(server_id, guest, PowerState.SHUTDOWN, "migrated")
        there.guests[server_id] = guest
        there._change(server_id, guest, state, "migrated")

    def _change(self, server_id, guest, state, detail, by_itself=False) -> None:
        guest.state = state
        if self.on_change is not None:
            self.on_change(types.LifecycleEvent(server_id, state, detail, by_itself))


class FakeDriver(driver.Driver):
    """``delay``: seconds that making disks and starting a guest take. ``hypervisor``: a machine that another driver had before.

    ``machines``: those of all hosts by name, between which guests move; ``move_seconds``: how long one that runs takes.
    ``cells``: its NUMA nodes, whose CPUs are divided by ``cpus``.
    """

    def __init__(self, host: str, vcpus: int = 64, memory_mb: int = 262144, disk_gb: int = 4096, delay: float = 0.0,
                 hypervisor: FakeHypervisor | None = None, machines: dict[str, FakeHypervisor] | None = None, move_seconds: float = 0.0,
                 cells: tuple[HostCell, ...] = (), cpus: sets.CpuSets = sets.ALL_SHARED,
                 devices: tuple[Device, ...] = ()):
        cells = sets.divide(cells, cpus)
        vcpus = sum(len(cell.shared) for cell in cells) if cpus.chosen else vcpus
        self._inventory = types.Inventory(
            hypervisor_type="fake", hypervisor_version=1000, hypervisor_hostname=host, vcpus=vcpus, memory_mb=memory_mb,
            disk_gb=disk_gb, disk_available_gb=disk_gb,
            cpu_info={"arch": "x86_64", "model": "Nehalem", "vendor": "Intel", "features": ["pge", "clflush"],
                      "topology": {"cells": 1, "sockets": 4, "cores": max(1, vcpus // 4), "threads": 1}},
            supported=(("x86_64", "fake", "hvm"), ("x86_64", "qemu", "hvm"), ("x86_64", "kvm", "hvm")), cells=cells, devices=devices)
        self._delay = delay
        self._locks: dict[str, concurrency.Lock] = {}
        self._events = concurrency.Queue()
        self._task = None
        self.hypervisor = hypervisor or FakeHypervisor()
        machines = {} if machines is None else machines
        machines[host] = self.hypervisor
        self._moves = FakeMoves(self, host, machines, move_seconds, self._bases)

    # ---- host ----------------------------------------------------------------------------------------------------
    def start_host(self, on_event: Callable[[types.LifecycleEvent], None]) -> None:
        self.hypervisor.on_change = self._events.put
        self._task = concurrency.spawn_logged(self._report, on_event)

    def _report(self, on_event) -> None:
        while True:
            on_event(self._events.get())

    def stop_host(self) -> None:
        self.hypervisor.on_change = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def inventory(self) -> types.Inventory:
        return self._inventory

    def moves(self) -> FakeMoves:
        return self._moves

    def guests(self) -> dict[str, PowerState]:
        return {server_id: guest.state for server_id, guest in self.hypervisor.guests.items()}

    def guest_files(self) -> set[str]:
        return {*self.hypervisor.bases_by_server, *self.hypervisor.incoming}

    def power_state(self, server_id: str) -> PowerState:
        return self.hypervisor.find(server_id).state

    # ---- disks ---------------------------------------------------------------------------------------------------
    def create_disks(self, guest: types.Guest, fetch: driver.Fetch) -> None:
        present = self.hypervisor.bases_by_server.get(guest.server_id)
        if present is None or any(disk.kind == "rescue" for disk in guest.disks):
            self.hypervisor.bases_by_server[guest.server_id] = (present or frozenset()) | self._bases(guest, fetch)

    def stage_disks(self, guest: types.Guest, fetch: driver.Fetch, keep: Iterable[str] = ()) -> None:
        self.hypervisor.staged.pop(guest.server_id, None)
        self.hypervisor.staged[guest.server_id] = self._bases(guest, fetch)

    def stage_resized(self, guest: types.Guest) -> None:
        concurrency.sleep(self._delay)
        self.hypervisor.staged[guest.server_id] = self.hypervisor.bases_by_server.get(guest.server_id, frozenset())

    def swap_disks(self, server_id: str, back: bool = False) -> None:
        machine = self.hypervisor
        staged = machine.staged.pop(server_id, None)
        if back:
            if server_id in machine.aside:
                machine.bases_by_server[server_id] = machine.aside.pop(server_id)
        elif staged is not None:
            if server_id in machine.bases_by_server:
                machine.aside.setdefault(server_id, machine.bases_by_server[server_id])
            machine.bases_by_server[server_id] = staged

    def trim_disks(self, guest: types.Guest) -> None:
        self.hypervisor.staged.pop(guest.server_id, None)
        self.hypervisor.aside.pop(guest.server_id, None)
        sources = (guest.kernel, guest.ramdisk, *(disk.image for disk in guest.disks))
        wanted = {image.id for image in sources if image is not None}
        if guest.server_id in self.hypervisor.bases_by_server:
            self.hypervisor.bases_by_server[guest.server_id] &= wanted

    def snapshot_root(self, guest: types.Guest, take: driver.Take) -> None:
        concurrency.sleep(self._delay)
        root = next(disk for disk in guest.disks if disk.kind == "root")
        raw = root.image is not None and root.image.disk_format == "ami"
        content = bytes(4096) if raw else image_format.empty_qcow2(root.size_mb << 20)
        take(iter((content,)), len(content))

    def _bases(self, guest: types.Guest, fetch: driver.Fetch) -> frozenset[str]:
        """Ids of the images that the guest's disks are made from, fetched and checked."""
        concurrency.sleep(self._delay)
        bases = set()
        for image in (guest.kernel, guest.ramdisk):
            if image is not None:
                self._hold(image, fetch)
                bases.add(image.id)
        for disk in guest.disks:
            if disk.kind in ("root", "rescue") and disk.image is not None:
                image_format.check_fits(disk.image, self._hold(disk.image, fetch), disk.size_mb)
                if not disk.whole:
                    bases.add(disk.image.id)
        return frozenset(bases)

    def _hold(self, image: types.ImageSource, fetch: driver.Fetch) -> int:
        """The image's virtual size in bytes; fetched and checked if it is not cached."""
        lock = self._locks.setdefault(image.id, concurrency.Lock(1))
        try:
            with lock:
                known = self.hypervisor.images.get(image.id)
                size = known[0] if known else _fetch(image, fetch)
                self.hypervisor.images[image.id] = (size, clock.monotonic())
                return size
        finally:
            if not lock.locked():
                self._locks.pop(image.id, None)

    def delete_disks(self, server_id: str) -> None:
        machine = self.hypervisor
        for found in (machine.bases_by_server, machine.staged, machine.aside, machine.written, machine.incoming):
            found.pop(server_id, None)

    def prune_images(self, keep: Iterable[str], older_than: float) -> list[str]:
        used = set(keep).union(*self.hypervisor.bases_by_server.values(), *self.hypervisor.staged.values(), *self.hypervisor.aside.values())
        idle = [image_id for image_id, (_, last_use) in self.hypervisor.images.items()
                if image_id not in used and clock.monotonic() - last_use >= older_than]
        for image_id in idle:
            del self.hypervisor.images[image_id]
        return sorted(idle)

    # ---- power ---------------------------------------------------------------------------------------------------
    def start_guest(self, guest: types.Guest) -> None:
        concurrency.sleep(self._delay)
        if guest.server_id not in self.hypervisor.bases_by_server:
            raise exception.HypervisorError(reason=f"guest {guest.server_id} has no disks")
        if guest.topology is not None and guest.lying is None:
            raise exception.HypervisorError(reason="the server asks for CPUs or memory of certain cells, and this host has promised it none")
        present = self.hypervisor.guests.setdefault(guest.server_id, FakeGuest(guest))
        if present.state in (PowerState.PAUSED, PowerState.SUSPENDED):
            self.hypervisor.wake(guest.server_id)
        elif present.state != PowerState.RUNNING:
            present.describe(guest)
            self.hypervisor.power_on(guest.server_id)

    def destroy_guest(self, server_id: str) -> None:
        if server_id in self.hypervisor.guests:
            self._cut_power(server_id)
            del self.hypervisor.guests[server_id]

    def _cut_power(self, server_id: str) -> None:
        guest = self.hypervisor.find(server_id)
        guest.deaf = False
        if guest.state != PowerState.SHUTDOWN:
            self.hypervisor.power_off(server_id, POWER_CUT, by_itself=False)

    def stop_guest(self, server_id: str, timeout: int) -> bool:
        guest = self.hypervisor.find(server_id)
        if guest.state == PowerState.SHUTDOWN:
            return True
        if timeout <= 0 or guest.deaf:
            concurrency.sleep(timeout)
            self._cut_power(server_id)
            return False
        self.hypervisor.power_off(server_id, by_itself=False)
        return True

    def reboot_soft(self, server_id: str, timeout: int) -> bool:
        guest = self.hypervisor.find(server_id)
        if guest.state != PowerState.RUNNING:
            return False
        if guest.deaf:
            concurrency.sleep(timeout)
            return False
        guest.happened(RESTARTED)
        guest.happened(BOOTED)
        return True

    def reboot_hard(self, guest: types.Guest) -> None:
        if guest.server_id in self.hypervisor.guests:
            self._cut_power(guest.server_id)
        self.start_guest(guest)

    def pause_guest(self, server_id: str) -> None:
        self.hypervisor.hold(server_id, PowerState.PAUSED)

    def unpause_guest(self, server_id: str) -> None:
        self.hypervisor.hold(server_id, PowerState.RUNNING)

    def suspend_guest(self, server_id: str) -> None:
        self.hypervisor.hold(server_id, PowerState.SUSPENDED)

    def inject_nmi(self, server_id: str) -> None:
        guest = self.hypervisor.find(server_id)
        if guest.state not in (PowerState.RUNNING, PowerState.PAUSED):
            raise exception.HypervisorError(reason=f"guest {server_id} is not running")
        guest.happened(INTERRUPTED)

    def attach_nic(self, guest: types.Guest, nic: types.Nic) -> None:
        present = self._on(guest.server_id)
        if present is not None:
            present.nics[nic.port_id] = nic

    def detach_nic(self, server_id: str, nic: types.Nic, timeout: int) -> None:
        present = self._on(server_id)
        if present is None or nic.port_id not in present.nics:
            return
        if present.deaf:
            concurrency.sleep(timeout)
            raise exception.HypervisorError(reason=f"the guest has not let go of NIC {nic.mac}")
        del present.nics[nic.port_id]

    def set_password(self, server_id: str, user: str, password: str) -> None:
        guest = self.hypervisor.find(server_id)
        if not guest.has_agent:
            raise exception.GuestAgentMissing()
        if self._on(server_id) is None:
            raise exception.HypervisorError(reason=f"guest {server_id} is not running")
        guest.passwords[user] = password

    def _on(self, server_id: str) -> FakeGuest | None:
        guest = self.hypervisor.guests.get(server_id)
        return guest if guest is not None and guest.state in (PowerState.RUNNING, PowerState.PAUSED) else None

    def diagnostics(self, server_id: str) -> types.Diagnostics:
        return _diagnostics(self.hypervisor.find(server_id))

    def console(self, server_id: str, kind: str) -> types.Console:
        guest = self.hypervisor.find(server_id)
        if self._on(server_id) is None:
            raise exception.GuestNotFound(server_id=server_id)
        if kind not in ("vnc", "serial"):
            raise exception.ConsoleTypeUnavailable(console_type=kind)
        return types.Console(kind, str(guest.starts), lambda: guest.connect(kind))

    def console_output(self, server_id: str, max_bytes: int) -> bytes:
        guest = self.hypervisor.guests.get(server_id)
        if guest is None and server_id not in self.hypervisor.bases_by_server:
            raise exception.GuestNotFound(server_id=server_id)
        return guest.console()[-max_bytes:] if guest and max_bytes > 0 else b""


def _diagnostics(guest: FakeGuest) -> types.Diagnostics:
    """The same numbers for every guest; a fake of libvirt says that it is libvirt."""
    on = guest.state in (PowerState.RUNNING, PowerState.PAUSED)
    _, _, vcpus, memory_mb = guest.facts
    return types.Diagnostics(
        guest.state, "libvirt", "kvm", "linux", cpu_times=(17_300_000_000,) * vcpus if on else (),
        disks=(types.DiskUse("vda", 112, 262144, 488, 5778432),) if on else (),
        nics=tuple(types.NicUse(nic.tap, nic.mac, 2070139, 26701, 0, 0, 140208, 662, 0, 0) for nic in guest.nics.values()) if on else (),
        memory_kib=memory_mb << 10, memory_used_kib=memory_mb << 9)


def _fetch(image: types.ImageSource, fetch: driver.Fetch) -> int:
    """Take the image's bytes as a real driver would, keep none; its virtual size."""
    digest, header = Digest(image), b""
    for chunk in fetch(image.id):
        if len(header) < image_format.HEADER_BYTES:
            header += chunk[:image_format.HEADER_BYTES]
        digest.update(chunk)
    digest.verify()
    found = image_format.inspect(image, header[:image_format.HEADER_BYTES])
    return digest.size if found.virtual_size is None else found.virtual_size
