"""/os-migrations and /servers/{id}/migrations: the fields, filters and pages of each microversion."""
import pytest

from tests.functional.cloud import Cloud

BASE = {"id", "source_compute", "source_node", "dest_compute", "dest_node", "dest_host", "old_instance_type_id", "new_instance_type_id",
        "instance_uuid", "status", "created_at", "updated_at"}
FIELDS = {"2.1": BASE, "2.22": BASE, "2.23": BASE | {"migration_type"}, "2.58": BASE | {"migration_type"},
          "2.59": BASE | {"migration_type", "uuid"}, "2.66": BASE | {"migration_type", "uuid"},
          "2.80": BASE | {"migration_type", "uuid", "user_id", "project_id"}, "2.90": BASE | {"migration_type", "uuid", "user_id", "project_id"}}


@pytest.fixture(scope="module")
def cloud():
    """Two servers: the first migrated and came back, then was migrated for good; the second was resized."""
    with Cloud({"compute": {"fake_hosts": 2, "allow_resize_to_same_host": False}}) as running:
        running.first, running.second = running.boot(name="first"), running.boot(name="second")
        for end in ("revertResize", "confirmResize"):
            assert running.act(running.first, "migrate").status == 202
            running.wait(running.first, "VERIFY_RESIZE")
            assert running.act(running.first, end).status in (202, 204)
            running.wait(running.first)
        large = running.admin.post("/flavors", {"flavor": {"name": "large", "ram": 128, "vcpus": 2, "disk": 1}}).json["flavor"]["id"]
        assert running.act(running.second, "resize", {"flavorRef": large}).status == 202
        running.wait(running.second, "VERIFY_RESIZE")
        yield running


def get(cloud, query="", version="2.90", path="/os-migrations", status=200, client=None):
    answer = (client or cloud.admin).get(path + query, headers={"OpenStack-API-Version": f"compute {version}"})
    assert answer.status == status, answer
    return answer.json


def listed(cloud, query="", version="2.90"):
    return [(each["instance_uuid"], each["status"]) for each in get(cloud, query, version)["migrations"]]


@pytest.mark.parametrize("version", FIELDS)
def test_the_fields_of_each_version(cloud, version):
    answer = get(cloud, version=version)
    assert set(answer) == {"migrations"} and len(answer["migrations"]) == 3
    for each in answer["migrations"]:
        assert set(each) == FIELDS[version]
        assert each["source_compute"] != each["dest_compute"] and each["dest_host"] == "127.0.0.1" and each["dest_node"] == each["dest_compute"]
        assert len(each["created_at"]) == len("2012-10-29T13:42:02.000000") and each["created_at"] <= each["updated_at"]
    kinds = sorted((each["old_instance_type_id"] == each["new_instance_type_id"], each.get("migration_type", "?")) for each in answer["migrations"])
    assert kinds == ([(False, "resize"), (True, "migration"), (True, "migration")] if "migration_type" in FIELDS[version] else
                     [(False, "?"), (True, "?"), (True, "?")])


def test_the_newest_comes_first_where_there_are_pages(cloud):
    all_ = [(cloud.first, "reverted"), (cloud.first, "confirmed"), (cloud.second, "finished")]
    assert listed(cloud, version="2.58") == all_
    assert listed(cloud) == all_[::-1]
    page = get(cloud, "?limit=2&status=")
    assert page["migrations"] == []
    page = get(cloud, "?limit=2")
    link, = page["migrations_links"]
    assert link["rel"] == "next" and link["href"].endswith(f"/os-migrations?limit=2&marker={page['migrations'][-1]['uuid']}")
    rest = get(cloud, "?" + link["href"].partition("?")[2])
    assert [each["status"] for each in rest["migrations"]] == ["reverted"] and "migrations_links" not in rest
    assert get(cloud, "?limit=0") == {"migrations": []}
    missing = get(cloud, "?marker=11111111-1111-1111-1111-111111111111", status=400)
    assert missing["badRequest"]["message"] == "Marker 11111111-1111-1111-1111-111111111111 could not be found."


def test_filters(cloud):
    every = get(cloud)["migrations"]
    last = every[0]
    assert listed(cloud, f"?instance_uuid={cloud.second}") == [(cloud.second, "finished")]
    assert listed(cloud, "?status=reverted") == [(cloud.first, "reverted")]
    assert listed(cloud, "?migration_type=resize") == [(cloud.second, "finished")]
    assert len(listed(cloud, f"?host={last['source_compute']}")) == 3
    only = [(each["instance_uuid"], each["status"]) for each in every if each["source_compute"] == last["dest_compute"]]
    assert listed(cloud, f"?source_compute={last['dest_compute']}") == only
    assert listed(cloud, "?host=nowhere") == [] and listed(cloud, "?hidden=1") == [] and len(listed(cloud, "?hidden=0")) == 3
    assert len(listed(cloud, f"?user_id={last['user_id']}&project_id={last['project_id']}")) == 3 and listed(cloud, "?user_id=x") == []


def test_changes(cloud):
    assert len(listed(cloud, "?changes-since=2012-01-01T00:00:00Z")) == 3 and listed(cloud, "?changes-since=2112-01-01T00:00:00Z") == []
    assert listed(cloud, "?changes-before=2012-01-01T00:00:00Z") == []
    bad = get(cloud, "?changes-since=2013-01-01T00:00:00Z&changes-before=2012-01-01T00:00:00Z", status=400)
    assert bad["badRequest"]["message"] == "The value of changes-since must be less than or equal to changes-before."
    get(cloud, "?changes-since=yesterday", status=400)
    # Where a version does not know a filter it is dropped, or refused from 2.59 on.
    assert len(listed(cloud, "?changes-since=2112-01-01T00:00:00Z", "2.58")) == 3
    for version, query in (("2.59", "changes-before=2012-01-01T00:00:00Z"), ("2.66", "user_id=u"), ("2.80", "colour=blue")):
        get(cloud, "?" + query, version, status=400)
    assert len(listed(cloud, "?colour=blue", "2.58")) == 3


def test_who_may_list(cloud):
    member = cloud.add_user("member of something")
    get(cloud, client=member, status=403)
    get(cloud, path=f"/servers/{cloud.first}/migrations", client=member, status=404)
    own = cloud.boot(member)
    get(cloud, path=f"/servers/{own}/migrations", client=member, status=403)
    get(cloud, path=f"/servers/{own}/migrations/1", client=member, status=403)


def test_the_live_ones_of_a_server(cloud):
    path = f"/servers/{cloud.second}/migrations"
    get(cloud, path=path, version="2.22", status=404)
    assert get(cloud, path=path, version="2.23") == {"migrations": []}
    number = get(cloud, f"?instance_uuid={cloud.second}")["migrations"][0]["id"]
    for ident, words in ((number, f"Migration {number} for server {cloud.second} is not live-migration."),
                         (10 ** 6, f"In-progress live migration 1000000 is not found for server {cloud.second}."),
                         ("x", f"In-progress live migration x is not found for server {cloud.second}.")):
        assert get(cloud, path=f"{path}/{ident}", status=404)["itemNotFound"]["message"] == words
