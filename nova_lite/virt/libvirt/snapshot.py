"""A root disk as one file of its own: QEMU's backup job while the guest runs, ``qemu-img convert`` while it does not."""
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import libvirt

from nova_lite import concurrency, exception
from nova_lite.virt import types
from nova_lite.virt.libvirt import agent, layout, polling, qemu_img
from nova_lite.virt.libvirt.xml.backup import Backup, BackupDisk
from nova_lite.virt.libvirt.xml.element import to_text
from nova_lite.virt.types import PowerState

CHUNK_BYTES = 4 << 20


def take(copy_root, on_domain, state_path: str, guest: types.Guest, state: PowerState, consume) -> None:
    """Make the file, hand its bytes to ``consume``, remove it. ``on_domain(server_id, function, *args)`` runs libvirt calls.

    ``copy_root`` makes it: ``back_up``, or what another hypervisor has in its place.
    """
    files = layout.ServerFiles(state_path, guest.server_id)
    root, source = next((disk, path) for disk, path in files.disks(guest.disks) if disk.kind == "root")
    target = str(files.folder / "disk.snapshot")
    form = "raw" if root.image is not None and root.image.disk_format == "ami" else "qcow2"
    try:
        Path(target).unlink(missing_ok=True)
        copy_root(on_domain, guest.server_id, state in (PowerState.RUNNING, PowerState.PAUSED), root, source, target, form)
        consume(_chunks(target), os.path.getsize(target))
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)


def back_up(on_domain, server_id: str, is_on: bool, root: types.Disk, source: str, target: str, form: str) -> None:
    """Write what QEMU's disk ``root`` holds to ``target``, as one moment of the call left it."""
    if not is_on:
        qemu_img.convert(source, target, form)
        return
    device = root.device.removeprefix("/dev/")
    on_domain(server_id, _begin, device, target, form)
    done = False
    try:
        for _ in polling.pauses():
            if done := on_domain(server_id, _is_done):
                break
    finally:
        if not done:
            on_domain(server_id, _abort)


def _begin(domain, device: str, target: str, form: str) -> None:
    others = [name for name in _devices(domain) if name != device]
    disks = [BackupDisk(name=device, wanted=True, type="file", file=target, format=form),
             *(BackupDisk(name=name, wanted=False) for name in others)]
    _abort(domain)
    with agent.quiet(domain):
        domain.backupBegin(to_text(Backup(disks=disks)), None, 0)


def _devices(domain) -> list[str]:
    (_, stats), = domain.connect().domainListGetStats([domain], libvirt.VIR_DOMAIN_STATS_BLOCK, 0)
    return [stats[f"block.{number}.name"] for number in range(stats["block.count"])]


def _is_done(domain) -> bool:
    if not domain.isActive():
        raise exception.HypervisorError(reason="the guest went off while its disk was copied")
    if domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
        return False
    stats = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED)
    if stats.get("type") != libvirt.VIR_DOMAIN_JOB_COMPLETED:
        raise exception.HypervisorError(reason=f"the disk could not be copied: {stats.get('errmsg', 'the copy was cancelled')}")
    return True


def _abort(domain) -> None:
    if domain.isActive() and domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
        with contextlib.suppress(libvirt.libvirtError):
            domain.abortJob()


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as handle:
        while chunk := concurrency.run_native(handle.read, CHUNK_BYTES):
            yield chunk
