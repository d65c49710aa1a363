"""Network namespaces: whether one is there, and doing something inside without a process of its own.

``setns`` moves the calling native thread only. ``inside`` must therefore not yield: sockets are made and sysctls written there, nothing more.
"""
import contextlib
import ctypes
import os

FOLDER = "/run/netns"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> str:
    """The file that stands for the namespace."""
    return os.path.join(FOLDER, name)


def identity(name: str) -> int | None:
    """A number that changes when a namespace is made anew under the same name; None when there is none."""
    try:
        found = os.stat(path(name))
    except FileNotFoundError:
        return None
    # A file that nothing is mounted on is what a crash or a restart of the machine left behind.
    return found.st_ino if found.st_dev == os.stat("/proc/self/ns/net").st_dev else None


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def inside(name: str):
    """The block runs in the namespace. It must not yield to other green threads. Raises FileNotFoundError, OSError."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        target = os.open(path(name), os.O_RDONLY)
        try:
            _enter(target)
        finally:
            os.close(target)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def write_sysctl(name: str, value: str) -> None:
    """Set a sysctl (``net/ipv4/ip_forward``) of the namespace that the thread is in; where /proc is read-only it stays as it is."""
    with contextlib.suppress(OSError), open(f"/proc/sys/{name}", "w") as file:
        file.write(value)
