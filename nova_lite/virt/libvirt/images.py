"""The cache of base images: each is fetched once a host, checked before anything opens it, and shared by the disks made from it.

A base is complete or not there: it arrives in a ``.part`` file that is renamed when its size, checksum and format are right. The
image's lock (among green threads, and a flock among processes) is held while it is fetched, taken into use or removed.
"""
import contextlib
import dataclasses
import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from nova_lite import concurrency, exception, log
from nova_lite.virt import image_format, types
from nova_lite.virt.driver import Fetch
from nova_lite.virt.image_digest import Digest
from nova_lite.virt.libvirt import layout, qemu_img

LOG = log.get(__name__)

BLOCK_BYTES = 1 << 20
"""How much is hashed and written in one native step."""
LOCK_POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Base:
    """A base image in the cache: ``format`` is raw or qcow2, ``virtual_size`` in bytes."""

    path: str
    format: str
    virtual_size: int


class ImageCache:
    """The base images below one state path. Any number of processes may share it."""

    def __init__(self, state_path: str, host: str):
        self._state_path = state_path
        self._folder = layout.images_folder(state_path)
        self._host = host
        self._locks: dict[str, list] = {}

    @contextlib.contextmanager
    def hold(self, image: types.ImageSource, fetch: Fetch) -> Iterator[Base]:
        """The base of ``image``, fetched if it is not there; nobody removes it inside the block.

        Raises ImageUnusable, DiskFull, and what ``fetch`` raises; after an error nothing of the image is left.
        """
        path = layout.image_path(self._state_path, image.id)
        with self._lock(image.id):
            if not os.path.exists(path):
                self._fetch(image, fetch, path)
            os.utime(path)
            yield _base(image, path)

    def fetch_to(self, image: types.ImageSource, fetch: Fetch, path: str) -> Base:
        """A file of the image's bytes that is nobody else's, checked as a base is. Errors as ``hold``."""
        self._fetch(image, fetch, path)
        return _base(image, path)

    def prune(self, keep: Iterable[str], older_than: float) -> list[str]:
        """Remove bases that no disk uses, not in ``keep`` and unused for ``older_than`` seconds; their ids."""
        removed = []
        for name in sorted(set(os.listdir(self._folder)) - set(keep)):
            if "." not in name and _is_idle(self._folder / name, older_than):
                with self._lock(name):
                    if self._remove_unused(name, older_than):
                        removed.append(name)
        return removed

    def _remove_unused(self, name: str, older_than: float) -> bool:
        path = self._folder / name
        if name in self._in_use() or not _is_idle(path, older_than):
            return False
        path.unlink()
        Path(f"{path}.lock").unlink()
        return True

    def _in_use(self) -> set[str]:
        used = set()
        for record in layout.servers_folder(self._state_path).glob("*/bases*"):
            with contextlib.suppress(FileNotFoundError):
                used.update(record.read_text().split())
        return used

    # ---- locks ---------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _lock(self, image_id: str):
        """One green thread of one process at a time."""
        entry = self._locks.setdefault(image_id, [concurrency.Lock(1), 0])
        entry[1] += 1
        try:
            with entry[0]:
                handle = _flock(f"{layout.image_path(self._state_path, image_id)}.lock")
                try:
                    yield
                finally:
                    os.close(handle)
        finally:
            entry[1] -= 1
            if not entry[1]:
                del self._locks[image_id]

    # ---- fetching ------------------------------------------------------------------------------------------------
    def _fetch(self, image: types.ImageSource, fetch: Fetch, path: str) -> None:
        part = path + ".part"
        started = time.monotonic()
        try:
            self._check_space(image)
            self._receive(image, fetch, part)
            _check(image, part)
            os.rename(part, path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise exception.DiskFull(host=self._host, reason=f"image {image.id} does not fit: {error.strerror}")
            raise
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)
        LOG.info("fetched image %s, %d bytes in %.2f s", image.id, image.size, time.monotonic() - started)

    def _check_space(self, image: types.ImageSource) -> None:
        system = os.statvfs(self._folder)
        free = system.f_bavail * system.f_frsize
        if image.size > free:
            raise exception.DiskFull(host=self._host, reason=f"image {image.id} has {image.size} bytes, {free} are free")

    @staticmethod
    def _receive(image: types.ImageSource, fetch: Fetch, part: str) -> None:
        digest = Digest(image)
        # Readable for QEMU's account, which is not ours.
        handle = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        hashed, written = concurrency.Lane(), concurrency.Lane()
        try:
            for block in _blocks(fetch(image.id)):
                hashed.call(digest.update, block)
                written.call(_store, handle, block)
            hashed.wait()
            digest.verify()
            written.wait()
            os.fchmod(handle, 0o644)
            concurrency.run_native(os.fsync, handle)
        finally:
            hashed.drop()
            written.drop()
            os.close(handle)


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of at least BLOCK_BYTES, the last excepted."""
    pending = bytearray()
    for chunk in chunks:
        pending += chunk
        if len(pending) >= BLOCK_BYTES:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


def _store(handle: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(handle, view):]


def _check(image: types.ImageSource, path: str) -> None:
    """Refuse what is not safe to open or not whole. The header is read here before any program sees the file."""
    found = image_format.inspect(image, _header(path))
    if found.name != "qcow2":
        return
    try:
        info = qemu_img.read_info(path, "qcow2")
    except exception.DiskFull:
        raise
    except exception.HypervisorError as error:
        raise image_format.unusable(image, f"it cannot be read as qcow2: {error}")
    data = info.get("format-specific", {}).get("data", {})
    if info.get("backing-filename") or data.get("data-file") or info.get("encrypted"):
        raise image_format.unusable(image, "it refers to another file or is encrypted")
    if not qemu_img.is_sound(path, "qcow2"):
        raise image_format.unusable(image, "its qcow2 tables point at data that is not there")


def _header(path: str) -> bytes:
    with open(path, "rb") as handle:
        return handle.read(image_format.HEADER_BYTES)


def _base(image: types.ImageSource, path: str) -> Base:
    found = image_format.inspect(image, _header(path))
    size = os.path.getsize(path) if found.virtual_size is None else found.virtual_size
    return Base(path, found.name, size)


def _is_idle(path: Path, seconds: float) -> bool:
    """Whether the base is there and was last taken into use so long ago."""
    try:
        return time.time() - path.stat().st_mtime >= seconds
    except FileNotFoundError:
        return False


def _flock(path: str) -> int:
    """An open file on which this process holds the lock; closing it lets go. Does not block the other green threads."""
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever removes an image removes its lock file too, and a lock on a removed file keeps nobody out.
            if os.path.exists(path) and os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
            os.close(handle)
        except BlockingIOError:
            os.close(handle)
            concurrency.sleep(LOCK_POLL_SECONDS)
        except BaseException:
            os.close(handle)
            raise
