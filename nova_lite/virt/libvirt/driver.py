"""The libvirt driver: the contract's face. Each method is a line or two over the modules beside it."""
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import libvirt

from nova_lite import clock, concurrency, exception, log
from nova_lite.virt import driver, types
from nova_lite.virt.libvirt import agent, console, diagnostics, disks, domain, host, kinds, layout, pci, plugging, power, snapshot, suspend, tpm
from nova_lite.virt.libvirt.copies import DiskCopies
from nova_lite.virt.libvirt.events import Watcher
from nova_lite.virt.libvirt.live import LibvirtLive
from nova_lite.virt.libvirt.moves import LibvirtMoves
from nova_lite.virt.libvirt.settings import LibvirtSettings

LOG = log.get(__name__)

SLOW_ANSWER_SECONDS = 2.0


class LibvirtDriver(driver.Driver):
    """QEMU/KVM and LXC guests through libvirt. Domains that do not bear our mark are never listed nor touched."""

    def __init__(self, settings: LibvirtSettings):
        self._settings, self._kind = settings, kinds.of(settings.virt_type)
        self._store = self._kind.store(settings.state_path, settings.host)
        self._domains = self._kind.domains(settings.state_path)
        self._watcher = Watcher(settings.uri or self._kind.uri, settings.call_timeout, self._domains, self._on_boot if self._kind.on_boot else None)
        live = LibvirtLive(settings.state_path, settings.host, settings.live, self._domains, self._store,
                           lambda *args, **options: self._watcher.connection.call(*args, **options), self._capabilities)
        self._moves = LibvirtMoves(self._store, DiskCopies(self._store, settings.state_path, settings.host, self._is_off, self._tpm_folder),
                                   live if self._kind.machines else None)
        self._host: host.HostCapabilities | None = None

    # ---- host ----------------------------------------------------------------------------------------------------
    def start_host(self, on_event: Callable[[types.LifecycleEvent], None]) -> None:
        virt_type, why = host.choose_virt_type(self._settings.virt_type)
        LOG.warning("guests run with %s: %s", virt_type, why)
        disks.prepare_folders(self._settings.state_path)
        try:
            self._watcher.start(on_event, lambda link: host.read_capabilities(link.getCapabilities(), virt_type))
        except exception.HypervisorError as error:
            raise exception.ConfigurationError(reason=f"{error}; is libvirtd running, and {self._kind.package} installed?")
        self._host = self._probe(virt_type)

    def _probe(self, virt_type: str) -> host.HostCapabilities:
        call = self._watcher.connection.call
        found = host.with_cpu_sets(host.read_capabilities(call(_capabilities), virt_type), self._settings.cpus)
        if not self._kind.machines:
            return found
        asked = clock.monotonic()
        machine = self._settings.machine or None
        found = host.with_domain_capabilities(found, call(_domain_capabilities, found.arch, machine, virt_type))
        if clock.monotonic() - asked > SLOW_ANSWER_SECONDS:
            LOG.warning("libvirt took %.1f s to answer what it should remember, so each guest's start will take minutes: it probes QEMU anew "
                        "each time where root can open /dev/kvm and QEMU's account cannot; chgrp kvm /dev/kvm and chmod 660 /dev/kvm, "
                        "or hide it from libvirtd", clock.monotonic() - asked)
        missing = {kind for kind in ("vnc", "spice") if getattr(self._settings, kind)} - found.graphics
        if missing:
            raise exception.ConfigurationError(reason=f"{missing.pop()} is enabled, and this QEMU has no such screens; install it or disable it")
        found, blocked = host.with_state_path(found, self._settings.state_path)
        if blocked:
            LOG.warning("QEMU's account cannot pass %s, so guests run as root; chmod o+x %s lets them run as that account",
                        blocked, blocked)
        return found

    def stop_host(self) -> None:
        self._watcher.stop()

    def inventory(self) -> types.Inventory:
        found, own = self._capabilities(), self._settings
        memory_mb, vcpus, version = self._watcher.connection.call(_sizes)
        if own.cpus.chosen:
            # Dedicated ones are counted apart, in the cells.
            vcpus = sum(len(cell.shared) for cell in found.cells)
        system = os.statvfs(own.state_path)
        return types.Inventory(
            hypervisor_type=self._kind.name, hypervisor_version=version, hypervisor_hostname=own.host, host_ip=own.host_ip,
            vcpus=max(0, vcpus - own.reserved_vcpus), memory_mb=max(0, memory_mb - own.reserved_memory_mb),
            disk_gb=max(0, (system.f_blocks * system.f_frsize >> 30) - own.reserved_disk_gb),
            disk_available_gb=max(0, (system.f_bavail * system.f_frsize >> 30) - own.reserved_disk_gb),
            cpu_info=found.cpu, supported=tuple((found.arch, kind, self._kind.mode) for kind in _runnable(found)),
            cells=found.cells if self._kind.machines else (),
            devices=self._watcher.connection.call(pci.devices) if own.pci and self._kind.machines else ())

    def _capabilities(self) -> host.HostCapabilities:
        if self._host is None:
            raise exception.HypervisorError(reason="the driver has not been started")
        return self._host

    def guests(self) -> dict[str, types.PowerState]:
        return self._watcher.guests()

    def guest_files(self) -> set[str]:
        return self._store.server_ids()

    def power_state(self, server_id: str) -> types.PowerState:
        return self._watcher.connection.call(self._domains.state, server_id)

    def moves(self) -> LibvirtMoves:
        return self._moves

    def _on_boot(self, server_id: str) -> None:
        self._kind.on_boot(self._on_domain, self._settings.state_path, server_id)

    def _is_off(self, server_id: str) -> bool:
        try:
            return self.power_state(server_id) in power.OFF
        except exception.GuestNotFound:
            return True

    # ---- disks ---------------------------------------------------------------------------------------------------
    def create_disks(self, guest: types.Guest, fetch: driver.Fetch) -> None:
        self._store.create(guest, fetch)

    def delete_disks(self, server_id: str) -> None:
        definition = layout.ServerFiles(self._settings.state_path, server_id).tpm
        if definition.exists():
            self._watcher.connection.call(self._domains.forget_tpm, definition.read_text())
        self._store.delete(server_id)

    def _tpm_folder(self, server_id: str) -> Path:
        return Path(self._settings.tpm_path, server_id)

    def stage_disks(self, guest: types.Guest, fetch: driver.Fetch, keep: Iterable[str] = ()) -> None:
        self._store.stage(guest, fetch, keep)

    def stage_resized(self, guest: types.Guest) -> None:
        self._store.stage_resized(guest)

    def swap_disks(self, server_id: str, back: bool = False) -> None:
        self._store.swap(server_id, back)

    def trim_disks(self, guest: types.Guest) -> None:
        self._store.trim(guest)

    def snapshot_root(self, guest: types.Guest, take: driver.Take) -> None:
        try:
            state = self.power_state(guest.server_id)
        except exception.GuestNotFound:
            state = types.PowerState.SHUTDOWN
        snapshot.take(self._kind.copy_root, self._on_domain, self._settings.state_path, guest, state, take)

    def prune_images(self, keep: Iterable[str], older_than: float) -> list[str]:
        return self._store.images.prune(keep, older_than)

    # ---- power ---------------------------------------------------------------------------------------------------
    def start_guest(self, guest: types.Guest) -> None:
        found, long_name = self._capabilities(), f"instance-{guest.server_id}"
        if domain.tpm_version(guest) is not None:
            place = layout.ServerFiles(self._settings.state_path, guest.server_id)
            place.tpm.write_text(self._kind.domain_xml(guest, found, self._settings, name=long_name))
            tpm.install(place, self._tpm_folder(guest.server_id))
        self._watcher.connection.call(
            self._domains.start, guest.server_id, self._kind.domain_xml(guest, found, self._settings),
            self._kind.domain_xml(guest, found, self._settings, name=long_name))

    def destroy_guest(self, server_id: str) -> None:
        self._watcher.connection.call(self._domains.forget, server_id)

    def stop_guest(self, server_id: str, timeout: int) -> bool:
        if timeout <= 0:
            was_off = self.power_state(server_id) in power.OFF
            self._watcher.connection.call(self._domains.power_off, server_id)
            return was_off
        if power.shut_down(self._watcher, self._domains, server_id, timeout, self._settings.shutdown_resend):
            return True
        self._watcher.connection.call(self._domains.power_off, server_id)
        return False

    def reboot_soft(self, server_id: str, timeout: int) -> bool:
        return power.restart(self._watcher, self._domains, server_id, timeout, self._settings.shutdown_resend)

    def reboot_hard(self, guest: types.Guest) -> None:
        try:
            self._watcher.connection.call(self._domains.power_off, guest.server_id)
        except exception.GuestNotFound:
            LOG.info("guest %s has no domain; it is defined anew", guest.server_id)
        self.start_guest(guest)

    def pause_guest(self, server_id: str) -> None:
        self._on_domain(server_id, suspend.pause)

    def unpause_guest(self, server_id: str) -> None:
        self._on_domain(server_id, suspend.unpause)

    def suspend_guest(self, server_id: str) -> None:
        self._on_domain(server_id, suspend.save, seconds=suspend.SAVE_SECONDS)

    def inject_nmi(self, server_id: str) -> None:
        self._on_domain(server_id, suspend.interrupt)

    def attach_nic(self, guest: types.Guest, nic: types.Nic) -> None:
        try:
            self._on_domain(guest.server_id, plugging.attach_nic, nic.mac, self._kind.interface_xml(guest, nic))
        except exception.GuestNotFound:
            LOG.info("guest %s has no domain to plug a NIC into; it gets it when it starts", guest.server_id)

    def detach_nic(self, server_id: str, nic: types.Nic, timeout: int) -> None:
        try:
            plugging.detach_nic(self._on_domain, server_id, nic.mac, timeout)
        except exception.GuestNotFound:
            LOG.info("guest %s has no domain to unplug a NIC from", server_id)

    def set_password(self, server_id: str, user: str, password: str) -> None:
        self._on_domain(server_id, agent.set_password, user, password)

    def diagnostics(self, server_id: str) -> types.Diagnostics:
        return self._on_domain(server_id, diagnostics.read, self._capabilities().virt_type)

    def _on_domain(self, server_id: str, function, *args, seconds: float | None = None):
        return self._watcher.connection.call(self._domains.apply, server_id, function, *args, seconds=seconds)

    def console(self, server_id: str, kind: str) -> types.Console:
        run, place = self._on_domain(server_id, console.find, kind)
        if kind == "serial":
            log_file = layout.ServerFiles(self._settings.state_path, server_id).console_log
            return types.Console(kind, run, lambda: self._kind.serial_line(place, log_file))
        return types.Console(kind, run, lambda: socket.socket(fileno=self._on_domain(server_id, console.connect_screen, int(place))))

    def console_output(self, server_id: str, max_bytes: int) -> bytes:
        files = layout.ServerFiles(self._settings.state_path, server_id)
        if not files.folder.exists():
            raise exception.GuestNotFound(server_id=server_id)
        return concurrency.run_native(console.read_tail, files.console_log, min(max_bytes, self._settings.console_log_bytes))


def _capabilities(link) -> str:
    return link.getCapabilities()


def _domain_capabilities(link, arch: str, machine: str | None, virt_type: str) -> str:
    return link.getDomainCapabilities(None, arch, machine, virt_type)


def _sizes(link) -> tuple[int, int, int]:
    """Memory in MB, CPUs, QEMU's version. The node information counts one NUMA cell's memory only on machines that grew."""
    return link.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)["total"] >> 10, link.getInfo()[2], link.getVersion()


def _runnable(found: host.HostCapabilities) -> tuple[str, ...]:
    """kvm only where it was chosen: a host that emulates does not offer it."""
    return tuple(kind for kind in found.guest_types if kind != "kvm" or found.virt_type == "kvm") or (found.virt_type,)
