"""The unmodified ``openstack`` client against identity and image over HTTP, and what a raw socket can do to an upload."""
import os
import socket

import pytest

from nova_lite import concurrency, exception
from nova_lite.api import image as image_api
from nova_lite.api import pipeline
from nova_lite.api.image import service_access
from nova_lite.api.middleware import auth
from nova_lite.identity.actions import tokens
from nova_lite.image import remote
from nova_lite.image.actions import data
from nova_lite.policy import Policy
from tests.functional import openstack_client
from tests.unit.identity import identity_cloud
from tests.unit.image import image_cloud

CONTENT = os.urandom((5 << 20) + 7)


class Cloud:
    """Identity and image on one port."""

    def __init__(self, folder, port: int):
        self.port, self.base = port, f"http://127.0.0.1:{port}"
        self.identity, self.image = identity_cloud.make_deps(folder, base=self.base), image_cloud.make_deps(folder)
        self.openstack = openstack_client.OpenStack(f"{self.base}/identity/v3", identity_cloud.PASSWORD)
        self.token = tokens.issue(self.identity, identity_cloud.login_body()["auth"])[0]

    def application(self):
        application = image_api.application(self.image, Policy(), None)
        protected = auth.TokenAuth(application, lambda token, ident: tokens.validate(self.identity, token, ident), self.base, image_api.PUBLIC)
        return pipeline.build({"/identity": identity_cloud.make_application(self.identity, None),
                               "/image": service_access.ServiceAccess(application, protected, image_cloud.SECRET)}, list, bytes)

    def create(self) -> str:
        body = {"name": "disk", "disk_format": "raw", "container_format": "bare"}
        client = image_cloud.Client(image_api.application(self.image, Policy(), None))
        response = client.send("POST", "/v2/images", body)
        assert response.status_int == 403, "without a caller"
        protected = auth.TokenAuth(client.application, auth.believe, self.base)
        return image_cloud.Client(protected, image_cloud.ADMIN).create(**body)["id"]

    def status(self, image_id: str) -> str:
        with self.image.db.read() as tx:
            return data.db.get(tx, data.EVERYTHING, image_id).image.status

    def upload_by_hand(self, image_id: str, *parts: bytes, headers: tuple[str, ...] = ()) -> bytes:
        """Sends an upload's head and ``parts``, closes the sending side, and returns the answer."""
        lines = (f"PUT /image/v2/images/{image_id}/file HTTP/1.1", "Host: cloud", f"X-Auth-Token: {self.token}",
                 "Content-Type: application/octet-stream", "Connection: close", *headers)
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + b"".join(parts))
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.fixture
def cloud(tmp_path):
    sock = concurrency.listen("127.0.0.1", 0)
    cloud = Cloud(tmp_path, sock.getsockname()[1])
    with openstack_client.serving(sock, cloud.application()):
        yield cloud
    cloud.identity.db.close()
    cloud.image.db.close()


def test_the_life_of_an_image(cloud, tmp_path):
    openstack = cloud.openstack
    (tmp_path / "disk.img").write_bytes(CONTENT)
    created = openstack.json("image", "create", "disk", "--file", str(tmp_path / "disk.img"), "--disk-format", "raw", "--container-format", "bare",
                             "--property", "hw_disk_bus=ide", "--tag", "small", "--min-ram", "64")
    assert (created["status"], created["size"], created["checksum"]) == ("active", len(CONTENT), image_cloud.md5(CONTENT))
    assert created["properties"]["hw_disk_bus"] == "ide" and created["properties"]["os_hash_value"] == image_cloud.sha512(CONTENT)
    assert [(i["Name"], i["Status"]) for i in openstack.json("image", "list")] == [("disk", "active")]
    assert openstack.json("image", "list", "--tag", "none") == []
    openstack.run("image", "set", "disk", "--name", "renamed", "--property", "os_type=linux", "--protected", "--tag", "second")
    shown = openstack.json("image", "show", "renamed")
    assert (shown["protected"], sorted(shown["tags"]), shown["properties"]["os_type"]) == (True, ["second", "small"], "linux")
    openstack.run("image", "save", "renamed", "--file", str(tmp_path / "back.img"))
    assert (tmp_path / "back.img").read_bytes() == CONTENT
    assert "403" in openstack.run("image", "delete", "renamed", fails=True)
    openstack.run("image", "unset", "renamed", "--property", "os_type", "--tag", "second")
    openstack.run("image", "set", "renamed", "--unprotected", "--public")
    openstack.run("image", "delete", "renamed")
    assert openstack.json("image", "list") == [] and image_cloud.files(cloud.image) == []


