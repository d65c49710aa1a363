"""What only old clients and other services ask of the Compute API: images, topology, external events."""
import pytest

from tests.functional.cloud import Cloud

NOBODY = "5d6c3f4e-0000-4000-8000-000000000001"
OLD = {"OpenStack-API-Version": "compute 2.1"}


@pytest.fixture(scope="module")
def cloud():
    with Cloud({"compute": {"fake_numa_nodes": 2, "fake_large_pages": 64}}) as running:
        yield running


@pytest.fixture(scope="module")
def server_id(cloud):
    return cloud.boot()


# ---- images ----------------------------------------------------------------------------------------------------------------
def images(cloud, query="", client=None):
    answer = (client or cloud.admin).get(f"/images{query}", headers=OLD)
    assert answer.status == 200, answer
    return answer.json


def test_images_as_old_clients_know_them(cloud, server_id):
    image = cloud.add_image(b"12345", name="old", min_ram=64, instance_uuid=server_id, image_type="snapshot", auto_disk_config="True")
    shown = cloud.admin.get(f"/images/{image}", headers=OLD).json["image"]
    assert (shown["name"], shown["status"], shown["progress"], shown["minRam"], shown["minDisk"], shown["OS-EXT-IMG-SIZE:size"]) == (
        "old", "ACTIVE", 100, 64, 0, 5)
    assert shown["server"]["id"] == server_id and shown["OS-DCF:diskConfig"] == "AUTO" and shown["metadata"]["image_type"] == "snapshot"
    assert {link["rel"] for link in shown["links"]} == {"self", "bookmark", "alternate"}
    for query in ("?name=old", "?type=snapshot", f"?server={server_id}", f"?server=http://cloud/servers/{server_id}", "?minRam=64",
                  "?property-image_type=snapshot", "?changes-since=2020-01-01T00:00:00Z&status=ACTIVE&name=old"):
        assert [found["id"] for found in images(cloud, query)["images"]] == [image], query
    assert images(cloud, "?changes-since=2099-01-01T00:00:00Z")["images"] == []
    assert "metadata" in images(cloud, "/detail?name=old")["images"][0]
    page = images(cloud, "?limit=1")
    assert len(page["images"]) == 1 and page["images_links"][0]["rel"] == "next"
    assert images(cloud, f"?marker={page['images'][0]['id']}")["images"]
    assert cloud.admin.delete(f"/images/{image}", headers=OLD).status == 204
    answer = cloud.admin.get(f"/images/{image}", headers=OLD)
    assert answer.status == 404 and answer.json["itemNotFound"]["message"] == "Image not found."


def test_metadata_of_images(cloud):
    image = cloud.add_image(b"x")
    path, old = f"/images/{image}/metadata", {"OpenStack-API-Version": "compute 2.38"}
    assert cloud.admin.post(path, {"metadata": {"a": "1", "b": "2"}}, headers=old).json == {"metadata": {"a": "1", "b": "2"}}
    assert cloud.admin.put(f"{path}/a", {"meta": {"a": "3"}}, headers=old).json == {"meta": {"a": "3"}}
    assert cloud.admin.get(path, headers=old).json == {"metadata": {"a": "3", "b": "2"}}
    assert cloud.admin.put(path, {"metadata": {"c": "4"}}, headers=old).json == {"metadata": {"c": "4"}}
    assert cloud.admin.get(f"{path}/c", headers=old).json == {"meta": {"c": "4"}}
    assert cloud.admin.delete(f"{path}/c", headers=old).status == 204 and cloud.admin.get(f"{path}/c", headers=old).status == 404
    assert cloud.admin.delete(f"{path}/c", headers=old).status == 404
    assert cloud.admin.put(f"{path}/a", {"meta": {"b": "3"}}, headers=old).status == 400
    assert cloud.admin.post(path, {"metadata": {"size": "1"}}, headers=old).status == 400
    assert cloud.admin.post(path, {"metadata": {str(n): "v" for n in range(129)}}, headers=old).status == 403


def test_images_of_others(cloud):
    stranger = cloud.add_user("stranger")
    private = cloud.add_image(b"x", visibility="private")
    assert stranger.get(f"/images/{private}", headers=OLD).status == 404
    assert private not in {image["id"] for image in images(cloud, client=stranger)["images"]}
    assert stranger.delete(f"/images/{cloud.image}", headers=OLD).status == 403
    assert stranger.post(f"/images/{cloud.image}/metadata", {"metadata": {"a": "1"}}, headers=OLD).status == 403


