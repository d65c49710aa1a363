"""Usage reports over REST: hours of servers that ran in a span, whole or in part, living or deleted."""
import datetime
import urllib.parse
import uuid

import pytest

from nova_lite import clock
from nova_lite.db.models.compute import Server
from tests.unit.api.compute_client import OTHER_PROJECT, PROJECT, USER, ComputeClient

HOUR = datetime.timedelta(hours=1)
NOON = datetime.datetime(2026, 3, 1, 12)
SPAN = {"start": "2026-03-01T00:00:00", "end": "2026-03-02T00:00:00.000000"}
MEMBER = {"roles": ("member",)}


@pytest.fixture
def api(tmp_path):
    client = ComputeClient(tmp_path)
    yield client
    client.db.close()


def ran(api, name: str, launched, terminated=None, project: str = PROJECT) -> str:
    """A server of 2 vCPUs, 512 MB and 3 GB that ran from one moment to another; its id."""
    ident = str(uuid.uuid4())
    with api.db.write() as tx:
        tx.add(Server(id=ident, project_id=project, user_id=USER, reservation_id="r-1", name=name, hostname=name, vm_state="active", flavorid="1",
                      flavor={"name": "tiny", "vcpus": 2, "memory_mb": 512, "root_gb": 1, "ephemeral_gb": 2}, changed_at=clock.now(),
                      launched_at=launched, terminated_at=terminated, deleted=terminated is not None))
    return ident


def used(api, path: str = "", version: str = "2.96", who: dict | None = None, **query):
    status, answer = api("GET", f"/os-simple-tenant-usage{path}?{urllib.parse.urlencode({**SPAN, **query})}", version=version, **(who or {}))
    assert status == 200, answer
    return answer


def test_only_the_hours_within_the_span_count(api):
    ran(api, "before", NOON - 48 * HOUR, NOON - 24 * HOUR)
    ran(api, "after", NOON + 24 * HOUR)
    ran(api, "never", None)
    ran(api, "through", NOON - 24 * HOUR, NOON + 24 * HOUR)
    ran(api, "within", NOON, NOON + HOUR)
    ran(api, "living", NOON + 9 * HOUR)
    shown = used(api, f"/{PROJECT}")["tenant_usage"]
    assert {server["name"]: server["hours"] for server in shown["server_usages"]} == {"through": 24.0, "within": 1.0, "living": 3.0}
    assert {server["name"]: server["state"] for server in shown["server_usages"]} == {
        "through": "terminated", "within": "terminated", "living": "active"}
    within = next(server for server in shown["server_usages"] if server["name"] == "within")
    assert (within["uptime"], within["vcpus"], within["memory_mb"], within["local_gb"], within["flavor"]) == (3600, 2, 512, 3, "tiny")
    assert (within["started_at"], within["ended_at"]) == ("2026-03-01T12:00:00.000000", "2026-03-01T13:00:00.000000")
    assert shown["total_hours"] == 28.0 and shown["total_vcpus_usage"] == 56.0
    assert shown["total_memory_mb_usage"] == 28.0 * 512 and shown["total_local_gb_usage"] == 84.0
    assert (shown["start"], shown["stop"]) == ("2026-03-01T00:00:00.000000", "2026-03-02T00:00:00.000000")


def test_every_project_with_its_servers_where_asked(api):
    ran(api, "mine", NOON)
    theirs = ran(api, "theirs", NOON, project=OTHER_PROJECT)
    found = used(api)["tenant_usages"]
    assert [project["tenant_id"] for project in found] == [PROJECT, OTHER_PROJECT]
    assert all("server_usages" not in project for project in found)
    for flag in ("1", "True"):
        assert used(api, detailed=flag)["tenant_usages"][1]["server_usages"][0]["instance_id"] == theirs
    assert used(api, "/" + "c" * 32)["tenant_usage"] == {}


def test_who_may_see_what(api):
    ran(api, "mine", NOON)
    assert used(api, f"/{PROJECT}", who=MEMBER)["tenant_usage"]["total_hours"] == 12.0
    assert api("GET", f"/os-simple-tenant-usage/{OTHER_PROJECT}", **MEMBER)[0] == 403
    assert api("GET", "/os-simple-tenant-usage", **MEMBER)[0] == 403


def test_pages_since_2_40(api):
    ids = sorted(ran(api, f"s{number}", NOON) for number in range(3))
    seen, path = [], f"/os-simple-tenant-usage/{PROJECT}?{urllib.parse.urlencode({**SPAN, 'limit': 2})}"
    while path:
        status, answer = api("GET", path, version="2.40")
        assert status == 200
        seen += [[server["instance_id"] for server in answer["tenant_usage"]["server_usages"]]]
        links = answer.get("tenant_usage_links", [])
        path = links[0]["href"].partition("/v2.1")[2] if links else None
    assert seen == [ids[:2], ids[2:]]
    assert len(used(api, f"/{PROJECT}", "2.39", limit=2)["tenant_usage"]["server_usages"]) == 3
    assert api.text("GET", f"/os-simple-tenant-usage?{urllib.parse.urlencode({**SPAN, 'marker': 'nobody'})}") == (400, "marker [nobody] not found")


@pytest.mark.parametrize(("query", "text"), [
    ("start=yesterday", "Invalid datetime string"), ("start=2026-03-02T00:00:00&end=2026-03-01T00:00:00", "Invalid start time"),
    ("unknown=1", "unknown"), ("limit=x", "limit"),
])
def test_bad_queries(api, query, text):
    status, message = api.text("GET", f"/os-simple-tenant-usage?{query}")
    assert status == 400 and text in message
