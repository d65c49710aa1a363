"""An image's data over REST: upload, download, ranges, deactivation, and the workers' side door."""
import pytest

from nova_lite import exception
from nova_lite.image import signature
from nova_lite.image.actions import images
from tests.unit.image import image_cloud

CONTENT = bytes(range(256)) * 8


@pytest.fixture
def deps(tmp_path):
    deps = image_cloud.make_deps(tmp_path, max_size=100000)
    yield deps
    deps.db.close()


@pytest.fixture
def application(deps):
    return image_cloud.make_application(deps)


@pytest.fixture
def ada(application):
    return image_cloud.Client(application, image_cloud.ADA)


@pytest.fixture
def image_id(ada):
    image_id = ada.create(name="disk")["id"]
    ada.upload(image_id, CONTENT)
    return image_id


def test_what_was_uploaded_comes_back(ada, image_id):
    image = ada.show(image_id)
    assert (image["status"], image["size"], image["virtual_size"], image["checksum"]) == ("active", 2048, 2048, image_cloud.md5(CONTENT))
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", image_cloud.sha512(CONTENT))
    response = ada.send("GET", f"/v2/images/{image_id}/file")
    assert response.status_int == 200 and response.body == CONTENT
    assert response.headers["Content-MD5"] == image["checksum"] and response.headers["Content-Type"] == "application/octet-stream"
    assert response.content_length == len(CONTENT)
    head = ada.send("HEAD", f"/v2/images/{image_id}/file")
    assert head.status_int == 200 and head.body == b"" and head.content_length == len(CONTENT)


@pytest.mark.parametrize(("header", "status", "start", "stop"), [
    ("bytes=0-9", 206, 0, 10), ("bytes=2000-", 206, 2000, 2048), ("bytes=-48", 206, 2000, 2048), ("bytes=2040-9999", 206, 2040, 2048),
    ("bytes=-9999", 206, 0, 2048), ("bytes=2047-2047", 206, 2047, 2048), ("bytes=0-1,5-6", 200, 0, 2048), ("lines=1-2", 200, 0, 2048),
    ("bytes=9-3", 200, 0, 2048), ("bytes=-", 200, 0, 2048)])
def test_ranges(ada, image_id, header, status, start, stop):
    response = ada.send("GET", f"/v2/images/{image_id}/file", headers={"Range": header})
    assert response.status_int == status and response.body == CONTENT[start:stop]
    if status == 206:
        assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/2048"


@pytest.mark.parametrize("header", ["bytes=2048-", "bytes=5000-6000", "bytes=-0"])
def test_ranges_beyond_the_end(ada, image_id, header):
    assert ada.send("GET", f"/v2/images/{image_id}/file", headers={"Range": header}).status_int == 416


def test_refused_uploads(ada, image_id, deps):
    ada.upload(image_id, b"again", status=409)
    queued = ada.create()["id"]
    path = f"/v2/images/{queued}/file"
    assert ada.send("PUT", path, data=b"x", headers={"Content-Type": "application/json"}).status_int == 415
    assert ada.send("PUT", path, data=b"x").status_int == 415
    ada.upload(queued, b"x" * 100001, status=413)
    bare = ada.ask("POST", "/v2/images", {}, status=201)["id"]
    assert "must be set prior" in ada.upload(bare, b"x", status=400).text
    ada.upload("00000000-0000-0000-0000-000000000000", b"x", status=404)
    assert ada.show(queued)["status"] == "queued" and len(image_cloud.files(deps)) == 1
    assert ada.send("GET", path).status_int == 204
    ada.upload(queued, b"")
    assert ada.show(queued)["size"] == 0


def test_formats_are_fixed_once_there_is_data(ada, image_id):
    ada.patch(image_id, {"op": "replace", "path": "/disk_format", "value": "qcow2"}, status=403)
    queued = ada.create()["id"]
    assert ada.patch(queued, {"op": "replace", "path": "/disk_format", "value": "qcow2"})["disk_format"] == "qcow2"


def test_deactivated_images_are_for_administrators(ada, image_id, application):
    admin = image_cloud.Client(application, image_cloud.ADMIN)
    path = f"/v2/images/{image_id}/actions"
    assert image_cloud.Client(application, image_cloud.READER).send("POST", f"{path}/deactivate").status_int == 403
    for _ in range(2):
        ada.ask("POST", f"{path}/deactivate", status=204)
    assert ada.show(image_id)["status"] == "deactivated"
    assert ada.send("GET", f"/v2/images/{image_id}/file").status_int == 403
    assert admin.send("GET", f"/v2/images/{image_id}/file").body == CONTENT
    admin.ask("POST", f"{path}/reactivate", status=204)
    assert ada.send("GET", f"/v2/images/{image_id}/file").body == CONTENT
    queued = ada.create()["id"]
    assert admin.send("POST", f"/v2/images/{queued}/actions/deactivate").status_int == 403


def test_the_side_door_opens_for_one_file_only(ada, image_id, application):
    other = ada.create(visibility="private")["id"]
    worker = image_cloud.Client(application)
    headers = {signature.HEADER: signature.sign(image_cloud.SECRET, image_id)}
    assert worker.send("GET", f"/v2/images/{image_id}/file", headers=headers).body == CONTENT
    for method, path in (("GET", f"/v2/images/{other}/file"), ("GET", f"/v2/images/{image_id}"), ("PUT", f"/v2/images/{image_id}/file"),
                         ("DELETE", f"/v2/images/{image_id}"), ("GET", "/v2/images")):
        assert worker.send(method, path, headers=headers).status_int == 401
    forged = {signature.HEADER: signature.sign("guessed", image_id)}
    assert worker.send("GET", f"/v2/images/{image_id}/file", headers=forged).status_int == 401


def test_what_a_server_learns_of_its_image(ada, image_id, deps):
    ada.patch(image_id, {"op": "add", "path": "/hw_disk_bus", "value": "ide"})
    with deps.db.read() as tx:
        tx.connection()
        before = deps.db.statements
        found = images.get_for_server(tx, image_cloud.context_of(image_cloud.ADA), image_id)
        assert deps.db.statements - before == 1
        with pytest.raises(exception.ImageNotFound):
            images.get_for_server(tx, image_cloud.context_of(image_cloud.EVE), image_id)
    assert found["properties"] == {"hw_disk_bus": "ide"} and found["status"] == "active" and found["size"] == 2048
    assert found["os_hash_value"] == image_cloud.sha512(CONTENT)
