"""Server groups over HTTP: their fields by version, bad input, quotas, and ownership."""
import pytest

from tests.unit.api.compute_client import ComputeClient

OTHER = "0" * 32


@pytest.fixture
def api(tmp_path):
    return ComputeClient(tmp_path)


def make(api, name="group", version="2.90", **more):
    body = {"server_group": {"name": name, "policy": "anti-affinity", **more}}
    status, answer = api("POST", "/os-server-groups", body, version)
    assert status == 200, answer
    return answer["server_group"]


@pytest.mark.parametrize(("version", "keys"), [
    ("2.1", {"id", "name", "policies", "metadata", "members"}),
    ("2.13", {"id", "name", "policies", "metadata", "members", "project_id", "user_id"}),
    ("2.63", {"id", "name", "policies", "metadata", "members", "project_id", "user_id"}),
    ("2.64", {"id", "name", "policy", "rules", "members", "project_id", "user_id"}),
])
def test_fields_follow_the_version(api, version, keys):
    policy = {"policies": ["affinity"]} if version != "2.64" else {"policy": "affinity"}
    status, made = api("POST", "/os-server-groups", {"server_group": {"name": "g", **policy}}, version)
    assert (status, set(made["server_group"])) == (200, keys)
    shown = api("GET", f"/os-server-groups/{made['server_group']['id']}", version=version)
    assert shown == (200, made)
    assert api("GET", "/os-server-groups", version=version) == (200, {"server_groups": [made["server_group"]]})
    assert made["server_group"].get("policies", [made["server_group"].get("policy")]) == ["affinity"]


@pytest.mark.parametrize(("version", "group"), [
    ("2.14", {"name": "g", "policies": ["soft-affinity"]}),
    ("2.15", {"name": "g", "policies": ["affinity", "anti-affinity"]}),
    ("2.15", {"name": "g", "policies": []}),
    ("2.15", {"name": "g", "policies": ["together"]}),
    ("2.15", {"name": "g", "policy": "affinity"}),
    ("2.15", {"name": " ", "policies": ["affinity"]}),
    ("2.15", {"policies": ["affinity"]}),
    ("2.63", {"name": "g", "policies": ["affinity"], "rules": {}}),
    ("2.64", {"name": "g", "policies": ["affinity"]}),
    ("2.64", {"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 2}}),
    ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}),
    ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": "many"}}),
    ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"least": 1}}),
    ("2.64", {"name": "g", "policy": "anti-affinity", "metadata": {}}),
])
def test_bad_groups_are_refused(api, version, group):
    assert api("POST", "/os-server-groups", {"server_group": group}, version)[0] == 400


def test_rules_are_numbers(api):
    assert make(api, rules={"max_server_per_host": "3"})["rules"] == {"max_server_per_host": 3}


def test_soft_policies_from_2_15(api):
    assert api("POST", "/os-server-groups", {"server_group": {"name": "g", "policies": ["soft-affinity"]}}, "2.15")[0] == 200


def test_lists_are_paged_and_of_one_project(api):
    names = [f"g{number}" for number in range(4)]
    for name in names:
        make(api, name)
    api("POST", "/os-server-groups", {"server_group": {"name": "theirs", "policy": "affinity"}}, project=OTHER, roles=("member",))

    def listed(query="", **who):
        return [group["name"] for group in api("GET", f"/os-server-groups{query}", **who)[1]["server_groups"]]
    assert listed() == names
    assert listed("?limit=2") == names[:2] and listed("?limit=2&offset=3") == names[3:] and listed("?limit=0") == names
    assert listed("?all_projects=True") == [*names, "theirs"]
    # Who may not see all projects sees their own, as ever.
    assert listed("?all_projects", project=OTHER, roles=("member",)) == ["theirs"]
    assert api("GET", "/os-server-groups?limit=-1")[0] == 400
    assert api("GET", "/os-server-groups?strange=1", version="2.75")[0] == 400
    assert api("GET", "/os-server-groups?strange=1", version="2.74")[0] == 200


def test_groups_of_others_are_not_there(api):
    group = make(api)
    for method in ("GET", "DELETE"):
        assert api(method, f"/os-server-groups/{group['id']}", project=OTHER, roles=("member",))[0] == 404
    assert api("DELETE", f"/os-server-groups/{group['id']}", roles=("reader",))[0] == 403
    assert api("DELETE", f"/os-server-groups/{group['id']}")[0] == 204
    assert api.text("GET", f"/os-server-groups/{group['id']}") == (404, f"Instance group {group['id']} could not be found.")
    assert api("DELETE", f"/os-server-groups/{group['id']}")[0] == 404


def test_the_quota_counts_groups(api):
    groups = [make(api) for _ in range(10)]
    body = {"server_group": {"name": "g", "policy": "affinity"}}
    assert api.text("POST", "/os-server-groups", body) == (403, "Quota exceeded, too many server groups.")
    assert api("GET", "/limits")[1]["limits"]["absolute"]["totalServerGroupsUsed"] == 10
    api("DELETE", f"/os-server-groups/{groups[0]['id']}")
    make(api)
    assert api("POST", "/os-server-groups", body)[0] == 403
