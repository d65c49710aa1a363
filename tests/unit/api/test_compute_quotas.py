"""Limits, quota sets and quota class sets over REST, at every version where they change."""
import uuid

import pytest

from nova_lite import clock
from nova_lite.api.compute import limits as limits_module
from nova_lite.api.compute import quota_classes, quotas
from nova_lite.compute import quota
from nova_lite.db.models.compute import Server
from tests.unit.api.compute_client import OTHER_PROJECT, OTHER_USER, PROJECT, QUOTA, USER, ComputeClient, changes, expected

ALWAYS, NETWORK, INJECTED = (None, None), (None, 35), (None, 56)
RESOURCES = {"instances": ALWAYS, "cores": ALWAYS, "ram": ALWAYS, "metadata_items": ALWAYS, "key_pairs": ALWAYS, "server_groups": ALWAYS,
             "server_group_members": ALWAYS, "fixed_ips": NETWORK, "floating_ips": NETWORK, "security_groups": NETWORK,
             "security_group_rules": NETWORK, "injected_files": INJECTED, "injected_file_content_bytes": INJECTED,
             "injected_file_path_bytes": INJECTED}
CLASS = {**RESOURCES, "server_groups": (50, None), "server_group_members": (50, None), "fixed_ips": (None, 49), "floating_ips": (None, 49),
         "security_groups": (None, 49), "security_group_rules": (None, 49)}
LIMITS = {"maxTotalInstances": ALWAYS, "maxTotalCores": ALWAYS, "maxTotalRAMSize": ALWAYS, "maxTotalKeypairs": ALWAYS, "maxServerMeta": ALWAYS,
          "maxServerGroups": ALWAYS, "maxServerGroupMembers": ALWAYS, "totalInstancesUsed": ALWAYS, "totalCoresUsed": ALWAYS,
          "totalRAMUsed": ALWAYS, "totalServerGroupsUsed": ALWAYS, "maxImageMeta": (None, 38), "maxPersonality": INJECTED,
          "maxPersonalitySize": INJECTED, "maxTotalFloatingIps": NETWORK, "maxSecurityGroups": NETWORK, "maxSecurityGroupRules": NETWORK,
          "totalFloatingIpsUsed": NETWORK, "totalSecurityGroupsUsed": NETWORK}
MEMBER = {"roles": ("member",)}
SETS = f"/os-quota-sets/{PROJECT}"


@pytest.fixture
def api(tmp_path):
    client = ComputeClient(tmp_path)
    yield client
    client.db.close()


def use(api, count: int, user: str = USER) -> None:
    """Servers of 2 vCPUs and 512 MB, as rows and in the counters."""
    with api.db.write() as tx:
        quota.take(tx, PROJECT, user, {"instances": count, "cores": 2 * count, "ram": 512 * count}, QUOTA)
        for _ in range(count):
            ident = str(uuid.uuid4())
            tx.add(Server(id=ident, project_id=PROJECT, user_id=user, reservation_id="r-1", name="s", hostname="s", vm_state="active", flavorid="1",
                          flavor={"vcpus": 2, "memory_mb": 512, "root_gb": 1, "ephemeral_gb": 0}, changed_at=clock.now()))




@pytest.mark.parametrize("version", changes(quotas.SET, quotas.UPDATE, quotas.OF_USER, quota_classes.SET, quota_classes.UPDATE,
                                            limits_module.ABSOLUTE))
def test_the_keys_of_every_version(api, version):
    names = expected(RESOURCES, version)
    for path in (SETS, f"{SETS}/defaults"):
        shown = api("GET", path, version=version)[1]["quota_set"]
        assert set(shown) == names | {"id"} and shown["id"] == PROJECT
    detail = api("GET", f"{SETS}/detail", version=version)[1]["quota_set"]
    assert set(detail) == names | {"id"} and detail["cores"] == {"limit": 20, "in_use": 0, "reserved": 0}
    status, updated = api("PUT", SETS, {"quota_set": {**dict.fromkeys(names, 77), "force": True}}, version)
    assert (status, updated) == (200, {"quota_set": dict.fromkeys(names, 77)})
    for name in set(RESOURCES) - names:
        assert api("PUT", SETS, {"quota_set": {name: 1}}, version)[0] == 400
    answered = expected(CLASS, version)
    taken = {name for name, (_, until) in CLASS.items() if until is None or int(version[2:]) <= until}
    shown = api("GET", "/os-quota-class-sets/default", version=version)[1]["quota_class_set"]
    assert set(shown) == answered | {"id"} and shown["id"] == "default"
    status, updated = api("PUT", "/os-quota-class-sets/default", {"quota_class_set": dict.fromkeys(taken, "88")}, version)
    assert (status, updated) == (200, {"quota_class_set": dict.fromkeys(answered, 88)})
    absolute = api("GET", "/limits", version=version)[1]["limits"]
    assert absolute["rate"] == [] and set(absolute["absolute"]) == expected(LIMITS, version)
    assert absolute["absolute"]["maxTotalCores"] == 77


def test_limits_in_force(api):
    use(api, 3)
    absolute = api("GET", "/limits", **MEMBER)[1]["limits"]["absolute"]
    assert (absolute["maxTotalInstances"], absolute["maxTotalCores"], absolute["maxTotalRAMSize"]) == (10, 20, 51200)
    assert (absolute["totalInstancesUsed"], absolute["totalCoresUsed"], absolute["totalRAMUsed"]) == (3, 6, 1536)
    old = api("GET", "/limits", version="2.1")[1]["limits"]["absolute"]
    assert old["maxTotalFloatingIps"] == old["maxSecurityGroups"] == -1 and old["totalFloatingIpsUsed"] == 0 and old["maxImageMeta"] == 128
    other = {**MEMBER, "project": OTHER_PROJECT}
    assert api("GET", f"/limits?tenant_id={PROJECT}", **other)[0] == 403
    assert api("GET", f"/limits?tenant_id={PROJECT}", project=OTHER_PROJECT)[1]["limits"]["absolute"]["totalCoresUsed"] == 6
    assert api("GET", "/limits?reserved=1", version="2.74")[0] == 200 and api("GET", "/limits?reserved=1")[0] == 400


