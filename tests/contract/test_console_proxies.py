"""Consoles through a broker: an API, workers with the fake driver and two proxies, each a process of its own; proxies come and go."""
import contextlib
import pathlib
import subprocess
import sys
from urllib import parse

import pytest

import daemons
from daemons import wait_until
from tests.functional.console_client import Refused, screen

ROLES = ("scheduler", "network", "compute", "api")


class Cloud:
    """Daemons around a broker, with one server; ``proxies`` and ``ports`` of two proxies."""

    def __init__(self, folder: pathlib.Path, broker: str, running: contextlib.ExitStack):
        self._folder, self._running = folder, running
        port, self.ports = daemons.free_port(), (daemons.free_port(), daemons.free_port())
        self.base = f"http://127.0.0.1:{port}"
        self._sections = {
            "DEFAULT": {"state_path": folder / "state", "host": "host1"}, "rpc": {"url": broker}, "api": {"port": port},
            "image": {"service_secret": "shared", "url": f"{self.base}/image"}, "identity": {"admin_password": daemons.PASSWORD},
            "compute": {"driver": "fake"}, "network": {"driver": "none"}, "service": {"report_interval": 0.5, "sweep_interval": 0.5},
            "vnc": {"novncproxy_base_url": f"http://127.0.0.1:{self.ports[0]}/vnc_lite.html"},
        }
        config = self._config("manage", {})
        subprocess.run([sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(config), "bootstrap"], check=True, capture_output=True)
        for role in ROLES:
            self._start(role, role, {})
        self.proxies = [self._start("consoleproxy", f"proxy{port}", {"port": port}) for port in self.ports]
        wait_until("the API serves", lambda: self._status("/healthz") == 200)
        self.server = self._boot()

    def _config(self, name: str, consoleproxy: dict) -> pathlib.Path:
        path = self._folder / f"{name}.conf"
        daemons.write_config(path, {**self._sections, "consoleproxy": consoleproxy})
        return path

    def _start(self, module: str, name: str, consoleproxy: dict) -> daemons.Process:
        process = daemons.Process(module, self._config(name, consoleproxy), self._folder / f"{name}.log")
        process.start()
        self._running.callback(process.stop)
        return process

    def _status(self, path: str) -> int | None:
        with contextlib.suppress(OSError):
            return daemons.Rest(self.base).get(path).status
        return None

    def client(self, service: str = "compute/v2.1") -> daemons.Rest:
        return daemons.Rest(f"{self.base}/{service}", daemons.log_in(self.base), "2.90")

    def _boot(self) -> str:
        images, compute = self.client("image/v2"), self.client()
        image = images.post("/images", {"name": "image", "disk_format": "raw", "container_format": "bare"}).json["id"]
        assert images.put(f"/images/{image}/file", bytes(4096), headers={"Content-Type": "application/octet-stream"}).status == 204
        flavor = compute.post("/flavors", {"flavor": {"name": "tiny", "ram": 64, "vcpus": 1, "disk": 1}}).json["flavor"]["id"]
        wait_until("a host takes servers", lambda: compute.get("/os-hypervisors").json["hypervisors"])
        answer = compute.post("/servers", {"server": {"name": "shown", "imageRef": image, "flavorRef": flavor, "networks": "none"}})
        assert answer.status == 202, answer
        server = answer.json["server"]["id"]
        wait_until("the server is ACTIVE", lambda: compute.get(f"/servers/{server}").json["server"]["status"] == "ACTIVE")
        return server

    def url(self) -> str:
        answer = self.client().post(f"/servers/{self.server}/remote-consoles", {"remote_console": {"protocol": "vnc", "type": "novnc"}})
        assert answer.status == 200, answer
        return answer.json["remote_console"]["url"]


@pytest.fixture
def cloud(tmp_path, rabbitmq):
    with contextlib.ExitStack() as running:
        yield Cloud(tmp_path, rabbitmq.url, running)


def at(url: str, port: int) -> str:
    """The URL at another proxy."""
    parts = parse.urlsplit(url)
    return parse.urlunsplit((parts.scheme, f"127.0.0.1:{port}", *parts[2:]))


def shows(url: str) -> bool:
    """Whether the screen opens; False while nobody listens there."""
    with contextlib.suppress(ConnectionRefusedError):
        return len(set(screen(url)[2])) > 20
    return False


def test_any_proxy_opens_a_console_and_a_restart_forgets_none(cloud):
    url = cloud.url()
    for port in cloud.ports:
        wait_until("the proxy shows the screen", lambda port=port: shows(at(url, port)))
    first = cloud.proxies[0]
    first.kill()
    assert shows(at(url, cloud.ports[1]))
    first.start()
    wait_until("the proxy shows the screen again", lambda: shows(url))
    assert cloud.client().delete(f"/servers/{cloud.server}").status == 204
    wait_until("the server is gone", lambda: cloud.client().get(f"/servers/{cloud.server}").status == 404)
    for port in cloud.ports:
        with pytest.raises(Refused, match="403"):
            screen(at(url, port))
