"""The console of a container: libvirt gives it a terminal device and keeps no log, and it stands still once the device is full.

So a small process of its own (``keep``) writes what comes to the log, whether the worker runs or not; whoever looks at the console follows the
log (``Line``), and writes to the device.
"""
import contextlib
import fcntl
import os

from nova_lite import concurrency, exception
from nova_lite.virt.libvirt import console, layout, polling

LOG_BYTES = 1 << 20
"""At which size console.log becomes console.log.0."""
HAND_OVER_SECONDS = 10
_KEEPER = """
trap '' XFSZ
while cat >>"$1"; [ "$(stat -c %s "$1")" -ge "$2" ]; do mv -f "$1" "$1.0"; done
"""
"""cat ends where the container ends, or where the log has its size; its input's last few bytes may be lost then."""


def keep(on_domain, state_path: str, server_id: str) -> None:
    """Have a process write the console's log for as long as the container runs, unless there is one. Raises GuestNotFound, HypervisorError."""
    files = layout.ServerFiles(state_path, server_id)
    run, place = on_domain(server_id, console.find, "serial")
    with concurrency.timeout(HAND_OVER_SECONDS), contextlib.closing(open(files.folder / "console.keeper", "a+")) as lock:
        if _is_kept(lock, run):
            return
        lock.truncate(0)
        lock.write(run)
        lock.flush()
        terminal = os.open(place, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            # The lock is the process's, too: it is held until that ends.
            concurrency.subprocess.run(
                ["setsid", "--fork", "prlimit", f"--fsize={LOG_BYTES}", "sh", "-c", _KEEPER, "console", files.console_log, str(LOG_BYTES)],
                check=True, stdin=terminal, stdout=concurrency.subprocess.DEVNULL, stderr=concurrency.subprocess.DEVNULL, pass_fds=(lock.fileno(),))
        finally:
            os.close(terminal)


def _is_kept(lock, run: str) -> bool:
    """Whether another process keeps this run's console; where not, the lock is ours."""
    for _ in polling.pauses():
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        lock.seek(0)
        if lock.read() == run:
            return True
    raise exception.HypervisorError(reason="unreachable")


class Line:
    """A console as a stream like a socket: ``recv``, ``sendall``, ``close``."""

    def __init__(self, place: str, log: str):
        self._terminal, self._path = concurrency.Terminal(place), log
        self._log = open(log, "rb")
        self._log.seek(0, os.SEEK_END)

    def recv(self, size: int) -> bytes:
        """At most ``size`` bytes, once there are any; empty when the container has ended."""
        for _ in polling.pauses():
            ended = self._terminal.has_ended()
            data = self._log.read(size) or self._go_on(size)
            if data or ended:
                return data
        return b""

    def _go_on(self, size: int) -> bytes:
        """What a new log has, where the old one was put aside."""
        with contextlib.suppress(FileNotFoundError):
            if not os.path.samestat(os.stat(self._path), os.fstat(self._log.fileno())):
                old, self._log = self._log, open(self._path, "rb")
                with old:
                    return old.read() or self._log.read(size)
        return b""

    def sendall(self, data: bytes) -> None:
        """Write all of ``data``."""
        self._terminal.sendall(data)

    def close(self) -> None:
        """Let go of the device."""
        self._terminal.close()
        self._log.close()
