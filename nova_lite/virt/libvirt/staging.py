"""New files of a server beside the present ones: made ready (.next), put in their place while those wait (.before), and for good or back.

Every function may be repeated after it was cut off at any point: a file that is aside stays until somebody says that it is not needed.
"""
import contextlib
import os

from nova_lite.virt.libvirt.layout import ServerFiles

NEXT, BEFORE = ".next", ".before"
_BOUND = ("nvram",)
"""Files that belong to the disks of their time, and are made anew by whoever starts the guest."""


def drop_staged(files: ServerFiles) -> None:
    """Remove what is made ready."""
    for name in _with(files, NEXT):
        _remove(files.folder / (name + NEXT))


def swap(files: ServerFiles) -> None:
    """What is made ready takes its place; what was there goes aside, unless something older waits there."""
    names = _with(files, NEXT)
    for name in [*names, *(bound for bound in _BOUND if names and bound not in names)]:
        place, aside = files.folder / name, files.folder / (name + BEFORE)
        if place.exists():
            if aside.exists():
                place.unlink()
            else:
                place.rename(aside)
        if name in names:
            (files.folder / (name + NEXT)).rename(place)


def put_back(files: ServerFiles) -> None:
    """What is aside returns to its place; what is made ready goes."""
    drop_staged(files)
    for name in _with(files, BEFORE):
        (files.folder / (name + BEFORE)).replace(files.folder / name)


def trim(files: ServerFiles, wanted: set[str]) -> None:
    """Remove disks that are not ``wanted`` (paths), and all that is made ready or aside."""
    for name in _names(files):
        path = files.folder / name
        if name.endswith((NEXT, BEFORE)) or (name.startswith("disk") and str(path) not in wanted):
            _remove(path)


def _with(files: ServerFiles, suffix: str) -> list[str]:
    return [name.removesuffix(suffix) for name in _names(files) if name.endswith(suffix)]


def _names(files: ServerFiles) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(os.listdir(files.folder))
    return []


def _remove(path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