def test_images_end_with_their_versions(cloud):
    for path, last, first in ((f"/images/{cloud.image}", "2.35", "2.36"), ("/images", "2.35", "2.36"),
                              (f"/images/{cloud.image}/metadata", "2.38", "2.39")):
        assert cloud.admin.get(path, headers={"OpenStack-API-Version": f"compute {last}"}).status == 200
        assert cloud.admin.get(path, headers={"OpenStack-API-Version": f"compute {first}"}).status == 404
    for query in ("?minRam=-1", "?changes-since=soon", "?limit=-1"):
        assert cloud.admin.get(f"/images{query}", headers=OLD).status == 400


# ---- topology --------------------------------------------------------------------------------------------------------------
def test_topology(cloud, server_id):
    assert cloud.admin.get(f"/servers/{server_id}/topology").json == {"nodes": [], "pagesize_kb": None}
    assert cloud.admin.get(f"/servers/{server_id}/topology", headers={"OpenStack-API-Version": "compute 2.77"}).status == 404
    assert cloud.admin.get(f"/servers/{NOBODY}/topology").status == 404
    flavor = cloud.admin.post("/flavors", {"flavor": {"name": "numa", "ram": 128, "vcpus": 2, "disk": 1}}).json["flavor"]["id"]
    cloud.admin.post(f"/flavors/{flavor}/os-extra_specs", {"extra_specs": {"hw:numa_nodes": "2", "hw:mem_page_size": "2MB"}})
    divided = cloud.boot(flavorRef=flavor)
    assert cloud.admin.get(f"/servers/{divided}/topology").json == {"pagesize_kb": 2048, "nodes": [
        {"vcpu_set": [cpu], "siblings": [], "memory_mb": 64, "host_node": cpu, "cpu_pinning": {}} for cpu in (0, 1)]}
    cloud.admin.put(f"/flavors/{flavor}/os-extra_specs/hw:numa_nodes", {"hw:numa_nodes": "3"})
    answer = cloud.admin.post("/servers", cloud.body(flavorRef=flavor))
    assert answer.status == 400 and "cannot be evenly distributed across instance NUMA nodes" in answer.json["badRequest"]["message"]
    cloud.delete(divided)


# ---- events ----------------------------------------------------------------------------------------------------------------
def tell(cloud, *events, version="2.96", client=None):
    headers = {"OpenStack-API-Version": f"compute {version}"}
    return (client or cloud.admin).post("/os-server-external-events", {"events": list(events)}, headers=headers)


def test_events_are_judged_one_by_one(cloud, server_id):
    plugged = {"name": "network-vif-plugged", "server_uuid": server_id, "tag": NOBODY, "status": "completed"}
    answer = tell(cloud, plugged, {"name": "network-changed", "server_uuid": server_id})
    assert answer.status == 200 and [event["code"] for event in answer.json["events"]] == [200, 200]
    assert answer.json["events"][0] == {**plugged, "code": 200}
    answer = tell(cloud, plugged, {**plugged, "server_uuid": NOBODY}, {"name": "volume-extended", "server_uuid": server_id})
    assert answer.status == 207
    assert [(event["code"], event["status"]) for event in answer.json["events"]] == [(200, "completed"), (404, "failed"), (400, "failed")]


def test_events_of_a_server_without_a_host(cloud):
    wide = cloud.admin.post("/flavors", {"flavor": {"name": "wide", "ram": 1 << 30, "vcpus": 1, "disk": 1}}).json["flavor"]["id"]
    nowhere = cloud.create(flavorRef=wide)
    cloud.wait(nowhere, "ERROR")
    answer = tell(cloud, {"name": "network-changed", "server_uuid": nowhere})
    assert answer.status == 207 and answer.json["events"][0]["code"] == 422
    cloud.delete(nowhere)


@pytest.mark.parametrize(("name", "since", "before"), [
    ("volume-extended", "2.51", "2.50"), ("power-update", "2.76", "2.75"), ("accelerator-request-bound", "2.82", "2.81"),
    ("volume-reimaged", "2.93", "2.92"),
])
def test_events_come_with_their_versions(cloud, server_id, name, since, before):
    event = {"name": name, "server_uuid": server_id, "tag": "x"}
    assert tell(cloud, event, version=since).status == 200
    assert tell(cloud, event, version=before).status == 400


def test_events_are_for_services(cloud, server_id):
    assert tell(cloud, {"name": "network-changed", "server_uuid": server_id}, client=cloud.add_user("nosy")).status == 403
    assert tell(cloud).status == 400
    assert tell(cloud, {"name": "rain", "server_uuid": server_id}).status == 400
