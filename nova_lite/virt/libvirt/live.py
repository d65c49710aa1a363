"""Libvirt guests that move while they run: libvirtd sends them to libvirtd, QEMU to QEMU; both hosts' drivers prepare, watch and clear away."""
import base64
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import libvirt

from nova_lite import clock, concurrency, exception, log
from nova_lite.virt import types
from nova_lite.virt.libvirt import console, layout, live_job, live_pace, qemu_img, relocation, tuning
from nova_lite.virt.libvirt.disks import DiskStore
from nova_lite.virt.libvirt.host import HostCapabilities
from nova_lite.virt.libvirt.lifecycle import Domains
from nova_lite.virt.libvirt.live_pace import LiveSettings
from nova_lite.virt.live import Fetch, Live, Order, Presence, Watch

LOG = log.get(__name__)
WATCH_SECONDS = 0.5
LONGEST_SECONDS = 7 * 86400.0
"""After which the call of a migration that has no deadline of its own counts as hung."""
MARKER = "moving."
LOG_BYTES = 256 << 10
"""How much of its console's log a guest takes along."""
_SAFE_CACHES = ("none", "directsync")


class LibvirtLive(Live):
    """``call``: of libvirt.connection.Connection; ``host()``: what this machine can do."""

    def __init__(self, state_path: str, host_name: str, settings: LiveSettings, domains: Domains, store: DiskStore, call: Callable,
                 host: Callable[[], HostCapabilities]):
        self._state_path, self._host_name, self._settings = state_path, host_name, settings
        self._domains, self.store, self._call, self._host = domains, store, call, host

    def _on(self, server_id: str, function, *args, seconds: float | None = None):
        return self._call(self._domains.apply, server_id, function, *args, seconds=seconds)

    def _files(self, server_id: str) -> layout.ServerFiles:
        return layout.ServerFiles(self._state_path, server_id)

    # ---- source: before ------------------------------------------------------------------------------------------
    def offer(self, guest: types.Guest) -> dict:
        xml, files = self._on(guest.server_id, live_job.running_xml), self._files(guest.server_id)
        self.withdraw(guest.server_id)
        marker = files.folder / f"{MARKER}{uuid.uuid4()}"
        marker.touch(mode=0o600)
        drive = Path(files.config_drive(guest))
        return {**relocation.facts(xml), "host": self._host_name, "version": self._call(_version), "marker": marker.name,
                "disks": [self._disk(disk) for disk in relocation.disks(xml)],
                "config_drive": base64.b64encode(drive.read_bytes()).decode() if drive.exists() else None}

    def _disk(self, disk: dict) -> dict:
        path = Path(disk["path"])
        if path.parent.parent != layout.servers_folder(self._state_path):
            raise exception.MoveRefused(reason=f"disk {disk['target']} of the guest is not a file of its own: {path}")
        info = qemu_img.read_info(str(path), disk["format"], in_use=True)
        backing = info.get("full-backing-filename")
        return {"name": path.name, "format": disk["format"], "target": disk["target"], "cache": disk["cache"], "size": info["virtual-size"],
                "used": info.get("actual-size", 0), "base": Path(backing).name if backing else None}

    def withdraw(self, server_id: str) -> None:
        files = self._files(server_id)
        for marker in files.folder.glob(MARKER + "*"):
            marker.unlink(missing_ok=True)

    # ---- destination: before -------------------------------------------------------------------------------------
    def check(self, guest: types.Guest, offer: dict, block: bool | None, over_commit: bool) -> dict:
        host, here = self._host(), self._host_name
        shared = (self._files(guest.server_id).folder / offer["marker"]).exists()
        if offer["arch"] != host.arch or offer["virt_type"] != host.virt_type:
            raise exception.MoveRefused(reason=f"{here} runs {host.virt_type} guests of {host.arch}, this one is for {offer['virt_type']} "
                                               f"and {offer['arch']}")
        if offer["version"] > self._call(_version):
            raise exception.MoveRefused(reason=f"the guest runs on a newer QEMU than {here} has")
        if host.machines and offer["machine"] not in host.machines:
            raise exception.MoveRefused(reason=f"{here} has no machine type {offer['machine']}")
        if shared and block:
            raise exception.MoveRefused(reason=f"the disks are on storage that {here} shares: they must not be copied (block_migration)")
        if not shared and block is False:
            raise exception.MoveRefused(reason=f"{here} is not on shared storage with {offer['host']}: the disks must be copied (block_migration)")
        if self.presence(guest.server_id) not in (Presence.NONE, Presence.OFF):
            raise exception.MoveRefused(reason=f"a guest of this server is on {here} already")
        if offer["cpu"] is not None and host.virt_type == "kvm":
            self._check_cpu(offer)
        if not shared:
            self._check_space(guest, offer, over_commit)
        return {"block": not shared}

    def _check_cpu(self, offer: dict) -> None:
        try:
            verdict = self._call(_compare_cpu, offer)
        except exception.HypervisorError as error:
            raise exception.MoveRefused(reason=f"the CPU of {self._host_name} cannot be compared with the guest's: {error}")
        if verdict <= libvirt.VIR_CPU_COMPARE_INCOMPATIBLE:
            raise exception.MoveRefused(reason=f"the CPU of {self._host_name} lacks what the guest's CPU has")

    def _check_space(self, guest: types.Guest, offer: dict, over_commit: bool) -> None:
        system = os.statvfs(layout.servers_folder(self._state_path))
        free = system.f_bavail * system.f_frsize
        missing = {image.id: image.size for image in _images(guest) if not os.path.exists(layout.image_path(self._state_path, image.id))}
        needed = sum(disk["used" if over_commit else "size"] for disk in offer["disks"]) + sum(missing.values())
        if needed > free:
            raise exception.MoveRefused(reason=f"{self._host_name} has {free >> 20} MB of disk free, the server may need {needed >> 20} MB")

    def receive(self, guest: types.Guest, offer: dict, plan: dict, fetch: Fetch) -> dict:
        # A definition that an earlier stay left would keep the guest out.
        self._call(self._domains.forget, guest.server_id)
        files, whole = self._files(guest.server_id), False
        if plan["block"]:
            self.store.delete(guest.server_id)
            files.folder.mkdir(mode=0o711, parents=True)
            self.store.own(guest.server_id)
            for disk in offer["disks"]:
                whole |= self._make_disk(guest, disk, files, fetch)
            if offer["config_drive"] is not None:
                drive = Path(files.config_drive(guest))
                drive.touch(mode=0o600)
                drive.write_bytes(base64.b64decode(offer["config_drive"]))
        for image in (guest.kernel, guest.ramdisk):
            if image is not None:
                with self.store.base(guest.server_id, image, fetch):
                    LOG.debug("image %s is here", image.id)
        address = self._settings.inbound_addr
        shown = f"[{address}]" if ":" in address else address
        return {"state_path": self._state_path, "run_as_root": self._host().run_as_root, "libvirt_uri": self._settings.uri.replace("%s", shown),
                "whereabouts": tuning.whereabouts(guest, self._host()), "migrate_uri": f"tcp://{shown}", "listen": address, "whole": whole,
                # QEMU loses sight of memory that emulated CPUs write to while it moves: measured with 7.2, a third of busy guests crashed.
                "live": offer["virt_type"] != "qemu",
                "unsafe": all(disk["cache"] in _SAFE_CACHES for disk in offer["disks"])}

    def _make_disk(self, guest: types.Guest, disk: dict, files: layout.ServerFiles, fetch: Fetch) -> bool:
        """An empty disk like the source's; True when what it is made from cannot be had, so that all of it must be copied."""
        path = str(files.folder / Path(disk["name"]).name)
        image = next((image for image in _images(guest) if image.id == disk["base"]), None)
        lacks_base = False
        if image is not None:
            try:
                with self.store.base(guest.server_id, image, fetch) as base:
                    qemu_img.create_overlay(path, base.path, base.format, disk["size"])
            except exception.ImageNotFound:
                lacks_base = True
        if image is None or lacks_base:
            lacks_base = disk["base"] is not None
            if disk["format"] == "qcow2":
                qemu_img.create_blank(path, disk["size"])
            else:
                Path(path).touch()
                os.truncate(path, disk["size"])
        os.chmod(path, 0o600)
        return lacks_base

    # ---- on the way ----------------------------------------------------------------------------------------------
    def migrate(self, guest: types.Guest, plan: dict, place: dict, watch: Watch) -> None:
        xml = self._on(guest.server_id, live_job.running_xml)
        disks = relocation.disks(xml)
        size = sum(os.path.getsize(disk["path"]) for disk in disks) if plan["block"] else 0
        block = None if not plan["block"] else "whole" if place["whole"] else "top"
        there = relocation.relocate(xml, self._state_path, place["state_path"], place["run_as_root"], place.get("whereabouts"))
        task = concurrency.spawn(self._send, guest.server_id, place, there, [disk["target"] for disk in disks], block)
        try:
            self._accompany(guest.server_id, task, live_pace.size_gb(guest.memory_mb, size), self._settings.post_copy and place["live"], watch)
        finally:
            if not task.done:
                self._abort(guest.server_id)
        error = task.wait()
        if error is not None:
            raise error

    def _send(self, server_id: str, place: dict, xml: str, targets: list[str], block: str | None) -> Exception | None:
        """What went wrong; an error, too, that says that the guest is gone, since where to must be asked."""
        try:
            self._on(server_id, live_job.migrate, place, xml, targets, block, self._settings, seconds=LONGEST_SECONDS)
        except exception.NovaLiteError as error:
            return exception.HypervisorError(str(error))
        return None

    def _accompany(self, server_id: str, task, gb: int, post_copy: bool, watch: Watch) -> None:
        """Watch until the migration has ended. Raises MoveCancelled and what ``watch`` raises; then it may still run."""
        began, allowed, hurried = clock.monotonic(), None, False
        while not task.done:
            concurrency.sleep(WATCH_SECONDS)
            order = watch(self._progress(server_id))
            elapsed = clock.monotonic() - began
            if order != Order.ABORT and live_pace.is_late(self._settings, gb, elapsed):
                if self._settings.timeout_action == "abort":
                    raise exception.HypervisorError(reason=f"the migration had not come to its end after {elapsed:.0f} s")
                order = Order.COMPLETE
            if order == Order.ABORT:
                self._abort(server_id)
                task.wait()
                if self.presence(server_id) in (Presence.HERE, Presence.OFF):
                    raise exception.MoveCancelled(server_id=server_id)
                return
            if order == Order.COMPLETE and not hurried:
                hurried = self._try(server_id, live_job.hurry, post_copy)
            wanted = live_pace.downtime(self._settings, gb, elapsed)
            if wanted != allowed and self._try(server_id, live_job.set_downtime, wanted):
                allowed = wanted

    def _progress(self, server_id: str):
        try:
            return self._on(server_id, live_job.progress)
        except exception.NovaLiteError as error:
            # It has just gone, or libvirtd is away: the task will say.
            LOG.debug("the progress of guest %s is not known: %s", server_id, error)
            return live_job.Progress()

    def _try(self, server_id: str, function, *args) -> bool:
        """Whether it could be done; before the migration has begun, and after its end, it cannot."""
        try:
            self._on(server_id, function, *args)
        except exception.NovaLiteError as error:
            LOG.debug("guest %s: %s", server_id, error)
            return False
        return True

    def _abort(self, server_id: str) -> None:
        self._try(server_id, live_job.abort)

    # ---- who has it ----------------------------------------------------------------------------------------------
    def presence(self, server_id: str) -> Presence:
        try:
            return self._on(server_id, live_job.presence)
        except exception.GuestNotFound:
            return Presence.NONE

    def halt(self, server_id: str) -> Presence:
        self._abort(server_id)
        return self.presence(server_id)

    # ---- afterwards ----------------------------------------------------------------------------------------------
    def entrust(self, server_id: str, host: str, plan: dict) -> None:
        if not plan["block"]:
            self.store.own(server_id, host)

    def farewell(self, server_id: str) -> dict:
        if server_id not in self.store.server_ids():
            # The files are the destination's already, the log among them.
            return {}
        text = concurrency.run_native(console.read_tail, self._files(server_id).console_log, LOG_BYTES)
        return {"console": base64.b64encode(text).decode()}

    def settle(self, server_id: str, luggage: dict) -> None:
        older = Path(self._files(server_id).console_log + ".0")
        if luggage.get("console") and not older.exists():
            older.touch(mode=0o600)
            older.write_bytes(base64.b64decode(luggage["console"]))

    def discard(self, server_id: str, plan: dict) -> None:
        self._call(self._domains.forget, server_id)
        if plan.get("block"):
            self.store.delete(server_id)


def _images(guest: types.Guest) -> list[types.ImageSource]:
    return [image for image in (guest.kernel, guest.ramdisk, *(disk.image for disk in guest.disks)) if image is not None]


def _version(link) -> int:
    return link.getVersion()


def _compare_cpu(link, offer: dict) -> int:
    return link.compareHypervisorCPU(None, offer["arch"], offer["machine"], offer["virt_type"], offer["cpu"], 0)

