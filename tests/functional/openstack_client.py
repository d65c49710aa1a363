"""Serves applications on a loopback port and runs the unmodified ``openstack`` command against them."""
import contextlib
import json
import os
import pathlib
import sys

from nova_lite import concurrency

COMMAND = pathlib.Path(sys.executable).with_name("openstack")


@contextlib.contextmanager
def serving(sock, application):
    """Serves ``application`` on a listening socket while the block runs."""
    task = concurrency.spawn(concurrency.serve_wsgi, sock, application)
    try:
        yield
    finally:
        task.cancel()
        sock.close()


class OpenStack:
    """The client of one user. ``url``: the identity endpoint, with /v3."""

    def __init__(self, url: str, password: str, user: str = "admin", project: str = "admin"):
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "OS_AUTH_URL": url, "OS_USERNAME": user, "OS_PASSWORD": password,
            "OS_PROJECT_NAME": project, "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_ID": "default",
            "OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": "RegionOne", "NO_PROXY": "127.0.0.1", "LC_ALL": "C.UTF-8"}

    def run(self, *words: str, fails: bool = False) -> str:
        """What the command says; it must succeed, or fail where ``fails``."""
        done = concurrency.subprocess.run([str(COMMAND), *words], env=self.environment, text=True,
                                          stdout=concurrency.subprocess.PIPE, stderr=concurrency.subprocess.PIPE)
        assert bool(done.returncode) is fails, (words, done.stdout, done.stderr)
        return done.stdout + (done.stderr if fails else "")

    def json(self, *words: str):
        """What the command says with ``-f json``."""
        return json.loads(self.run(*words, "-f", "json"))
