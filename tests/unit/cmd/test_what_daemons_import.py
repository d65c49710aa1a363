"""Each daemon carries the libraries of its own work and no others: what one import too many costs is seen here, not in the next measurement."""
import subprocess
import sys

import pytest

PROGRAM = """
import importlib, sys
importlib.import_module("nova_lite.cmd." + sys.argv[1])
from nova_lite.cmd import wiring
from nova_lite import config
conf = config.load(["--config-file", sys.argv[2]])
here = wiring.site(conf, lambda: None)
if sys.argv[1] in ("api", "all_in_one"):
    from nova_lite.cmd import api_deps
    api_deps.make_policy(conf)
print(*sys.modules)
"""
NOBODY = ("alembic", "keystonemiddleware", "libvirt", "psycopg", "pymysql", "requests", "cryptography.x509.extensions",
          "sqlalchemy.dialects.postgresql", "pycdlib", "pkg_resources", "hypothesis")
"""On SQLite, without a real hypervisor, Keystone, or rules that ask HTTP servers."""
OF_APIS = ("webob", "routes", "jsonschema", "oslo_policy", "cryptography", "argon2", "prometheus_client")
LACKS = {
    "all_in_one": NOBODY,
    "api": (*NOBODY, "numpy", "nova_lite.compute.worker", "nova_lite.network.worker", "nova_lite.scheduler", "nova_lite.virt"),
    "scheduler": (*NOBODY, *OF_APIS, "nova_lite.api", "nova_lite.compute.worker", "nova_lite.network.worker", "nova_lite.virt", "nova_lite.identity"),
    "compute": (*NOBODY, *OF_APIS, "numpy", "nova_lite.api", "nova_lite.network.worker", "nova_lite.scheduler", "nova_lite.identity"),
    "network": (*NOBODY, *OF_APIS, "numpy", "nova_lite.api", "nova_lite.compute.worker", "nova_lite.scheduler", "nova_lite.virt",
                "nova_lite.identity"),
}
"""Module of nova_lite.cmd → what the process does not import until it is asked for something."""


@pytest.mark.parametrize("daemon", LACKS)
def test_a_daemon_imports_what_it_needs(daemon, tmp_path):
    config = tmp_path / "nova-lite.conf"
    config.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, daemon, str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    there = set(done.stdout.split())
    assert f"nova_lite.cmd.{daemon}" in there
    assert not there & set(LACKS[daemon])
