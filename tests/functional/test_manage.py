"""nova-lite-manage as an operator types it."""
import contextlib
import json
import sqlite3
import subprocess
import sys

import pytest

import daemons
from tests.functional.cloud import Cloud


@pytest.fixture(scope="module")
def cloud():
    with Cloud() as running:
        yield running


def manage(cloud, *words: str, status: int = 0) -> str:
    command = [sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(cloud.daemon.process.config), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_the_database_is_at_its_newest_revision(cloud):
    found = json.loads(manage(cloud, "db", "version"))
    assert found["current"] == found["head"]
    assert f"{found['head']} -> {found['head']}" in manage(cloud, "db", "upgrade")


def test_services_and_hosts(cloud):
    lines = manage(cloud, "service", "list").splitlines()
    assert lines[0].split()[:4] == ["binary", "host", "status", "state"]
    assert {tuple(line.split()[:4]) for line in lines[1:]} == {
        (binary, "host1", "enabled", "up") for binary in ("nova-compute", "nova-network", "nova-scheduler")}
    server_id = cloud.boot(name="counted")
    host = manage(cloud, "host", "list").splitlines()[1].split()
    assert host[0] == "host1" and host[1] == "fake" and host[2].startswith("1/") and host[-1] == "1"
    assert manage(cloud, "audit").endswith("0 differences\n")
    cloud.delete(server_id)


def test_a_user_made_by_hand_logs_in(cloud):
    made = json.loads(manage(cloud, "user", "create", "guest", "--password", "pw-of-guest", "--project", "guests"))
    assert set(made) == {"user_id", "project_id"}
    token = daemons.log_in(cloud.daemon.base, "guest", "pw-of-guest", "guests")
    assert daemons.Rest(f"{cloud.daemon.base}/compute/v2.1", token).get("/servers").json == {"servers": []}
    assert "There is no role astronaut" in manage(cloud, "user", "create", "x", "--password", "y", "--role", "astronaut", status=2)


def test_bootstrap_again_changes_nothing(cloud):
    assert "was there already" in manage(cloud, "bootstrap", "--password", "another")
    assert daemons.log_in(cloud.daemon.base)


def test_the_options_in_force_hide_secrets(cloud):
    text = manage(cloud, "config", "show")
    assert "driver = fake" in text and daemons.PASSWORD not in text and "admin_password = ****" in text


def test_counters_are_recounted_and_keys_rotated(cloud):
    assert manage(cloud, "quota", "recount").endswith("0 corrected\n")
    assert "rotated the keys" in manage(cloud, "token-keys", "rotate")
    # Tokens from before the rotation stay good, and new ones are sealed with the new key.
    assert cloud.admin.get("/servers").status == 200
    assert daemons.log_in(cloud.daemon.base)


def test_wrong_words_are_a_usage_error(cloud):
    assert "invalid choice" in manage(cloud, "db", "sing", status=2)
    assert "usage" in manage(cloud, status=2)


def test_the_auditor_says_what_is_at_odds(cloud):
    with contextlib.closing(sqlite3.connect(cloud.daemon.folder / "state" / "nova-lite.db", timeout=30)) as books:
        books.execute("UPDATE hosts SET vcpus_used = vcpus_used + 3")
        books.commit()
        found = json.loads(manage(cloud, "audit", "--json", "--settle", "0.1", status=1))
        assert [(finding["kind"], finding["host"]) for finding in found] == [("usage", "host1")] and "vcpus_used is 3" in found[0]["what"]
        assert manage(cloud, "audit", "--settle", "0", status=1).endswith("1 differences\n")
        books.execute("UPDATE hosts SET vcpus_used = vcpus_used - 3")
        books.commit()
    assert manage(cloud, "audit") == "0 differences\n"
