"""Flavors, their access lists and extra specs over REST, at every version where they change."""
import json

import pytest

from nova_lite.api.compute import flavors as module
from tests.unit.api.compute_client import OTHER_PROJECT, PROJECT, ComputeClient, changes, expected

NANO = {"name": "m1.nano", "id": "42", "ram": 64, "vcpus": 1, "disk": 1}
FULL = {"id": (None, None), "name": (None, None), "ram": (None, None), "disk": (None, None), "swap": (None, None), "vcpus": (None, None),
        "OS-FLV-EXT-DATA:ephemeral": (None, None), "OS-FLV-DISABLED:disabled": (None, None), "os-flavor-access:is_public": (None, None),
        "rxtx_factor": (None, None), "links": (None, None), "description": (55, None), "extra_specs": (61, None)}
BRIEF = {"id": (None, None), "name": (None, None), "links": (None, None), "description": (55, None)}
MEMBER = {"roles": ("member",)}


@pytest.fixture
def api(tmp_path):
    client = ComputeClient(tmp_path)
    yield client
    client.db.close()


def make(api, count: int = 3, **values) -> None:
    for number in range(count):
        assert api("POST", "/flavors", {"flavor": {**NANO, "name": f"f{number}", "id": str(number), "ram": 100 * (number + 1), **values}})[0] == 200


@pytest.mark.parametrize("version", changes(module.FULL, module.BRIEF, module.CREATE, module.LIST))
def test_the_keys_of_every_version(api, version):
    status, created = api("POST", "/flavors", {"flavor": NANO}, version)
    assert status == 200 and set(created["flavor"]) == expected(FULL, version)
    assert created["flavor"]["swap"] == (0 if int(version[2:]) >= 75 else "")
    assert set(api("GET", "/flavors/42", version=version)[1]["flavor"]) == expected(FULL, version)
    assert set(api("GET", "/flavors/detail", version=version)[1]["flavors"][0]) == expected(FULL, version)
    assert set(api("GET", "/flavors", version=version)[1]["flavors"][0]) == expected(BRIEF, version)
    described = api("PUT", "/flavors/42", {"flavor": {"description": "small"}}, version)
    if int(version[2:]) < 55:
        assert described[0] == 404
    else:
        assert described[0] == 200 and described[1]["flavor"]["description"] == "small" and set(described[1]["flavor"]) == expected(FULL, version)


def test_values_and_links(api):
    asked = {**NANO, "id": None, "ram": "128", "swap": 512, "OS-FLV-EXT-DATA:ephemeral": 5, "rxtx_factor": "2.5", "description": "d",
             "os-flavor-access:is_public": "no"}
    flavor = api("POST", "/flavors", {"flavor": asked})[1]["flavor"]
    assert len(flavor["id"]) == 36
    assert (flavor["ram"], flavor["swap"], flavor["OS-FLV-EXT-DATA:ephemeral"], flavor["rxtx_factor"]) == (128, 512, 5, 2.5)
    assert flavor["os-flavor-access:is_public"] is False and flavor["extra_specs"] == {}
    assert flavor["links"] == [{"rel": "self", "href": f"http://cloud:8774/compute/v2.1/flavors/{flavor['id']}"},
                               {"rel": "bookmark", "href": f"http://cloud:8774/compute/flavors/{flavor['id']}"}]


def test_an_id_may_be_a_number(api):
    assert api("POST", "/flavors", {"flavor": {**NANO, "id": 7}})[1]["flavor"]["id"] == "7"


@pytest.mark.parametrize("change", [
    {"ram": 0}, {"ram": "0"}, {"ram": -1}, {"ram": 1.5}, {"ram": "many"}, {"ram": 2 ** 31}, {"vcpus": 0}, {"vcpus": True}, {"disk": -1},
    {"swap": -1}, {"name": ""}, {"name": " padded "}, {"name": "x" * 256}, {"name": "a\nb"}, {"name": 5}, {"id": ""}, {"id": "a/b"}, {"id": " x"},
    {"rxtx_factor": 0}, {"rxtx_factor": "0"}, {"rxtx_factor": -1}, {"os-flavor-access:is_public": "maybe"}, {"description": "x" * 65536},
    {"unknown": 1}, {"name": None}])
def test_what_cannot_be_a_flavor_is_400(api, change):
    assert api("POST", "/flavors", {"flavor": {**NANO, **change}})[0] == 400
    assert api("GET", "/flavors")[1] == {"flavors": []}


def test_a_description_is_unknown_before_its_version(api):
    assert api("POST", "/flavors", {"flavor": {**NANO, "description": "x"}}, "2.54")[0] == 400


def test_name_and_id_are_unique(api):
    make(api, 1)
    assert api.text("POST", "/flavors", {"flavor": {**NANO, "id": "0"}}) == (409, "Flavor with ID 0 already exists.")
    assert api.text("POST", "/flavors", {"flavor": {**NANO, "name": "f0"}}) == (409, "Flavor with name f0 already exists.")