def test_a_project_sees_its_own_quotas_and_changes_none(api):
    assert api("GET", SETS, **MEMBER)[0] == 200
    assert api("GET", f"{SETS}/defaults", **MEMBER)[0] == 200
    assert api("GET", f"/os-quota-sets/{OTHER_PROJECT}", **MEMBER)[0] == 403
    for method, path, body in (("PUT", SETS, {"quota_set": {"cores": 1}}), ("DELETE", SETS, None), ("GET", f"{SETS}/detail", None),
                               ("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"cores": 1}})):
        assert api(method, path, body, **MEMBER)[0] == 403


def test_a_limit_below_what_is_used_needs_force(api):
    use(api, 3)
    assert api.text("PUT", SETS, {"quota_set": {"instances": 2}}) == (
        400, "Quota limit 2 for instances must be greater than or equal to already used and reserved 3.")
    assert api("PUT", SETS, {"quota_set": {"instances": 2, "force": "true"}})[1]["quota_set"]["instances"] == 2
    assert api("PUT", SETS, {"quota_set": {"instances": -1}})[1]["quota_set"]["instances"] == -1
    assert api("GET", f"{SETS}/detail")[1]["quota_set"]["instances"] == {"limit": -1, "in_use": 3, "reserved": 0}
    assert api("DELETE", SETS) == (202, None)
    assert api("GET", SETS)[1]["quota_set"]["instances"] == 10


def test_nothing_changes_when_one_limit_is_refused(api):
    use(api, 3)
    assert api("PUT", SETS, {"quota_set": {"ram": 60000, "instances": 2}})[0] == 400
    assert api("GET", SETS)[1]["quota_set"]["ram"] == 51200


@pytest.mark.parametrize("bad", [{"cores": -2}, {"cores": "-2"}, {"cores": "x"}, {"cores": 2 ** 31}, {"cores": 1.5}, {"cores": None}, {"nonsense": 1},
                                 {"force": "maybe"}, {"security_groups": 1}])
def test_limits_of_wrong_form_are_400(api, bad):
    assert api("PUT", SETS, {"quota_set": bad})[0] == 400


def test_scopes_that_no_project_can_have(api):
    assert api.text("PUT", f"/os-quota-sets/{'x' * 200}", {"quota_set": {"cores": 1}}) == (400, f"Project ID {'x' * 200} is not a valid project.")
    assert api("PUT", f"/os-quota-class-sets/{'x' * 200}", {"quota_class_set": {"cores": 1}})[0] == 400


def test_quotas_of_a_user(api):
    mine = f"{SETS}?user_id={USER}"
    assert api.text("PUT", mine, {"quota_set": {"cores": 21}}) == (400, "Quota limit 21 for cores must be less than or equal to 20.")
    assert api("PUT", mine, {"quota_set": {"cores": -1}})[0] == 400
    assert api("PUT", mine, {"quota_set": {"cores": 5}})[1]["quota_set"]["cores"] == 5
    assert api("PUT", f"{SETS}?user_id={OTHER_USER}", {"quota_set": {"cores": 7}})[0] == 200
    assert api("GET", mine)[1]["quota_set"]["cores"] == 5 and api("GET", SETS)[1]["quota_set"]["cores"] == 20
    assert api.text("PUT", SETS, {"quota_set": {"cores": 11}}) == (
        400, "Quota limit 11 for cores must be greater than or equal to already used and reserved 12.")
    use(api, 2)
    assert api("GET", f"{SETS}/detail?user_id={USER}")[1]["quota_set"]["cores"] == {"limit": 5, "in_use": 4, "reserved": 0}
    assert api("GET", f"{SETS}/detail?user_id={OTHER_USER}")[1]["quota_set"]["cores"] == {"limit": 7, "in_use": 0, "reserved": 0}
    assert api("DELETE", mine)[0] == 202 and api("GET", mine)[1]["quota_set"]["cores"] == 20
    assert api("GET", f"{SETS}?user_id={OTHER_USER}")[1]["quota_set"]["cores"] == 7
    assert api("DELETE", SETS)[0] == 202 and api("GET", f"{SETS}?user_id={OTHER_USER}")[1]["quota_set"]["cores"] == 20
    assert api("GET", f"{SETS}?other=1")[0] == 400 and api("GET", f"{SETS}?other=1", version="2.74")[0] == 200


def test_the_default_class_holds_for_projects_without_limits_of_their_own(api):
    assert api("PUT", SETS, {"quota_set": {"ram": 1000}})[0] == 200
    assert api("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"cores": 4, "ram": 5}})[0] == 200
    shown = api("GET", SETS)[1]["quota_set"]
    assert (shown["cores"], shown["ram"], shown["instances"]) == (4, 1000, 10)
    assert api("GET", f"{SETS}/defaults")[1]["quota_set"]["cores"] == 4
    assert api("GET", "/os-quota-class-sets/gold")[1]["quota_class_set"]["cores"] == 20
    assert api("PUT", "/os-quota-class-sets/gold", {"quota_class_set": {"cores": 1}})[1]["quota_class_set"]["cores"] == 1
    assert api("GET", SETS)[1]["quota_set"]["cores"] == 4
