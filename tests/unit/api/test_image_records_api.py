"""Images over REST: create, show, list, patch, delete, tags, members, discovery and schemas."""
import re
import uuid

import pytest

from tests.unit.image import image_cloud


@pytest.fixture
def deps(tmp_path):
    deps = image_cloud.make_deps(tmp_path)
    yield deps
    deps.db.close()


@pytest.fixture
def application(deps):
    return image_cloud.make_application(deps)


@pytest.fixture
def ada(application):
    return image_cloud.Client(application, image_cloud.ADA)


@pytest.fixture
def eve(application):
    return image_cloud.Client(application, image_cloud.EVE)


@pytest.fixture
def admin(application):
    return image_cloud.Client(application, image_cloud.ADMIN)


def test_discovery_needs_no_token(application):
    nobody = image_cloud.Client(application)
    versions = nobody.ask("GET", "/", status=300)["versions"]
    assert (versions[0]["id"], versions[0]["status"]) == ("v2.9", "CURRENT")
    assert {v["links"][0]["href"] for v in versions} == {"http://cloud.test/image/v2/"}
    assert nobody.ask("GET", "/versions")["versions"] == versions == nobody.ask("GET", "/v2/", status=300)["versions"]
    assert nobody.send("GET", "/v2/images").status_int == 401