def test_only_administrators_change_flavors(api):
    make(api, 1)
    assert api("POST", "/flavors", {"flavor": NANO}, **MEMBER)[0] == 403
    assert api("PUT", "/flavors/0", {"flavor": {"description": None}}, **MEMBER)[0] == 403
    assert api("DELETE", "/flavors/0", **MEMBER)[0] == 403
    assert api("DELETE", "/flavors/0") == (202, None)
    assert api.text("DELETE", "/flavors/0") == (404, "Flavor 0 could not be found.")
    assert api("GET", "/flavors/0")[0] == 404


def names(api, query: str, **who) -> list[str]:
    return [flavor["name"] for flavor in api("GET", f"/flavors{query}", **who)[1]["flavors"]]


def test_filters_and_order(api):
    make(api, 3)
    assert names(api, "?minRam=200") == ["f1", "f2"]
    assert names(api, "?minDisk=2") == []
    assert names(api, "?sort_key=memory_mb&sort_dir=desc") == ["f2", "f1", "f0"]
    assert api.text("GET", "/flavors?minRam=lots") == (400, "Invalid minRam filter [lots]")
    assert api.text("GET", "/flavors?is_public=maybe") == (400, "Invalid is_public filter [maybe]")
    assert api("GET", "/flavors?sort_key=password")[0] == 400
    assert api("GET", "/flavors?limit=-1")[0] == 400
    assert api("GET", "/flavors?unknown=1")[0] == 400
    assert api("GET", "/flavors?unknown=1", version="2.74")[0] == 200


@pytest.mark.parametrize("key", list(module.SORT_KEYS))
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_by_every_sort_key_show_each_flavor_once(api, key, direction):
    make(api, 5)
    api("PUT", "/flavors/3", {"flavor": {"description": "b"}})
    api("PUT", "/flavors/1", {"flavor": {"description": "a"}})
    whole = names(api, f"?sort_key={key}&sort_dir={direction}")
    seen, marker = [], ""
    for _ in range(5):
        page = api("GET", f"/flavors?sort_key={key}&sort_dir={direction}&limit=1{marker}")[1]
        seen += [flavor["name"] for flavor in page["flavors"]]
        marker = "&marker=" + page["flavors"][-1]["id"]
    assert sorted(seen) == ["f0", "f1", "f2", "f3", "f4"] and seen == whole


def test_the_next_link_leads_to_the_end(api):
    make(api, 3)
    page = api("GET", "/flavors?limit=2")[1]
    assert page["flavors_links"] == [{"rel": "next", "href": "http://cloud:8774/compute/v2.1/flavors?limit=2&marker=1"}]
    assert "flavors_links" not in api("GET", "/flavors?limit=2&marker=1")[1]
    assert api("GET", "/flavors?limit=0")[1] == {"flavors": []}
    assert api.text("GET", "/flavors?marker=none") == (400, "marker [none] not found")


def test_a_page_is_never_longer_than_the_service_allows(tmp_path):
    api = ComputeClient(tmp_path, max_limit=2)
    make(api, 3)
    assert len(api("GET", "/flavors/detail?limit=100")[1]["flavors"]) == 2


def test_flavors_that_are_not_public(api):
    make(api, 2, **{"os-flavor-access:is_public": False})
    member = {**MEMBER, "project": OTHER_PROJECT}
    assert names(api, "") == [] and names(api, "?is_public=None") == names(api, "?is_public=false") == ["f0", "f1"]
    assert names(api, "?is_public=none", **member) == [] and api("GET", "/flavors/0", **member)[0] == 404
    assert api("GET", "/flavors/0/os-flavor-access")[1] == {"flavor_access": []}
    add = {"addTenantAccess": {"tenant": OTHER_PROJECT}}
    assert api("POST", "/flavors/0/action", add, **MEMBER)[0] == 403
    assert api("POST", "/flavors/0/action", add)[1] == {"flavor_access": [{"flavor_id": "0", "tenant_id": OTHER_PROJECT}]}
    assert api.text("POST", "/flavors/0/action", add) == (
        409, f"Flavor access already exists for flavor 0 and project {OTHER_PROJECT} combination.")
    assert names(api, "", **member) == ["f0"] and api("GET", "/flavors/0", **member)[0] == 200
    remove = {"removeTenantAccess": {"tenant": OTHER_PROJECT}}
    assert api("POST", "/flavors/0/action", remove)[1] == {"flavor_access": []}
    assert api.text("POST", "/flavors/0/action", remove) == (404, f"Flavor access not found for 0 / {OTHER_PROJECT} combination.")
    assert names(api, "", **member) == []


