"""Version documents and microversion negotiation of the Compute API."""
import json

import pytest

from tests.unit.api.compute_client import ComputeClient


@pytest.fixture
def api(tmp_path):
    client = ComputeClient(tmp_path)
    yield client
    client.db.close()


def document(api, path: str) -> dict:
    response = api.request("GET", path, version=None, roles=(), project=None, user=None)
    assert response.status_int == 200
    return json.loads(response.body)


def test_the_list(api):
    old, current = document(api, "/")["versions"]
    assert (old["id"], old["version"], old["min_version"]) == ("v2.0", "", "")
    assert current == {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1", "updated": "2013-07-23T11:33:21Z",
                       "links": [{"rel": "self", "href": "http://cloud:8774/compute/v2.1/"}]}


@pytest.mark.parametrize("slash", ["", "/"])
def test_one_version(api, slash):
    shown = document(api, f"/v2.1{slash}")["version"]
    assert shown["links"] == [{"rel": "self", "href": "http://cloud:8774/compute/v2.1/"},
                              {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}]
    assert shown["media-types"] == [{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}]
    assert (shown["version"], shown["min_version"], shown["status"]) == ("2.96", "2.1", "CURRENT")
    old = document(api, f"/v2{slash}")["version"]
    assert old["id"] == "v2.0" and old["media-types"][0]["type"].endswith("version=2")


def test_listed_links_lead_to_documents_that_link_to_themselves(api):
    for version in document(api, "/")["versions"]:
        href = version["links"][0]["href"]
        assert document(api, href.removeprefix("http://cloud:8774/compute"))["version"]["links"][0]["href"] == href


@pytest.mark.parametrize(("asked", "status", "answered"), [
    (None, 200, "2.1"), ("2.1", 200, "2.1"), ("2.96", 200, "2.96"), ("latest", 200, "2.96"), ("2.97", 406, "2.1"), ("2.0", 406, "2.1"),
    ("3.0", 406, "2.1"), ("two", 400, "2.1"), ("2.01", 400, "2.1")])
def test_negotiation(api, asked, status, answered):
    response = api.request("GET", "/v2.1/flavors", version=asked)
    assert response.status_int == status
    assert response.headers["OpenStack-API-Version"] == f"compute {answered}" and response.headers["X-OpenStack-Nova-API-Version"] == answered
    assert "OpenStack-API-Version" in response.headers["Vary"]


@pytest.mark.parametrize("path", ["/v2.1/servers/", "/v2.1/flavors/1/", f"/v2.1/{'a' * 32}/servers/", "/v2/servers/"])
def test_an_empty_id_is_not_the_list(api, path):
    assert api.request("GET", path).status_int == 404
    assert api.request("GET", f"/v2.1/{'a' * 32}/").status_int == 200