def test_a_new_image(ada):
    response = ada.send("POST", "/v2/images", {"name": "disk", "tags": ["b", "a"], "kernel_id": "k", "min_ram": 64})
    image = response.json
    assert response.status_int == 201 and response.headers["Location"] == f"http://cloud.test/image/v2/images/{image['id']}"
    moment = image["created_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    path = f"/v2/images/{image['id']}"
    assert image == {
        "kernel_id": "k", "name": "disk", "disk_format": None, "container_format": None, "visibility": "shared", "size": None, "virtual_size": None,
        "status": "queued", "checksum": None, "protected": False, "min_ram": 64, "min_disk": 0, "owner": "engine", "os_hidden": False,
        "os_hash_algo": None, "os_hash_value": None, "id": image["id"], "created_at": moment, "updated_at": moment, "tags": ["a", "b"],
        "self": path, "file": f"{path}/file", "schema": "/v2/schemas/image"}
    assert ada.show(image["id"]) == image


@pytest.mark.parametrize(("body", "status"), [
    ([], 400), ({"name": 7}, 400), ({"name": "x" * 256}, 400), ({"disk_format": "floppy"}, 400), ({"container_format": "box"}, 400),
    ({"visibility": "secret"}, 400), ({"min_ram": -1}, 400), ({"min_disk": "4"}, 400), ({"protected": "yes"}, 400),
    ({"id": "1"}, 400), ({"free": 7}, 400), ({"tags": "a"}, 400), ({"tags": ["x" * 256]}, 400), ({"x" * 256: "y"}, 400),
    ({"status": "active"}, 403), ({"size": 7}, 403),
    ({"checksum": "x"}, 403), ({"self": "x"}, 403), ({"locations": "x"}, 403), ({"os_glance_task": "x"}, 403), ({"owner": "snake"}, 403),
    ({"visibility": "public"}, 403),
    ({f"p{n}": "x" for n in range(129)}, 413), ({"tags": [str(n) for n in range(129)]}, 413)])
def test_bad_images(ada, body, status):
    assert ada.send("POST", "/v2/images", body).status_int == status
    assert ada.names() == []


def test_ids_are_the_users_to_choose_once(ada):
    chosen = str(uuid.uuid4())
    assert ada.create(id=chosen)["id"] == chosen
    assert ada.send("POST", "/v2/images", {"id": chosen}).status_int == 409
    ada.ask("DELETE", f"/v2/images/{chosen}", status=204)
    assert ada.send("POST", "/v2/images", {"id": chosen}).status_int == 409
    assert ada.send("GET", f"/v2/images/{chosen}").status_int == 404
    assert ada.send("DELETE", f"/v2/images/{chosen}").status_int == 404


def test_who_sees_and_changes_what(ada, eve, admin, application):
    private, shared, community = (ada.create(name=v, visibility=v)["id"] for v in ("private", "shared", "community"))
    public = admin.create(name="public", visibility="public")["id"]
    reader = image_cloud.Client(application, image_cloud.READER)
    assert sorted(ada.names()) == sorted(reader.names()) == ["community", "private", "public", "shared"]
    assert eve.names() == ["public"] and eve.names("visibility=community") == ["community"]
    assert sorted(eve.names("visibility=all")) == ["community", "public"]
    assert sorted(admin.names()) == ["private", "public", "shared"]
    for image_id in (private, shared):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/file"), ("PUT", "/tags/x"), ("GET", "/members")):
            response = eve.send(method, f"/v2/images/{image_id}{path}")
            assert response.status_int == 404 and f"No image found with ID {image_id}" in response.text
        eve.patch(image_id, {"op": "replace", "path": "/name", "value": "x"}, status=404)
    for image_id in (community, public):
        assert eve.show(image_id)["id"] == image_id
        assert eve.send("DELETE", f"/v2/images/{image_id}").status_int == 403
        eve.patch(image_id, {"op": "replace", "path": "/name", "value": "x"}, status=403)
        eve.upload(image_id, b"x", status=403)
    assert reader.send("DELETE", f"/v2/images/{private}").status_int == 403
    assert reader.send("POST", "/v2/images", {"name": "x"}).status_int == 403
    ada.patch(private, {"op": "replace", "path": "/visibility", "value": "public"}, status=403)
    ada.patch(private, {"op": "replace", "path": "/owner", "value": "snake"}, status=403)
    assert admin.patch(private, {"op": "replace", "path": "/owner", "value": "snake"})["owner"] == "snake"
    assert eve.show(private)["name"] == "private"


def test_patch(ada):
    image = ada.create(name="disk", old="x")
    changed = ada.patch(image["id"], {"op": "replace", "path": "/name", "value": "new"}, {"op": "add", "path": "/tags", "value": ["t"]},
                        {"op": "add", "path": "/kernel_id", "value": "k"}, {"op": "remove", "path": "/old"},
                        {"op": "replace", "path": "/protected", "value": True})
    assert (changed["name"], changed["tags"], changed["kernel_id"], changed["protected"]) == ("new", ["t"], "k", True) and "old" not in changed
    assert ada.show(image["id"]) == changed
    assert "protected and cannot be deleted" in ada.send("DELETE", f"/v2/images/{image['id']}").text
    assert ada.send("DELETE", f"/v2/images/{image['id']}").status_int == 403
    for change, status in (({"op": "replace", "path": "/name", "value": 7}, 400), ({"op": "add", "path": "/free", "value": 7}, 400),
                           ({"op": "replace", "path": "/status", "value": "active"}, 403), ({"op": "replace", "path": "/nothing", "value": "x"}, 409),
                           ({"op": "remove", "path": "/name"}, 403)):
        ada.patch(image["id"], change, status=status)
    many = [{"op": "add", "path": f"/p{n}", "value": "x"} for n in range(128)]
    ada.patch(image["id"], *many, status=413)
    for kind in ("application/json", "text/plain"):
        assert ada.send("PATCH", f"/v2/images/{image['id']}", data=b"[]", headers={"Content-Type": kind}).status_int == 415
    assert ada.show(image["id"]) == changed


def test_filters(ada, admin):
    ids = [ada.create(name=name, disk_format=form, min_ram=ram, tags=tags, flavour=flavour)["id"] for name, form, ram, tags, flavour in (
        ("a", "raw", 1, ["x", "y"], "sweet"), ("b", "qcow2", 2, ["x"], "sour"), ("c", "qcow2", 2, [], "sweet"))]
    ada.upload(ids[0], b"12345")
    ada.patch(ids[2], {"op": "replace", "path": "/os_hidden", "value": True})
    ada.patch(ids[1], {"op": "replace", "path": "/protected", "value": True})
    for query, expected in {
            "": "ab", "name=a": "a", "name=in:a,b": "ab", "name=in:%22a%22": "a", "disk_format=qcow2": "b", "status=active": "a",
            "status=queued": "b", "tag=x": "ab", "tag=x&tag=y": "a", "tag=z": "", "os_hidden=true": "c", "min_ram=2": "b", "size_min=5": "a",
            "size_max=4": "b", "protected=true": "b", "flavour=sweet": "a", "flavour=sweet&name=b": "", "owner=engine": "ab", "owner=snake": "",
            f"id={ids[0]}": "a", "visibility=public": "", "visibility=shared": "ab", "created_at=gt:2020-01-01T00:00:00Z": "ab",
            "created_at=lt:2020-01-01T00:00:00Z": "", "updated_at=gte:2020-01-01": "ab", f"checksum={image_cloud.md5(b'12345')}": "a",
            "container_format=bare": "ab", "unknown=x": ""}.items():
        assert "".join(sorted(ada.names(query))) == expected, query
    for query in ("visibility=x", "size_min=x", "os_hidden=maybe", "created_at=gt:soon", "member_status=x", "sort_key=x", "sort_dir=up",
                  "sort=name:x", "limit=x", "limit=-1", "marker=nothing",
                  "sort=name&sort_key=name", "changes-since=2020-01-01", "name=in:", "sort_key=id&sort_dir=asc&sort_dir=asc"):
        assert ada.send("GET", f"/v2/images?{query}").status_int == 400, query


def test_order_and_pages(ada):
    for name, ram in (("b", 1), ("a", 1), ("d", 2), ("c", 2)):
        ada.create(name=name, min_ram=ram)
    ada.ask("POST", "/v2/images", {}, status=201)
    assert ada.names() == [None, "c", "d", "a", "b"]
    assert ada.names("sort_key=name&sort_dir=asc") == [None, "a", "b", "c", "d"]
    assert ada.names("sort=disk_format:asc,name:desc") == [None, "d", "c", "b", "a"]
    for order in ("", "sort_key=name&sort_dir=asc", "sort=name:desc", "sort=disk_format:asc,name:desc",
                  "sort_key=status&sort_key=name&sort_dir=asc&sort_dir=desc", "sort=size,name:asc", "sort=id:asc,name"):
        seen, path = [], f"/v2/images?limit=2&{order}"
        while path:
            page = ada.ask("GET", path)
            assert len(page["images"]) <= 2 and page["schema"] == "/v2/schemas/images" and page["first"].startswith("/v2/images?limit=2")
            seen += [image["name"] for image in page["images"]]
            path = page.get("next")
        assert seen == ada.names(order), order


def test_lists_take_a_fixed_number_of_statements(ada, deps):
    def count() -> int:
        before = deps.db.statements
        ada.ask("GET", "/v2/images")
        return deps.db.statements - before

    ada.create(name="one", tags=["x"], a="b")
    first = count()
    for number in range(5):
        ada.create(name=str(number), tags=["x", "y"], a="b", c="d")
    assert count() == first <= 4


def test_tags(ada):
    image = ada.create(tags=["a"])
    path = f"/v2/images/{image['id']}/tags"
    for _ in range(2):
        ada.ask("PUT", f"{path}/b", status=204)
    assert ada.show(image["id"])["tags"] == ["a", "b"]
    ada.ask("DELETE", f"{path}/a", status=204)
    assert ada.send("DELETE", f"{path}/a").status_int == 404
    assert ada.send("PUT", f"{path}/{'x' * 256}").status_int == 400
    assert ada.show(image["id"])["tags"] == ["b"]


def test_members(ada, eve, admin, application):
    image = ada.create(name="disk")["id"]
    path = f"/v2/images/{image}/members"
    member = ada.ask("POST", path, {"member": "snake"})
    assert set(member) == {"member_id", "image_id", "status", "created_at", "updated_at", "schema"} and member["status"] == "pending"
    assert ada.send("POST", path, {"member": "snake"}).status_int == 409
    assert eve.show(image)["name"] == "disk" and eve.names() == [] and eve.names("visibility=shared&member_status=pending") == ["disk"]
    assert ada.send("PUT", f"{path}/snake", {"status": "accepted"}).status_int == 403
    assert eve.send("PUT", f"{path}/snake", {"status": "maybe"}).status_int == 400
    assert eve.ask("PUT", f"{path}/snake", {"status": "accepted"})["status"] == "accepted"
    assert eve.names() == ["disk"]
    assert eve.send("POST", path, {"member": "third"}).status_int == 403
    ada.ask("POST", path, {"member": "third"})
    assert [m["member_id"] for m in ada.ask("GET", path)["members"]] == ["snake", "third"]
    assert [m["member_id"] for m in eve.ask("GET", path)["members"]] == ["snake"]
    assert eve.send("GET", f"{path}/third").status_int == 404 and ada.ask("GET", f"{path}/third")["status"] == "pending"
    assert eve.send("DELETE", f"{path}/snake").status_int == 403
    assert eve.send("DELETE", f"/v2/images/{image}").status_int == 403
    ada.ask("DELETE", f"{path}/snake", status=204)
    assert ada.send("DELETE", f"{path}/snake").status_int == 404
    assert eve.send("GET", f"/v2/images/{image}").status_int == 404
    private = ada.create(visibility="private")["id"]
    assert ada.send("POST", f"/v2/images/{private}/members", {"member": "snake"}).status_int == 403


def test_schemas_and_info(ada):
    image = ada.ask("GET", "/v2/schemas/image")
    assert image["name"] == "image" and image["properties"]["status"]["readOnly"] and image["additionalProperties"] == {"type": "string"}
    assert set(ada.create()) <= set(image["properties"])
    assert ada.ask("GET", "/v2/schemas/images")["properties"]["images"]["items"] == image
    assert ada.ask("GET", "/v2/schemas/member")["name"] == "member" and ada.ask("GET", "/v2/schemas/members")["name"] == "members"
    assert ada.ask("GET", "/v2/info/import")["import-methods"]["value"] == []
    assert [s["id"] for s in ada.ask("GET", "/v2/info/stores")["stores"]] == ["file"]


def test_no_task_remains_of_an_image(ada, eve):
    image_id = ada.ask("POST", "/v2/images", {"name": "disk"}, status=201)["id"]
    assert ada.ask("GET", f"/v2/images/{image_id}/tasks") == {"tasks": []}
    eve.ask("GET", f"/v2/images/{image_id}/tasks", status=404)
