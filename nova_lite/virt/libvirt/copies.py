"""Copying a server's files between hosts: packed at the source, taken in at the destination, where what is made from a base image finds its own.

What arrives is written beside its place (``.part``) with a journal of how far it has come, so that a worker that starts over goes on there.
"""
import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from nova_lite import concurrency, exception, log
from nova_lite.virt import types
from nova_lite.virt.copies import BLOCK_BYTES, Copies, DiskFile, Fetch, Intake, Pull
from nova_lite.virt.libvirt import layout, qemu_img, tpm
from nova_lite.virt.libvirt.disks import DiskStore

LOG = log.get(__name__)
MOVED = re.compile(r"disk(\.eph[0-9]+|\.config)?|nvram")
"""Files that go with the server; swap is made anew, and the console's log stays."""
BASE = "base/"
PART, JOURNAL = ".part", "incoming"
NOTE_BYTES = 64 << 20
"""How much may have to be pulled again after a worker died."""


class DiskCopies(Copies):
    """``is_off(server_id)``: whether nothing writes to the server's disks; ``tpm_folder(server_id)``: where libvirt keeps what its TPM knows."""

    def __init__(self, store: DiskStore, state_path: str, host: str, is_off: Callable[[str], bool], tpm_folder: Callable[[str], Path]):
        self._store, self._state_path, self._host, self._is_off, self._tpm_folder = store, state_path, host, is_off, tpm_folder

    # ---- source --------------------------------------------------------------------------------------------------
    def files(self, server_id: str) -> list[DiskFile]:
        if not self._is_off(server_id):
            raise exception.HypervisorError(reason=f"guest {server_id} is on: its disks cannot be copied")
        place = layout.ServerFiles(self._state_path, server_id)
        names = sorted(path.name for path in place.folder.glob("*") if MOVED.fullmatch(path.name))
        if not names:
            raise exception.GuestNotFound(server_id=server_id)
        found = [concurrency.run_native(_describe, str(place.folder / name), name, self._base_of(place, name)) for name in names]
        found += [concurrency.run_native(_describe, str(path), name, None) for name, path in tpm.files(place, self._tpm_folder(server_id)).items()]
        bases = place.bases.read_text().split() if place.bases.exists() else []
        return found + [self._base(image_id) for image_id in bases if os.path.exists(layout.image_path(self._state_path, image_id))]

    def _base_of(self, place: layout.ServerFiles, name: str) -> str | None:
        if name != "disk" or self._store.ROOT_FORMAT != "qcow2":
            return None
        base = qemu_img.read_info(str(place.folder / name), "qcow2").get("full-backing-filename")
        return os.path.basename(base) if base else None

    def _base(self, image_id: str) -> DiskFile:
        # Its holes are not worth the trouble: whoever fetches an image takes its bytes as they are.
        size = os.path.getsize(layout.image_path(self._state_path, image_id))
        return DiskFile(BASE + image_id, size, ((0, size),))

    def read(self, server_id: str, name: str, position: int) -> Iterator[bytes]:
        file = next((file for file in self.files(server_id) if file.name == name), None)
        if file is None:
            raise exception.GuestNotFound(server_id=server_id)
        return _packed(self._path(server_id, name), file, position)

    def _path(self, server_id: str, name: str) -> str:
        if name.startswith(BASE):
            return layout.image_path(self._state_path, name.removeprefix(BASE))
        place = layout.ServerFiles(self._state_path, server_id)
        if tpm.NAME.fullmatch(name):
            return str(tpm.files(place, self._tpm_folder(server_id))[name])
        return str(place.folder / name)

    # ---- destination ---------------------------------------------------------------------------------------------
    def prepare(self, guest: types.Guest, fetch: Fetch) -> None:
        for image in (guest.kernel, guest.ramdisk, *(disk.image for disk in guest.disks if not disk.whole)):
            if image is not None:
                with contextlib.suppress(exception.ImageNotFound), self._store.images.hold(image, fetch):
                    LOG.debug("image %s is here for server %s", image.id, guest.server_id)

    def receive(self, guest: types.Guest, key: str, files: list[DiskFile], pull: Pull, fetch: Fetch) -> None:
        place = layout.ServerFiles(self._state_path, guest.server_id)
        if self._store.owner(guest.server_id) not in (None, self._host):
            raise exception.HypervisorError(reason=f"the files of server {guest.server_id} here are those of host "
                                                   f"{self._store.owner(guest.server_id)}, on storage that both share")
        bases = {file.name.removeprefix(BASE): file for file in files if file.name.startswith(BASE)}
        wanted = [file for file in files if MOVED.fullmatch(file.name) or tpm.NAME.fullmatch(file.name)]
        either = _fetch_or_pull(fetch, bases, pull)
        journal = _Journal(place.folder, key)
        self._check_room(wanted, journal)
        for file in wanted:
            if not (place.folder / file.name).exists():
                self._receive(guest, file, place, journal, pull)
                part = str(place.folder / file.name) + PART
                if file.base is not None:
                    self._put_on_base(guest, file, part, bases, either)
                os.chmod(part, 0o600)
                os.rename(part, place.folder / file.name)
        for disk, path in place.disks(guest.disks):
            if disk.kind in ("root", "ephemeral") and os.path.exists(path):
                disk_format = self._store.format_of(disk)
                if qemu_img.read_info(path, disk_format)["virtual-size"] < disk.size_mb << 20:
                    qemu_img.grow(path, disk_format, disk.size_mb << 20)
                    self._store.has_grown(disk, path)
        self._store.create(guest, either)
        journal.close()

    def _check_room(self, files: list[DiskFile], journal: "_Journal") -> None:
        system = os.statvfs(layout.servers_folder(self._state_path))
        missing = sum(file.packed - journal.received(file.name) for file in files)
        if missing > system.f_bavail * system.f_frsize:
            raise exception.DiskFull(host=self._host, reason=f"the server's disks have {missing} bytes, {system.f_bavail * system.f_frsize} are free")

    def _receive(self, guest: types.Guest, file: DiskFile, place: layout.ServerFiles, journal: "_Journal", pull: Pull) -> None:
        part = str(place.folder / file.name) + PART
        position = min(journal.received(file.name), file.packed) if os.path.exists(part) else 0
        try:
            _take(part, file, position, journal, pull)
        except exception.HypervisorError as error:
            if not position:
                raise
            LOG.warning("server %s: %s; what was here of it is pulled anew", guest.server_id, error)
            _take(part, file, 0, journal, pull)

    def _put_on_base(self, guest: types.Guest, file: DiskFile, part: str, bases: dict[str, DiskFile], fetch: Fetch) -> None:
        known = {image.id: image for image in (disk.image for disk in guest.disks) if image is not None}
        theirs = bases.get(file.base)
        if theirs is None:
            raise exception.HypervisorError(reason=f"{file.name} is made from image {file.base}, which the other host does not have")
        image = known.get(file.base) or types.ImageSource(file.base, "raw", theirs.size)
        with self._store.base(guest.server_id, image, fetch) as base:
            if os.path.getsize(base.path) != theirs.size:
                raise exception.HypervisorError(reason=f"image {file.base} is not the same here as on the other host")
            qemu_img.rebase(part, base.path, base.format)


