"""A private OpenStack Keystone from PyPI, in a virtualenv of its own that is kept for the next time. Tests start it."""
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.services.service import Service

RELEASE = "keystone==30.0.0"
PASSWORD = "keystone-secret"
SERVE = """
import os, socketserver
from wsgiref import simple_server
from keystone.server import wsgi

class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True

class Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass

simple_server.make_server(os.environ["ADDRESS"], int(os.environ["PORT"]), wsgi.initialize_public_application(), Server, Quiet).serve_forever()
"""
CONFIGURATION = """
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
"""


def virtualenv() -> Path:
    """Where Keystone is installed; made at the first call."""
    folder = Path(os.environ.get("NOVA_LITE_KEYSTONE_VENV", os.path.expanduser(f"~/.cache/nova-lite/{RELEASE.replace('==', '-')}")))
    if not (folder / "whole").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", RELEASE], check=True)
        (folder / "whole").touch()
    return folder


class Keystone(Service):
    """``with Keystone() as keystone: keystone.url`` ends in ``/v3``; its administrator is ``admin`` of project ``admin``."""

    program = "python3"

    @property
    def url(self) -> str:
        """Where clients authenticate."""
        return f"http://{self.address}:{self.port}/v3"

    def prepare(self) -> None:
        self._bin = virtualenv() / "bin"
        (self.folder / "keystone.conf").write_text(CONFIGURATION.format(folder=self.folder))
        (self.folder / "serve").write_text(SERVE)
        for repository in ("fernet", "credential"):
            (self.folder / repository).mkdir(mode=0o700)
        account = ("--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid()))
        for command in (("db_sync",), ("fernet_setup", *account), ("credential_setup", *account),
                        ("bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-public-url", self.url, "--bootstrap-internal-url", self.url,
                         "--bootstrap-region-id", "RegionOne")):
            self.run(str(self._bin / "keystone-manage"), "--config-file", str(self.folder / "keystone.conf"), *command)

    def environment(self) -> dict[str, str]:
        return {"OS_KEYSTONE_CONFIG_FILES": str(self.folder / "keystone.conf"), "ADDRESS": self.address, "PORT": str(self.port),
                "PYTHONWARNINGS": "ignore"}

    def command(self) -> list[str]:
        return [str(self._bin / "python"), str(self.folder / "serve")]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False
