"""The file store: one folder, one file an image. Called by ``image.actions.data``.

A file is written as ``<image id>.<upload id>.part`` under a lock that its writer holds until the image's row speaks of it, and renamed when it is
whole. So a file that nobody locks and no row names is a leftover of a process that died, and can go: see ``actions.data.sweep``.
"""
import contextlib
import errno
import fcntl
import hashlib
import os
import pathlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from nova_lite import concurrency, exception
from nova_lite.image import errors, virtual_size

CHUNK = 1 << 20
PART = ".part"
ID_FILE = "store-id"
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OWN_NAME = re.compile(rf"^({_UUID})\.{_UUID}(?:{re.escape(PART)})?$")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Content:
    """What an upload brought. ``header``: the first bytes."""

    location: str
    size: int
    md5: str
    sha512: str
    header: bytes


@contextlib.contextmanager
def _full_is_413():
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise errors.StoreFull() from error
        raise


class Incoming:
    """A file on its way in. Used by one green thread; writing and each of the hashes go on at once in native threads."""

    def __init__(self, folder: pathlib.Path, image_id: str):
        self.upload_id = str(uuid.uuid4())
        self.location = f"{image_id}.{self.upload_id}"
        self.size = 0
        self._folder, self._path = folder, folder / (self.location + PART)
        self._md5, self._sha512, self._header = hashlib.md5(usedforsecurity=False), hashlib.sha512(), b""
        # A file object, not a descriptor: a native thread that outlives its green thread must not write to the number's next owner.
        self._file = open(_create_locked(self._path), "wb", buffering=0)
        self._lanes = [(concurrency.Lane(), take) for take in (self._md5.update, self._sha512.update, self._write)]

    def write(self, block: bytes) -> None:
        """Add the next bytes, which nobody changes any more. Raises StoreFull, for an earlier block as it may be."""
        if len(self._header) < virtual_size.HEADER_BYTES:
            self._header += block[:virtual_size.HEADER_BYTES - len(self._header)]
        with _full_is_413():
            for lane, take in self._lanes:
                lane.call(take, block)
        self.size += len(block)

    def _write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:
            rest = rest[self._file.write(rest):]

    def finish(self) -> Content:
        """The whole file is on the disk under its final name. Raises StoreFull."""
        with _full_is_413():
            for lane, _ in self._lanes:
                lane.wait()
            concurrency.run_native(self._settle)
        self._path = self._folder / self.location
        return Content(self.location, self.size, self._md5.hexdigest(), self._sha512.hexdigest(), self._header)

    def _settle(self) -> None:
        os.fsync(self._file.fileno())
        os.rename(self._path, self._folder / self.location)
        _sync_folder(self._folder)

    def discard(self) -> None:
        """Remove the file; the image's row must not name it."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give up the lock: from here on the image's row decides what becomes of the file."""
        for lane, _ in self._lanes:
            lane.drop()
        self._file.close()


def _create_locked(path: pathlib.Path) -> int:
    while True:
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink:
                return file
        except BlockingIOError:
            # A sweep of another process looked at the file between its creation and its lock, and removes it.
            concurrency.sleep(0)
        os.close(file)


def _sync_folder(folder: pathlib.Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Store:
    """The store in ``folder``, made at the first use. All API processes of a cloud share it (one host, or a shared file system with locks)."""

    def __init__(self, folder: str):
        self.folder = pathlib.Path(folder)
        self._id: str | None = None

    @property
    def id(self) -> str:
        """Which store this is; images remember it, so that a process with another folder leaves them alone."""
        if self._id is None:
            self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            path = self.folder / ID_FILE
            if not path.exists():
                own = self.folder / f".{ID_FILE}.{uuid.uuid4()}"
                own.write_text(str(uuid.uuid4()))
                # A link is made only if no other process was first; then its id counts.
                with contextlib.suppress(FileExistsError):
                    os.link(own, path)
                own.unlink()
            self._id = path.read_text().strip()
        return self._id

    def receive(self, image_id: str) -> Incoming:
        """Begin a file. Raises StoreFull. The caller must ``close`` it."""
        _ = self.id
        with _full_is_413():
            return Incoming(self.folder, image_id)

    def read(self, location: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes of a file in blocks of at most 1 MiB; the file is open when this returns, so a later delete does not cut it.

        Raises NotFound when there is no such file.
        """
        try:
            file = os.open(self.folder / location, os.O_RDONLY)
        except FileNotFoundError as error:
            raise exception.NotFound("The image's data is not in this store.") from error
        return Reader(file, start, os.fstat(file).st_size - start if length is None else length)

    def remove(self, location: str) -> None:
        """Unlink a file; downloads under way go on."""
        (self.folder / location).unlink(missing_ok=True)

    def is_being_written(self, image_id: str, upload_id: str) -> bool:
        """Whether the writer of an upload is alive, in this process or another."""
        for name in (f"{image_id}.{upload_id}{PART}", f"{image_id}.{upload_id}"):
            with contextlib.suppress(FileNotFoundError), _try_lock(self.folder / name) as free:
                return not free
        return False

    def leftovers(self) -> Iterator["Leftover"]:
        """Each file that no writer holds; held by us while the caller looks whether a row names it."""
        _ = self.id
        for path in sorted(self.folder.iterdir()):
            match = _OWN_NAME.match(path.name)
            if match is None:
                continue
            with contextlib.suppress(FileNotFoundError), _try_lock(path) as free:
                if free:
                    yield Leftover(match[1], path.name, path)


@dataclass(frozen=True)
class Leftover:
    """A file whose writer has ended, in whatever way."""

    image_id: str
    location: str
    path: pathlib.Path


class Reader:
    """An iterator over a part of an open file; closes it at the end, at ``close`` and when forgotten."""

    def __init__(self, file: int, start: int, length: int):
        self._file: int | None = file
        self._position, self._left = start, length

    def __iter__(self):
        return self

    def __next__(self) -> bytes:
        if self._file is None or self._left <= 0:
            self.close()
            raise StopIteration
        block = concurrency.run_native(os.pread, self._file, min(CHUNK, self._left), self._position)
        if not block:
            self.close()
            raise StopIteration
        self._position += len(block)
        self._left -= len(block)
        return block

    def close(self) -> None:
        """Give the file back; may be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    __del__ = close


@contextlib.contextmanager
def _try_lock(path: pathlib.Path) -> Iterator[bool]:
    """Whether nobody else held the file's lock; then we do, for the block. Raises FileNotFoundError."""
    # Opened for writing because network file systems want that for an exclusive lock.
    file = os.open(path, os.O_RDWR)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        yield free
    finally:
        os.close(file)
