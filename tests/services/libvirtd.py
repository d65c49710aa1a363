"""libvirtd for tests and tools.

``Libvirtd`` is the one that runs on this machine, or where none does, one that is started here and stopped again.
``PrivateLibvirtd`` is one of its own beside it, which a test may stop and kill: sockets, definitions and logs in a folder of its own.

Where there is a /dev/kvm that the CPU cannot back, libvirtd probes QEMU anew before every call (a guest's start took 80 s instead of
1 s): its probe, run as root, finds KVM; its check, as QEMU's account, does not. A libvirtd that is started here therefore has a mount
namespace of its own in which /dev/kvm is an empty file; the machine's device stays as it is.
"""
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

SYSTEM_URI = "qemu:///system"
DAEMONS = ("virtlogd", "libvirtd")
START_SECONDS = 30

_START = """
set -e
mkdir -p /run/libvirt
if [ -n "$PRIVATE" ]; then
    for folder in /run/libvirt /var/lib/libvirt /var/log/libvirt /etc/libvirt/qemu /etc/libvirt/lxc; do
        mkdir -p "$folder" "$PRIVATE$folder"
        chmod 755 "$PRIVATE$folder"
        mount --bind "$PRIVATE$folder" "$folder"
    done
fi
if [ -n "$CONTAINERS" ] && mountpoint -q /sys/fs/cgroup/unified; then
    # Beside the old hierarchies libvirt would look for a container's processes in the new one, which has no controllers.
    umount /sys/fs/cgroup/unified
fi
if [ "$DAEMON" = libvirtd ] && [ -n "$SETTINGS$HIDE_KVM" ]; then
    { cat /etc/libvirt/qemu.conf; echo "$SETTINGS"; } >/run/libvirt/tests-qemu.conf
    if [ -n "$HIDE_KVM" ]; then
        # libvirt would give each guest a /dev of its own, and fails to where a single file of /dev is a mount.
        echo 'namespaces = []' >>/run/libvirt/tests-qemu.conf
        : >/run/libvirt/no-kvm
        chmod 600 /run/libvirt/no-kvm
        mount --bind /run/libvirt/no-kvm /dev/kvm
    fi
    mount --bind /run/libvirt/tests-qemu.conf /etc/libvirt/qemu.conf
fi
exec "$DAEMON" -d -p "$PID_FILE"
"""


class Libvirtd:
    """``with Libvirtd() as libvirtd: libvirtd.uri``. Only what it started is ever stopped; guests go on without it."""

    def __init__(self):
        self.uri = SYSTEM_URI
        self._run = Path("/run")
        self._socket = Path("/run/libvirt/libvirt-sock")
        self._private = self._containers = ""
        self._settings = ""
        self._started: dict[str, int] = {}
        self.start()

    @classmethod
    def missing(cls) -> str | None:
        """Why libvirtd cannot be used on this machine; None when it can."""
        if os.geteuid() != 0:
            return "libvirt's guests need root"
        absent = [name for name in (*DAEMONS, "qemu-img", "unshare") if shutil.which(name, path=_PATH) is None]
        return f"not installed: {', '.join(absent)}" if absent else None

    def start(self) -> None:
        """Start what does not run; wait until it answers. Raises TimeoutError."""
        if self._answers():
            return
        for name in DAEMONS:
            pid_file = self._run / f"{name}.pid"
            if _running(name, pid_file) is None:
                environment = {"PATH": _PATH, "DAEMON": name, "PID_FILE": str(pid_file), "PRIVATE": self._private,
                               "SETTINGS": self._settings, "CONTAINERS": self._containers, "HIDE_KVM": "1" if _kvm_is_hollow() else ""}
                # "slave": network namespaces that are mounted later are still seen.
                apart = ["--net"] if self._containers else []
                subprocess.run(["unshare", "--mount", *apart, "--propagation", "slave", "sh", "-c", _START], check=True, env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
                self._started[name] = _wait(lambda name=name, file=pid_file: _running(name, file), f"{name} did not start")
        _wait(self._answers, "libvirtd does not answer")

    def stop(self, name: str = "libvirtd", number: int = signal.SIGTERM) -> None:
        """End a daemon that was started here."""
        pid = self._started.pop(name, None)
        if pid is not None:
            os.kill(pid, number)
            _wait(lambda: not _is(pid, name), f"{name} does not end")
            if name == "libvirtd":
                # A child that it was about to start still holds its socket for a moment.
                _wait(lambda: not self._answers(), "something holds libvirtd's socket")

    def close(self) -> None:
        """End all that was started here."""
        for name in reversed(DAEMONS):
            self.stop(name)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self._socket))
                return True
            except OSError:
                return False


class PrivateLibvirtd(Libvirtd):
    """A libvirtd and virtlogd of their own, gone with all their state after ``close``; end its guests before.

    ``containers``: for lxc guests, which must not get at this machine's network: it has one of its own, see ``network``.
    """

    def __init__(self, containers: bool = False):
        self.folder = Path(tempfile.mkdtemp(prefix="nl-libvirtd-"))
        # QEMU's account must reach its monitor sockets.
        self.folder.chmod(0o711)
        self._private = str(self.folder)
        self._containers = "1" if containers else ""
        # Several libvirtds would hand out the same display ports.
        first = random.randrange(10000, 30000, 100)
        self._settings = f"remote_display_port_min = {first}\nremote_display_port_max = {first + 99}"
        self._run = self.folder
        self._socket = self.folder / "run/libvirt/libvirt-sock"
        self.uri = f"{'lxc' if containers else 'qemu'}+unix:///system?socket={self._socket}"
        self._started: dict[str, int] = {}
        self.start()

    def network(self) -> list[str]:
        """The command that runs what follows it where libvirtd's network is."""
        return ["nsenter", "-t", str(self._started["libvirtd"]), "-n"]

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _kvm_is_hollow() -> bool:
    return Path("/dev/kvm").exists() and not {"vmx", "svm"} & set(Path("/proc/cpuinfo").read_text().split())


def _is(pid: int, name: str) -> bool:
    try:
        return Path("/proc", str(pid), "comm").read_text().strip() == name and "\nState:\tZ" not in Path("/proc", str(pid), "status").read_text()
    except OSError:
        return False


def _running(name: str, pid_file: Path) -> int | None:
    """The pid in the daemon's pid file, if that process is the daemon."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    return pid if _is(pid, name) else None


def _wait(condition, complaint: str):
    deadline = time.monotonic() + START_SECONDS
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.05)
    return result


_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