class _Journal:
    """How many bytes of each packed file have come under one key. What a folder holds under another, or under none, is removed."""

    def __init__(self, folder: Path, key: str):
        self._path, self._key = folder / JOURNAL, key
        self._at: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            known = json.loads(self._path.read_text())
            if known["key"] == key:
                self._at = known["received"]
                return
        if folder.exists():
            concurrency.run_native(shutil.rmtree, folder)
        folder.mkdir(mode=0o711, parents=True)
        self._write()

    def received(self, name: str) -> int:
        return self._at.get(name, 0)

    def note(self, name: str, position: int) -> None:
        self._at[name] = position
        self._write()

    def close(self) -> None:
        self._path.unlink()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"key": self._key, "received": self._at}))
        fresh.rename(self._path)


# ---- files as streams
def _describe(path: str, name: str, base: str | None) -> DiskFile:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size, at, extents = os.fstat(handle).st_size, 0, []
        while at < size:
            try:
                start = os.lseek(handle, at, os.SEEK_DATA)
            except OSError:
                # Nothing but a hole follows.
                break
            at = min(size, os.lseek(handle, start, os.SEEK_HOLE))
            extents.append((start, at - start))
        return DiskFile(name, size, tuple(extents), base)
    finally:
        os.close(handle)


def _packed(path: str, file: DiskFile, position: int) -> Iterator[bytes]:
    sealed = file.seal()
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        concurrency.run_native(_read_over, handle, file, position, sealed)
        for offset, length in file.pieces(position):
            for at in range(offset, offset + length, BLOCK_BYTES):
                yield concurrency.run_native(_read, handle, at, min(BLOCK_BYTES, offset + length - at), sealed)
        yield sealed.digest()
    finally:
        os.close(handle)


def _read(handle: int, offset: int, length: int, sealed) -> bytes:
    block = os.pread(handle, length, offset)
    sealed.update(block)
    if len(block) < length:
        raise exception.HypervisorError(reason="a disk became shorter while it was read")
    return block


def _read_over(handle: int, file: DiskFile, position: int, sealed) -> None:
    """Have ``sealed`` take the first ``position`` bytes of the packed file."""
    for offset, length in file.extents:
        for at in range(offset, offset + min(length, position), BLOCK_BYTES):
            sealed.update(os.pread(handle, min(BLOCK_BYTES, offset + min(length, position) - at), at))
        position -= min(length, position)


def _take(part: str, file: DiskFile, position: int, journal: _Journal, pull: Pull) -> None:
    handle = os.open(part, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | (0 if position else os.O_TRUNC), 0o600)
    try:
        os.ftruncate(handle, file.size)
        sealed = file.seal()
        concurrency.run_native(_read_over, handle, file, position, sealed)
        intake = Intake(file, position, sealed, lambda offset, piece: _write(handle, offset, piece))
        noted = position
        for block in pull(file.name, position):
            concurrency.run_native(intake.take, block)
            if intake.position - noted >= NOTE_BYTES:
                noted = intake.position
                journal.note(file.name, noted)
        intake.check()
        concurrency.run_native(os.fsync, handle)
        journal.note(file.name, file.packed)
    finally:
        os.close(handle)


def _write(handle: int, offset: int, piece: memoryview) -> None:
    while piece:
        done = os.pwrite(handle, piece, offset)
        piece, offset = piece[done:], offset + done


def _fetch_or_pull(fetch: Fetch, bases: dict[str, DiskFile], pull: Pull) -> Fetch:
    """As ``fetch``; an image that is gone is taken from the other host's cache."""
    def either(image_id: str) -> Iterator[bytes]:
        try:
            yield from fetch(image_id)
            return
        except exception.ImageNotFound:
            if image_id not in bases:
                raise
        LOG.info("image %s is gone; its copy on the other host serves", image_id)
        file, pieces = bases[image_id], []
        intake = Intake(file, 0, file.seal(), lambda _offset, piece: pieces.append(bytes(piece)))
        for block in pull(file.name, 0):
            intake.take(block)
            yield from pieces
            pieces.clear()
        intake.check()
    return either
