"""A private daemon for tests: state in a temporary folder, free ports of one address, nothing left behind.

``tests/services/{rabbitmq,postgresql,mariadb}.py`` derive from Service; tests and tools use those.
"""
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path


class ServiceError(Exception):
    """The daemon cannot be started; the text holds the end of its log."""


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


class Service:
    """A daemon with start/stop/kill/restart; its port and state survive a restart. Use it as a context manager."""

    user: str | None = None  # the account to run as when the tests run as root
    program: str = ""  # what must be installed
    start_seconds = 90

    def __init__(self, address: str = "127.0.0.1"):
        self.address = address
        self.port = free_port(address)
        self.folder = Path(tempfile.mkdtemp(prefix=f"nl-{type(self).__name__.lower()}-"))
        self._process: subprocess.Popen | None = None
        try:
            self.own(self.folder)
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise

    # ---- for the daemons -----------------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Make the state that the first start needs."""

    def command(self) -> list[str]:
        """The daemon's command line; it must stay in the foreground."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What the daemon's environment has beyond PATH and HOME."""
        return {}

    def answers(self) -> bool:
        """Whether a client is served now. May raise OSError for no."""
        raise NotImplementedError

    def own(self, path: Path) -> Path:
        """Hand ``path`` to the daemon's account."""
        if self.user and os.geteuid() == 0:
            account = pwd.getpwnam(self.user)
            os.chown(path, account.pw_uid, account.pw_gid)
        return path

    def run(self, *command: str) -> None:
        """Run a program to its end as the daemon's account. Raises ServiceError with what it said."""
        done = subprocess.run(self._as_user(list(command)), env=self._environment(), cwd=self.folder, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise ServiceError(f"{command[0]} ended with {done.returncode}: {done.stdout[-2000:]}")

    def spawn(self, command: list[str]) -> subprocess.Popen:
        """Start a program beside the tests, its output in the log; it gets SIGTERM should the tests die."""
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(self._as_user(command, "--pdeathsig", "TERM"), env=self._environment(), cwd=self.folder,
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    # ---- for the tests -------------------------------------------------------------------------------------------
    @classmethod
    def missing(cls) -> str | None:
        """Why this daemon cannot run on this machine; None when it can."""
        if shutil.which(cls.program, path=_search_path()) is None:
            return f"{cls.program} is not installed"
        if cls.user and os.geteuid() == 0:
            try:
                pwd.getpwnam(cls.user)
            except KeyError:
                return f"there is no account {cls.user}"
        return None

    @property
    def log_path(self) -> Path:
        """The daemon's standard output and error."""
        return self.folder / "daemon.log"

    @property
    def pid(self) -> int | None:
        """The daemon's process id; None when it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the daemon and wait until it serves; nothing to do when it runs. Raises ServiceError."""
        if self._process is not None:
            return
        self._process = self.spawn(self.command())
        deadline = time.monotonic() + self.start_seconds
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServiceError(f"{self.program} did not start: {self.log_path.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the daemon in good order; its state stays for the next start."""
        self._end(self.stop_signal, 30)

    stop_signal = signal.SIGTERM

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        self._end(signal.SIGKILL, 30)

    def restart(self) -> None:
        """stop and start."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the daemon and remove its state."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    # ---- inside --------------------------------------------------------------------------------------------------
    def _answers(self) -> bool:
        try:
            return self.answers()
        except OSError:
            return False

    def _end(self, number: int, seconds: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if process.poll() is None:
                process.send_signal(number)
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _as_user(self, command: list[str], *options: str) -> list[str]:
        if self.user and os.geteuid() == 0:
            account = pwd.getpwnam(self.user)
            group = grp.getgrgid(account.pw_gid).gr_gid
            options = (f"--reuid={account.pw_uid}", f"--regid={group}", "--clear-groups", *options)
        return ["setpriv", *options, "--", *command] if options else command

    def _environment(self) -> dict[str, str]:
        return {"PATH": _search_path(), "HOME": str(self.folder), "LC_ALL": "C.UTF-8", **self.environment()}


def _search_path() -> str:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return ":".join([*map(str, versions), "/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
