"""libvirtd for tests and tools: the one that runs on this machine, or where none does, one that is started and stopped here.

Where there is a /dev/kvm that the CPU cannot back, libvirtd probes QEMU anew before every call (a guest's start took 80 s instead of
1 s): its probe, run as root, finds KVM; its check, as QEMU's account, does not. The libvirtd that is started here therefore has a mount
namespace of its own in which /dev/kvm is an empty file; the machine's device stays as it is.
"""
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

URI = "qemu:///system"
SOCKET = "/run/libvirt/libvirt-sock"
_WITHOUT_KVM = """
set -e
mkdir -p /run/libvirt
cd /run/libvirt
: >no-kvm
chmod 600 no-kvm
# libvirt would give each guest a /dev of its own, and fails to where a single file of /dev is a mount.
{ cat /etc/libvirt/qemu.conf; echo 'namespaces = []'; } >no-kvm.conf
mount --bind no-kvm /dev/kvm
mount --bind no-kvm.conf /etc/libvirt/qemu.conf
exec libvirtd -d
"""
DAEMONS = ("virtlogd", "libvirtd")
START_SECONDS = 30


class Libvirtd:
    """``with Libvirtd() as libvirtd: libvirtd.uri``. Only what it started is ever stopped."""

    def __init__(self):
        self.uri = URI
        self._started: dict[str, int] = {}
        self.start()

    @classmethod
    def missing(cls) -> str | None:
        """Why libvirtd cannot be used on this machine; None when it can."""
        if answers():
            return None
        if os.geteuid() != 0:
            return "no libvirtd answers and only root can start it"
        absent = [name for name in (*DAEMONS, "qemu-img") if shutil.which(name, path=_path()) is None]
        return f"not installed: {', '.join(absent)}" if absent else None

    @property
    def owns_daemon(self) -> bool:
        """Whether the libvirtd that answers was started here, so that a test may restart it."""
        return "libvirtd" in self._started

    def start(self) -> None:
        """Start what does not run; wait until it answers. Raises TimeoutError."""
        if answers():
            return
        for name in DAEMONS:
            if _running(name) is None:
                subprocess.run(_command(name), check=True, env={"PATH": _path()}, stdin=subprocess.DEVNULL,
                               start_new_session=True)
                self._started[name] = _wait(lambda name=name: _running(name), f"{name} did not start")
        _wait(answers, "libvirtd does not answer")

    def stop(self, name: str = "libvirtd", number: int = signal.SIGTERM) -> None:
        """End a daemon that was started here; guests go on without it."""
        pid = self._started.pop(name, None)
        if pid is not None:
            os.kill(pid, number)
            _wait(lambda: not Path("/proc", str(pid)).exists(), f"{name} does not end")

    def close(self) -> None:
        """End all that was started here."""
        for name in reversed(DAEMONS):
            self.stop(name)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()


def _command(name: str) -> list[str]:
    if name != "libvirtd" or not Path("/dev/kvm").exists() or {"vmx", "svm"} & set(Path("/proc/cpuinfo").read_text().split()):
        return [name, "-d"]
    # "slave": network namespaces that are mounted later are still seen.
    return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", _WITHOUT_KVM]


def answers() -> bool:
    """Whether some libvirtd accepts connections on the system socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(SOCKET)
            return True
        except OSError:
            return False


def _running(name: str) -> int | None:
    """The pid in the daemon's pid file, if that process is the daemon."""
    try:
        pid = int(Path("/run", f"{name}.pid").read_text())
        return pid if Path("/proc", str(pid), "comm").read_text().strip() == name else None
    except (OSError, ValueError):
        return None


def _wait(condition, complaint: str):
    deadline = time.monotonic() + START_SECONDS
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.05)
    return result


def _path() -> str:
    return "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
