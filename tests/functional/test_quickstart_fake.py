"""tools/quickstart.sh with the fake driver, as a person types it: make, make again, stop, go on, clean."""
import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path):
    """A home and a state folder of the test's own; the virtualenv is the one that the test runs in."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    home = tmp_path / "home"
    home.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OS_", "SUDO_", "XDG_"))}
    kept.update(HOME=str(home), NOVA_LITE_STATE=str(tmp_path / "state"), NOVA_LITE_PORT=str(port), NOVA_LITE_VENV=sys.prefix)
    yield kept
    quickstart(kept, "--clean")


def quickstart(environment, *arguments: str) -> str:
    """Run it; its output. Fails the test where it fails."""
    done = subprocess.run([str(ROOT / "tools/quickstart.sh"), *arguments], env=environment, text=True, timeout=300, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def client(environment, *arguments: str):
    """The unmodified client, with the clouds.yaml that it finds in its usual place."""
    command = [str(pathlib.Path(sys.prefix, "bin", "openstack")), "--os-cloud", "nova-lite", *arguments, "-f", "json"]
    done = subprocess.run(command, env=environment, text=True, timeout=120, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def answers(environment) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", int(environment["NOVA_LITE_PORT"]))) == 0


def test_make_go_on_stop_and_clean(environment):
    state = pathlib.Path(environment["NOVA_LITE_STATE"])
    output = quickstart(environment, "--fake")
    assert f"http://127.0.0.1:{environment['NOVA_LITE_PORT']}" in output
    assert str(state / "clouds.yaml") in output
    assert (state / "nova-lite.conf").stat().st_mode & 0o777 == 0o600
    assert (state / "id_nova_lite").read_text().startswith("-----BEGIN")
    first = client(environment, "server", "show", "first")
    assert first["status"] == "ACTIVE"
    assert {flavor["Name"] for flavor in client(environment, "flavor", "list")} >= {"m1.nano", "m1.tiny", "m1.xlarge"}

    assert "it is there already" in quickstart(environment, "--fake")
    quickstart(environment, "--stop")
    assert not answers(environment)
    quickstart(environment, "--fake")
    assert client(environment, "server", "show", "first")["status"] == "ACTIVE"
    assert len(client(environment, "flavor", "list")) == len({flavor["Name"] for flavor in client(environment, "flavor", "list")})

    quickstart(environment, "--clean")
    assert not answers(environment)
    assert not state.exists()
    assert not list(pathlib.Path(environment["HOME"]).rglob("clouds.yaml"))


def test_clean_without_a_cloud_says_so(environment):
    assert "Nothing to remove" in quickstart(environment, "--clean")


def test_a_clouds_yaml_of_the_user_is_left_alone(environment):
    own = pathlib.Path(environment["HOME"], ".config/openstack/clouds.yaml")
    own.parent.mkdir(parents=True)
    own.write_text("clouds: {}\n")
    output = quickstart(environment, "--fake")
    assert f"export OS_CLIENT_CONFIG_FILE={environment['NOVA_LITE_STATE']}/clouds.yaml" in output
    quickstart(environment, "--clean")
    assert own.read_text() == "clouds: {}\n"