def test_chunked_uploads(cloud):
    image_id = cloud.create()
    parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in (CONTENT[:100000], CONTENT[100000:])]
    answer = cloud.upload_by_hand(image_id, *parts, b"0\r\n\r\n", headers=("Transfer-Encoding: chunked",))
    assert answer.startswith(b"HTTP/1.1 204 ")
    assert b"".join(data.open_data(cloud.image, image_id)) == CONTENT


@pytest.mark.parametrize(("parts", "headers"), [
    ((CONTENT[:3000000],), (f"Content-Length: {len(CONTENT)}",)),
    ((b"%x\r\n" % len(CONTENT), CONTENT[:3000000]), ("Transfer-Encoding: chunked",)),
    ((b"5\r\nhello\r\n",), ("Transfer-Encoding: chunked",)),
    ((b"nonsense\r\nhello\r\n",), ("Transfer-Encoding: chunked",)),
    ((b"5\r\nhello\r\n0\r\n\r\n",), ("Transfer-Encoding: chunked", "X-OpenStack-Image-Size: 6"))])
def test_uploads_that_break_off(cloud, parts, headers):
    image_id = cloud.create()
    answer = cloud.upload_by_hand(image_id, *parts, headers=headers)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"cut off" in answer
    assert cloud.status(image_id) == "queued" and image_cloud.files(cloud.image) == []
    assert cloud.upload_by_hand(image_id, CONTENT, headers=(f"Content-Length: {len(CONTENT)}",)).startswith(b"HTTP/1.1 204 ")


def test_workers_fetch_without_a_token(cloud):
    image_id = cloud.create()
    cloud.upload_by_hand(image_id, CONTENT, headers=(f"Content-Length: {len(CONTENT)}",))
    assert b"".join(remote.fetch(f"{cloud.base}/image", image_cloud.SECRET, image_id)) == CONTENT
    with pytest.raises(exception.ImageNotFound):
        list(remote.fetch(f"{cloud.base}/image", image_cloud.SECRET, cloud.create()))
    with pytest.raises(exception.Unavailable):
        list(remote.fetch(f"{cloud.base}/image", "guessed", image_id))
    with pytest.raises(exception.Unavailable):
        list(remote.fetch("http://127.0.0.1:1/image", image_cloud.SECRET, image_id))


def test_workers_send_without_a_token(cloud):
    url, image_id = f"{cloud.base}/image", cloud.create()
    remote.send(url, image_cloud.SECRET, image_id, (CONTENT[at:at + 100000] for at in range(0, len(CONTENT), 100000)), len(CONTENT))
    assert b"".join(remote.fetch(url, image_cloud.SECRET, image_id)) == CONTENT
    with pytest.raises(exception.Conflict):
        remote.send(url, image_cloud.SECRET, image_id, [b"x"], 1)
    with pytest.raises(exception.ImageNotFound):
        remote.send(url, image_cloud.SECRET, "5d6c3f4e-0000-4000-8000-000000000001", [b"x"], 1)
    for where, secret in ((url, "guessed"), ("http://127.0.0.1:1/image", image_cloud.SECRET)):
        with pytest.raises(exception.Unavailable):
            remote.send(where, secret, cloud.create(), [b"x"], 1)


def test_a_client_that_leaves_in_a_download_frees_the_file(cloud, tmp_path):
    image_id = cloud.create()
    cloud.upload_by_hand(image_id, CONTENT * 4, headers=(f"Content-Length: {len(CONTENT) * 4}",))
    reader = remote.fetch(f"{cloud.base}/image", image_cloud.SECRET, image_id)
    next(reader)
    reader.close()

    def is_open() -> bool:
        return any(str(tmp_path / "images" / image_id) in os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))

    with concurrency.timeout(30):
        while is_open():
            concurrency.sleep(0.01)
