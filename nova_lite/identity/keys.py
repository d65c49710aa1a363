"""The folder of token keys: files named by number, mode 0600. Called by ``tokens.Codec`` and ``nova-lite-manage``.

As in Keystone: the highest number seals new tokens, 0 is staged to be the next one, the others only read old tokens. So a folder copied to all
API hosts between two rotations works everywhere. Every host of a cloud must hold the same folder.
"""
import contextlib
import fcntl
import os
import pathlib

from cryptography import fernet

STAGED = 0


def ensure(folder: str) -> None:
    """Make the folder and its first two keys if there is none yet; safe against another process doing the same."""
    path = pathlib.Path(folder)
    if _numbers(path):
        return
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path):
        if not _numbers(path):
            _write(path, STAGED)
            _write(path, 1)


def read(folder: str) -> list[bytes]:
    """All keys, the sealing one first. Raises FileNotFoundError when ``ensure`` never ran."""
    path = pathlib.Path(folder)
    keys = []
    for number in sorted(_numbers(path), reverse=True):
        # A rotation may remove the oldest key between the listing and the read.
        with contextlib.suppress(FileNotFoundError):
            keys.append((path / str(number)).read_bytes().strip())
    if not keys:
        raise FileNotFoundError(f"no token keys in {folder}")
    return keys


def stamp(folder: str) -> frozenset[int]:
    """Differs once a rotation ran (a time stamp would not, of two rotations in one tick of the clock); empty where there are no keys."""
    return frozenset(_numbers(pathlib.Path(folder)))


def rotate(folder: str, keep: int = 3) -> None:
    """The staged key seals from now on, a new one is staged, and all but ``keep`` (>= 2) are removed.

    Rotate no oftener than a token's lifetime divided by ``keep - 2``, else living tokens die.
    """
    ensure(folder)
    path = pathlib.Path(folder)
    with _locked(path):
        newest = max(_numbers(path))
        os.rename(path / str(STAGED), path / str(newest + 1))
        _write(path, STAGED)
        for number in sorted(_numbers(path) - {STAGED})[:-max(keep - 1, 1)]:
            (path / str(number)).unlink()


def _numbers(path: pathlib.Path) -> set[int]:
    return {int(entry.name) for entry in path.iterdir() if entry.name.isdigit()} if path.is_dir() else set()


def _write(path: pathlib.Path, number: int) -> None:
    # Written aside and renamed, so that a reader never sees half a key.
    partial = path / f".{number}.new"
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(fernet.Fernet.generate_key())
        file.flush()
        os.fsync(file.fileno())
    os.rename(partial, path / str(number))


@contextlib.contextmanager
def _locked(path: pathlib.Path):
    with open(path / ".lock", "a") as lock:
        os.chmod(lock.name, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
