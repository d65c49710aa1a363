"""Starts nova_lite daemons on free loopback ports under a temporary folder, and talks REST to them. Used by the benchmarks and by tests/.

Only the standard library: what is measured or tested stands in the other processes.
"""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

PASSWORD = "correct horse battery staple"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def write_config(path: pathlib.Path, sections: dict[str, dict]) -> None:
    """Write an oslo.config file; values are written as text."""
    lines = []
    for name, options in sections.items():
        lines += [f"[{name}]", *[f"{key} = {value}" for key, value in options.items()], ""]
    path.write_text("\n".join(lines))


class Process:
    """One daemon: ``module`` is its module in nova_lite.cmd. Its log goes to ``log``."""

    def __init__(self, module: str, config: pathlib.Path, log: pathlib.Path, prefix: tuple[str, ...] = ()):
        self.module, self.config, self.log, self.prefix = module, config, log, prefix
        self.program: tuple[str, ...] = ("-m", f"nova_lite.cmd.{module}")
        self.popen: subprocess.Popen | None = None

    def start(self, hooks: str = "") -> None:
        """Start it; its readiness is the caller's to wait for. ``hooks``: as nova_lite/hooks.py reads them."""
        environment = {**os.environ, "NOVA_LITE_HOOKS": hooks}
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen([*self.prefix, sys.executable, *self.program, "--config-file", str(self.config)],
                                          stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env=environment)

    def kill(self) -> None:
        """kill -9, and wait for its end."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def stop(self, seconds: float = 20.0) -> int | None:
        """SIGTERM, then kill -9 after ``seconds``; the exit status."""
        if self.popen is None:
            return None
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.popen.returncode

    def proportional_memory(self) -> int:
        """PSS in bytes."""
        text = pathlib.Path(f"/proc/{self.popen.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024


class Answer:
    """Status, headers and body of one response."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:2000]!r}>"


class Rest:
    """A keep-alive connection to one base URL with a token. Not for two threads at once."""

    def __init__(self, url: str, token: str | None = None, microversion: str | None = None):
        self.url = urllib.parse.urlsplit(url)
        self.token, self.microversion = token, microversion
        self._connection: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, body=None, headers: dict | None = None) -> Answer:
        """One request; ``path`` below the base URL; ``body``: bytes as they are, anything else as JSON."""
        sent = {"Accept": "application/json", **(headers or {})}
        if self.token:
            sent.setdefault("X-Auth-Token", self.token)
        if self.microversion:
            sent.setdefault("OpenStack-API-Version", f"compute {self.microversion}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=120)
            try:
                self._connection.request(method, self.url.path + path, body, sent)
                response = self._connection.getresponse()
                return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
            except (OSError, http.client.HTTPException) as error:
                self._connection = None
                # The server may close an idle connection at any time; a request it never answered is tried once more.
                if attempt == 2 or not isinstance(error, http.client.RemoteDisconnected | BrokenPipeError | ConnectionResetError):
                    raise
        raise AssertionError("not reached")

    def get(self, path: str, **options) -> Answer:
        """GET."""
        return self.call("GET", path, **options)

    def post(self, path: str, body=None, **options) -> Answer:
        """POST."""
        return self.call("POST", path, body, **options)

    def put(self, path: str, body=None, **options) -> Answer:
        """PUT."""
        return self.call("PUT", path, body, **options)

    def delete(self, path: str, **options) -> Answer:
        """DELETE."""
        return self.call("DELETE", path, **options)


def log_in(base: str, user: str = "admin", password: str = PASSWORD, project: str = "admin") -> str:
    """A token of ``user`` scoped to ``project``; ``base``: the URL before /identity."""
    answer = Rest(base).post("/identity/v3/auth/tokens", {"auth": {
        "identity": {"methods": ["password"], "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}}},
        "scope": {"project": {"name": project, "domain": {"id": "default"}}}}})
    if answer.status != 201:
        raise RuntimeError(f"login of {user} failed: {answer}")
    return answer.headers["x-subject-token"]


def wait_until(what: str, check, seconds: float = 60.0, interval: float = 0.05):
    """The first true answer of ``check()``; TimeoutError naming ``what`` and the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s; last answer: {found!r}")
        time.sleep(interval)


class AllInOne:
    """A whole cloud in one process, in a temporary folder. ``options``: further sections of its configuration."""

    def __init__(self, options: dict[str, dict] | None = None, folder: str | None = None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="nova-lite-"))
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        sections: dict[str, dict] = {
            "DEFAULT": {"state_path": self.folder / "state", "host": "host1"},
            "api": {"port": self.port}, "identity": {"admin_password": PASSWORD},
            "compute": {"driver": "fake"}, "network": {"driver": "none"}, "consoleproxy": {"port": 0},
        }
        for name, values in (options or {}).items():
            sections.setdefault(name, {}).update(values)
        write_config(self.folder / "nova-lite.conf", sections)
        self.process = Process("all_in_one", self.folder / "nova-lite.conf", self.folder / "log")

    def start(self, hooks: str = "") -> "AllInOne":
        """Start and wait until it serves."""
        self.process.start(hooks)
        wait_until("the cloud serves", self._serves, 60)
        return self

    def _serves(self) -> bool:
        if self.process.popen.poll() is not None:
            raise RuntimeError(f"the daemon ended: {self.process.log.read_text()[-3000:]}")
        with contextlib.suppress(OSError):
            return Rest(self.base).get("/healthz").status == 200
        return False

    def stop(self) -> None:
        """Stop it; the folder stays."""
        self.process.stop()

    def client(self, service: str = "compute/v2.1", microversion: str | None = None, **login) -> Rest:
        """A REST client of one service, logged in as ``login`` says (default: admin)."""
        return Rest(f"{self.base}/{service}", log_in(self.base, **login), microversion)

    def log(self) -> str:
        """The daemon's log."""
        return self.process.log.read_text(errors="replace")


def environment_for_openstack(base: str, user: str = "admin", password: str = PASSWORD, project: str = "admin") -> dict[str, str]:
    """Environment variables for the unmodified ``openstack`` client."""
    return {**os.environ, "OS_AUTH_URL": f"{base}/identity/v3", "OS_USERNAME": user, "OS_PASSWORD": password, "OS_PROJECT_NAME": project,
            "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default", "OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": "RegionOne"}
