"""The image service does the same on SQLite, PostgreSQL and MariaDB."""
import pytest

from nova_lite import concurrency, exception
from nova_lite.image.actions import data, images
from tests.unit.image import image_cloud


@pytest.fixture
def deps(database_url, tmp_path):
    deps = image_cloud.make_deps(tmp_path, database=database_url)
    yield deps
    deps.db.close()


@pytest.fixture
def ada(deps):
    return image_cloud.Client(image_cloud.make_application(deps), image_cloud.ADA)


def test_an_image_comes_and_goes(deps, ada):
    eve = image_cloud.Client(ada.application, image_cloud.EVE)
    image_id = ada.create(name="disk", tags=["Tag", "tag"], Kernel="x", kernel="y")["id"]
    ada.upload(image_id, b"content")
    shown = ada.patch(image_id, {"op": "replace", "path": "/kernel", "value": "z"}, {"op": "remove", "path": "/Kernel"},
                      {"op": "add", "path": "/tags", "value": ["tag", "new"]})
    assert (shown["kernel"], shown["tags"], shown["size"], "Kernel" in shown) == ("z", ["new", "tag"], 7, False)
    for query, found in (("kernel=z", True), ("kernel=Z", False), ("tag=new", True), ("tag=NEW", False), ("size_min=7&protected=false", True),
                         ("created_at=gt:2020-01-01T00:00:00", True), ("name=in:disk,other", True)):
        assert bool(ada.names(query)) is found, query
    ada.ask("POST", f"/v2/images/{image_id}/members", {"member": "snake"})
    ada.ask("POST", f"/v2/images/{image_id}/members", {"member": "snake"}, status=409)
    eve.ask("PUT", f"/v2/images/{image_id}/members/snake", {"status": "accepted"})
    assert eve.names() == ["disk"]
    assert data.sweep(deps) == 0
    ada.ask("DELETE", f"/v2/images/{image_id}", status=204)
    assert image_cloud.files(deps) == [] and eve.names() == []
    assert ada.send("POST", "/v2/images", {"id": image_id}).status_int == 409


@pytest.mark.parametrize("order", ["sort=name:asc", "sort=name:desc,created_at:asc", "sort=disk_format,size:asc", "sort_key=created_at&sort_dir=asc"])
def test_pages_are_cut_alike(ada, order):
    for name in ("b", "A", "a", "B", ""):
        ada.create(name=name)
    ada.ask("POST", "/v2/images", {}, status=201)
    seen, path = [], f"/v2/images?limit=2&{order}"
    while path:
        page = ada.ask("GET", path)
        seen += [image["id"] for image in page["images"]]
        path = page.get("next")
    assert seen == [image["id"] for image in ada.ask("GET", f"/v2/images?{order}")["images"]] and len(set(seen)) == 6


def test_of_many_uploads_at_once_one_wins(deps):
    image = images.create(deps, {"owner": "engine", "disk_format": "raw", "container_format": "bare"}, {}, []).image

    def upload(number: int) -> bytes | None:
        try:
            data.upload(deps, image, [b"%d" % number] * 3, None)
        except exception.Conflict:
            return None
        return b"%d" % number * 3

    won = [content for content in concurrency.map_parallel(upload, range(6)) if content is not None]
    assert len(won) == 1 and len(image_cloud.files(deps)) == 1
    assert b"".join(data.open_data(deps, image.id)) == won[0]
