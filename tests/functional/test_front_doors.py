"""Ways to reach and to guard the APIs: a Keystone elsewhere, no authentication, ports of their own, health and metrics."""
import shutil
import struct

import pytest

import daemons
from tests.functional.cloud import Cloud


@pytest.fixture(scope="module")
def cloud():
    with Cloud() as running:
        yield running


def started(options: dict) -> daemons.AllInOne:
    return daemons.AllInOne(options).start()


def ended(daemon: daemons.AllInOne) -> None:
    daemon.stop()
    shutil.rmtree(daemon.folder, ignore_errors=True)


def test_tokens_of_a_keystone_elsewhere(cloud):
    """keystonemiddleware in front; the identity service that it asks is the other cloud's."""
    other = started({"api": {"auth_strategy": "keystone"}, "keystone_authtoken": {
        "auth_type": "password", "auth_url": f"{cloud.daemon.base}/identity", "www_authenticate_uri": f"{cloud.daemon.base}/identity",
        "username": "admin", "password": daemons.PASSWORD, "project_name": "admin", "user_domain_id": "default",
        "project_domain_id": "default"}})
    try:
        client = daemons.Rest(f"{other.base}/compute/v2.1", cloud.admin.token)
        assert client.get("/servers").json == {"servers": []}
        assert client.get("/os-services").status == 200
        client.token = "nonsense"
        refused = client.get("/servers")
        assert refused.status == 401 and refused.headers["www-authenticate"].startswith("Keystone uri=")
        assert daemons.Rest(other.base).get("/compute/").status == 200
        assert daemons.Rest(other.base).get("/identity/v3").status == 404
    finally:
        print(other.log()[-3000:])
        ended(other)


def test_noauth_believes_the_token():
    daemon = started({"api": {"auth_strategy": "noauth"}})
    try:
        assert daemons.Rest(f"{daemon.base}/compute/v2.1", "me:mine:member").get("/servers").json == {"servers": []}
        assert daemons.Rest(f"{daemon.base}/compute/v2.1", "me:mine:member").get("/os-services").status == 403
        assert daemons.Rest(f"{daemon.base}/compute/v2.1", "me").get("/os-services").status == 200
    finally:
        ended(daemon)


def test_a_service_on_a_port_of_its_own():
    port = daemons.free_port()
    daemon = started({"api": {"own_ports": f"compute:{port}"}})
    try:
        login = daemons.Rest(daemon.base).post("/identity/v3/auth/tokens", {"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {"id": "default"}, "password": daemons.PASSWORD}}},
            "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}})
        urls = {service["type"]: service["endpoints"][0]["url"] for service in login.json["token"]["catalog"]}
        assert urls["compute"] == f"http://127.0.0.1:{port}/v2.1" and urls["image"] == f"{daemon.base}/image"
        client = daemons.Rest(urls["compute"], login.headers["x-subject-token"])
        assert client.get("/servers").json == {"servers": []}
        assert daemons.Rest(f"http://127.0.0.1:{port}").get("/").json["versions"]
    finally:
        ended(daemon)


def test_an_unknown_service_on_a_port_is_refused_by_name():
    daemon = daemons.AllInOne({"api": {"own_ports": "astrology:1"}})
    daemon.process.start()
    assert daemon.process.popen.wait(30) == 2
    assert "api.own_ports names astrology; there are: compute, identity, image, lite, network" in daemon.log()
    shutil.rmtree(daemon.folder)


@pytest.mark.parametrize(("section", "option", "value", "text"), [
    ("compute", "driver", "telepathy", "compute.driver = telepathy is not installed; there are: fake, libvirt"),
    ("scheduler", "enabled_filters", "NoSuchFilter", "NoSuchFilter"),
    ("rpc", "url", "carrier-pigeon://", "transport"),
])
def test_options_that_cannot_work_are_said_in_a_line(section, option, value, text):
    daemon = daemons.AllInOne({section: {option: value}})
    daemon.process.start()
    assert daemon.process.popen.wait(30) == 2
    assert text in daemon.log().splitlines()[-1]
    shutil.rmtree(daemon.folder)


def test_health_and_metrics(cloud):
    root = daemons.Rest(cloud.daemon.base)
    assert root.get("/healthz").json == {"status": "ok", "reasons": []}
    assert b"nova_lite_db_statements_total" in root.get("/metrics").body
    assert set(root.get("/").json["services"]) == {"compute", "identity", "image", "lite", "network"}
    assert root.get("/nowhere").status == 404


def qcow2_with_backing_file() -> bytes:
    """A qcow2 header (docs/interop/qcow2.txt of QEMU) whose backing file is one of the host's."""
    name = b"/etc/passwd"
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 72, len(name), 16, 1 << 20, 0, 1, 0x30000, 0x10000, 1, 0, 0)
    return (header + name).ljust(1 << 18, b"\0")


def test_an_image_with_a_backing_file_never_runs(cloud):
    image = cloud.add_image(qcow2_with_backing_file(), disk_format="qcow2")
    before = cloud.usage()
    server_id = cloud.create(name="thief", imageRef=image)
    server = cloud.wait(server_id, "ERROR")
    assert f"Image {image} is unacceptable" in server["fault"]["message"] and "backing file" in server["fault"]["message"]
    assert server["OS-EXT-SRV-ATTR:host"] is None
    cloud.delete(server_id)
    assert cloud.usage() == before