def test_access_to_public_flavors(api):
    make(api, 1)
    assert api.text("GET", "/flavors/0/os-flavor-access") == (404, "Access list not available for public flavors.")
    add = {"addTenantAccess": {"tenant": PROJECT}}
    assert api.text("POST", "/flavors/0/action", add, "2.7") == (409, "Can not add access to a public flavor.")
    assert api("POST", "/flavors/0/action", add, "2.6")[0] == 200
    assert api("POST", "/flavors/nope/action", add)[0] == 404
    assert api("POST", "/flavors/0/action", {"addTenantAccess": {}})[0] == 400
    assert api("POST", "/flavors/0/action", {"resize": None})[0] == 400
    assert api("DELETE", "/flavors/0")[0] == 202


def test_extra_specs(api):
    make(api, 1)
    path = "/flavors/0/os-extra_specs"
    assert api("GET", path)[1] == {"extra_specs": {}}
    assert api("POST", path, {"extra_specs": {"hw:cpu_policy": "shared", "quota:cpu_shares": 2}}) == (
        200, {"extra_specs": {"hw:cpu_policy": "shared", "quota:cpu_shares": 2}})
    assert api("PUT", f"{path}/mine", {"mine": "1"}) == (200, {"mine": "1"})
    both = {"hw:cpu_policy": "shared", "quota:cpu_shares": "2", "mine": "1"}
    assert api("GET", path, **MEMBER)[1] == {"extra_specs": both}
    assert api("GET", "/flavors/0", **MEMBER)[1]["flavor"]["extra_specs"] == both
    assert api("GET", f"{path}/mine", **MEMBER)[1] == {"mine": "1"}
    assert api("DELETE", f"{path}/mine") == (200, None)
    assert api.text("DELETE", f"{path}/mine") == (404, "Flavor 0 has no extra specs with key mine.")
    assert api("GET", f"{path}/mine")[0] == 404 and api("GET", "/flavors/none/os-extra_specs")[0] == 404


@pytest.mark.parametrize(("method", "path", "body"), [
    ("PUT", "/a", {"b": "1"}), ("PUT", "/a", {"a": "1", "b": "2"}), ("PUT", "/a", {}), ("POST", "", {"extra_specs": {"a": None}}),
    ("POST", "", {"extra_specs": {"a": "x" * 256}}), ("POST", "", {"extra_specs": {"a": 10 ** 300}}), ("POST", "", {"extra_specs": {"": "1"}}),
    ("POST", "", {"extra_specs": {"a/b": "1"}}), ("POST", "", {})])
def test_extra_specs_of_wrong_form_are_400(api, method, path, body):
    make(api, 1)
    assert api(method, f"/flavors/0/os-extra_specs{path}", body)[0] == 400


@pytest.mark.parametrize(("name", "value"), [
    ("hw:cpu_policy", "sharde"), ("hw:nonsense", "1"), ("hw:numa_nodes", "0"), ("hw:boot_menu", "perhaps"), ("hw:redirected_usb_ports", "16"),
    ("quota:cpu_sharse", "1"), ("resources:VCPUS", "1"), ("resources:VCPU", "some"), ("trait:HW_CPU_X86_AVX", "yes"), ("traits1:X", "required"),
    ("hw:mem_page_size", "huge"), ("hide_hypervisor_id", "perhaps")])
def test_known_namespaces_are_checked_from_their_version_on(api, name, value):
    make(api, 1)
    body = {"extra_specs": {name: value}}
    if name != "traits1:X":
        status, message = api.text("POST", "/flavors/0/os-extra_specs", body)
        assert status == 400 and message.startswith("Validation failed; ")
    assert api("POST", "/flavors/0/os-extra_specs", body, "2.85")[0] == 200


@pytest.mark.parametrize(("name", "value"), [
    ("hw:cpu_policy", "dedicated"), ("hw:numa_cpus.0", "0-3,^2"), ("hw:numa_mem.1", "512"), ("quota:disk_read_bytes_sec", "1000"),
    ("resources1:CUSTOM_FAST", "2"), ("trait:CUSTOM_GOLD", "required"), ("aggregate_instance_extra_specs:ssd", "<or> true"),
    ("capabilities:cpu_info:arch", "s== x86_64"), ("rack", "7"), ("acme:colour", "red"), ("pci_passthrough:alias", "gpu:1,nic:2")])
def test_known_and_foreign_extra_specs_pass(api, name, value):
    make(api, 1)
    assert api("POST", "/flavors/0/os-extra_specs", {"extra_specs": {name: value}})[0] == 200


@pytest.mark.parametrize("url", ["/v2.1/flavors", "/v2/flavors", f"/v2.1/{PROJECT}/flavors", f"/v2/{PROJECT}/flavors"])
def test_the_same_list_under_every_prefix(api, url):
    make(api, 1)
    listed = json.loads(api.request("GET", url, version=None).body)["flavors"]
    assert [flavor["name"] for flavor in listed] == ["f0"] and "description" not in listed[0]


def test_version_2_0_knows_no_microversions(api):
    make(api, 1)
    listed = json.loads(api.request("GET", "/v2/flavors", version="2.60").body)["flavors"]
    assert "description" not in listed[0]
