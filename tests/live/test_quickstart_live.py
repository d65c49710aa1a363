"""tools/quickstart.sh with libvirt: a guest that boots, gets its address and metadata, and a machine that is as before afterwards."""
import os
import pathlib
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="bridges, namespaces and libvirt need root")


def run(*command: str, **options) -> str:
    done = subprocess.run(command, text=True, timeout=900, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def machine() -> dict[str, str]:
    """What a cloud must not change on the machine that it runs on."""
    return {"routes": run("ip", "route", "show"), "rules": run("nft", "list", "ruleset"), "forwarding": run("sysctl", "net.ipv4.ip_forward")}


@pytest.fixture
def environment(tmp_path_factory):
    # Guests' disks must be reachable by QEMU's user, which pytest's own folders are not.
    state = pathlib.Path(run("mktemp", "-d", "/var/tmp/nova-lite-test.XXXXXX").strip())
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OS_", "SUDO_", "XDG_"))}
    images = os.environ.get("NOVA_LITE_IMAGE_DIR", os.path.expanduser("~/.cache/nova-lite/guest-image"))
    kept.update(HOME=str(tmp_path_factory.mktemp("home")), NOVA_LITE_STATE=str(state), NOVA_LITE_PORT=str(port), NOVA_LITE_VENV=sys.prefix,
                NOVA_LITE_IMAGE_DIR=images)
    yield kept
    run(str(ROOT / "tools/quickstart.sh"), "--clean", env=kept)


def traces(network_id: str, server_id: str) -> list[str]:
    """Devices, namespaces, definitions of guests and processes on this machine that carry the ids; libvirtd need not run."""
    definitions = "".join(path.read_text() for path in pathlib.Path("/etc/libvirt/qemu").glob("*.xml"))
    lines = (run("ip", "-o", "link") + run("ip", "netns", "list") + run("ps", "-ww", "-eo", "args") + definitions).splitlines()
    return [line for line in lines if network_id[:11] in line or server_id in line]


def test_a_guest_boots_and_nothing_is_left(environment):
    before = machine()
    output = run(str(ROOT / "tools/quickstart.sh"), env=environment)
    assert "nova-lite-guest: lease" in output
    assert "nova-lite-guest: metadata" in output

    def client(*arguments: str) -> str:
        return run(f"{sys.prefix}/bin/openstack", "--os-cloud", "nova-lite", *arguments, env=environment).strip()
    server_id = client("server", "show", "first", "-f", "value", "-c", "id")
    network_id = client("network", "show", "private", "-f", "value", "-c", "id")
    assert traces(network_id, server_id)
    assert machine() == before

    run(str(ROOT / "tools/quickstart.sh"), "--clean", env=environment)
    assert traces(network_id, server_id) == []
    assert not pathlib.Path(environment["NOVA_LITE_STATE"]).exists()
    assert machine() == before
