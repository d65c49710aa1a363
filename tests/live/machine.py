"""A machine of its own for live tests: network, mount and UTS namespaces that last until the end of the block, and what is started in them."""
import contextlib
import os
import pathlib
import signal
import subprocess

SET_UP = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock /run/libvirt
mount -t sysfs sysfs /sys
hostname {name}
ip link set lo up
{more}
echo ready
exec sleep infinity
"""


class Machine:
    """``name`` is its host name, ``folder`` holds what it keeps. ``with`` ends everything that runs in it."""

    def __init__(self, folder: pathlib.Path, name: str):
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)

    def set_up(self) -> str:
        """Further shell commands, run inside at the start."""
        return ""

    def __enter__(self):
        script = SET_UP.format(name=self.name, more=self.set_up())
        with open(self.folder / "set-up.log", "w") as said:
            self.holder = subprocess.Popen(["unshare", "-n", "-m", "-u", "sh", "-c", script], stdout=subprocess.PIPE, stderr=said, text=True)
        line = self.holder.stdout.readline()
        assert line == "ready\n", (line, (self.folder / "set-up.log").read_text())
        return self

    def __exit__(self, *exc_info) -> None:
        self.end_processes()
        self.holder.kill()
        self.holder.wait()

    def processes(self) -> list[int]:
        """Process ids of all that runs in this machine, the holder excepted."""
        mine = os.readlink(f"/proc/{self.holder.pid}/ns/mnt")
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and int(entry.name) != self.holder.pid and os.readlink(entry / "ns/mnt") == mine:
                    found.append(int(entry.name))
        return found

    def comms(self) -> list[str]:
        """Names of the programs that run in this machine."""
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                found.append(pathlib.Path(f"/proc/{pid}/comm").read_text().strip())
        return sorted(found)

    def end_processes(self) -> None:
        """kill -9 of all of them."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def argv(self, *argv: str) -> list[str]:
        """The command line that runs ``argv`` inside."""
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "-u", *argv]

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a program inside to its end; its standard output."""
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout
