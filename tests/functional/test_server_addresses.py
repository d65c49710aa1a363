"""Security groups, fixed addresses and network information of servers over HTTP, on an all-in-one with the fake driver."""
import pathlib
import uuid

import pytest

from nova_lite.db.engine import Database
from nova_lite.db.models.network import SecurityGroup, SecurityGroupRule
from tests.functional.cloud import Cloud


@pytest.fixture(scope="module")
def cloud():
    with Cloud() as running:
        server_id = running.create(name="tells the project")
        running.project = running.show(server_id)["tenant_id"]
        running.wait(server_id)
        running.delete(server_id)
        yield running


@pytest.fixture
def server_id(cloud):
    made = cloud.boot()
    yield made
    cloud.delete(made)


def add_group(cloud, name, **rule):
    """A group of the administrator's project with one rule for what comes in; its id. Written past the API, which cannot make one yet."""
    group_id, project_id = str(uuid.uuid4()), cloud.project
    database = Database(f"sqlite:///{next(pathlib.Path(cloud.daemon.folder).rglob('nova-lite.db'))}")
    with database.write() as tx:
        tx.add(SecurityGroup(id=group_id, project_id=project_id, name=name, description="of a test"))
        tx.flush()
        tx.add(SecurityGroupRule(id=str(uuid.uuid4()), security_group_id=group_id, project_id=project_id, direction="ingress", ethertype="IPv4",
                                 **rule))
    database.close()
    return group_id


def group_names(cloud, server_id):
    return sorted(group["name"] for group in cloud.show(server_id)["security_groups"])


def test_security_groups_come_and_go(cloud, server_id):
    web = add_group(cloud, "web", protocol="tcp", port_range_min=80, port_range_max=81)
    network = cloud.daemon.client("network/v2.0")
    assert cloud.act(server_id, "addSecurityGroup", {"name": "web"}).status == 202
    assert cloud.act(server_id, "addSecurityGroup", {"name": web}).status == 202
    assert group_names(cloud, server_id) == ["default", "web"]
    port, = network.get(f"/ports?device_id={server_id}").json["ports"]
    assert len(port["security_groups"]) == 2 and web in port["security_groups"]
    default, shown = cloud.admin.get(f"/servers/{server_id}/os-security-groups").json["security_groups"]
    rule, = shown["rules"]
    assert (shown["id"], shown["description"], shown["tenant_id"]) == (web, "of a test", cloud.show(server_id)["tenant_id"])
    assert (rule["ip_protocol"], rule["from_port"], rule["to_port"], rule["group"], rule["ip_range"], rule["parent_group_id"]) == (
        "tcp", 80, 81, {}, {"cidr": "0.0.0.0/0"}, web)
    assert {each["group"]["name"] for each in default["rules"]} == {"default"} and all(each["ip_range"] == {} for each in default["rules"])
    for name in ("web", "default"):
        assert cloud.act(server_id, "removeSecurityGroup", {"name": name}).status == 202
    assert cloud.admin.get(f"/servers/{server_id}/os-security-groups").json == {"security_groups": []}
    assert "security_groups" not in cloud.show(server_id) or group_names(cloud, server_id) == []


def test_security_groups_that_cannot_be(cloud, server_id):
    add_group(cloud, "twin")
    second = add_group(cloud, "twin")
    for action, name, status in (("addSecurityGroup", "nobody", 404), ("removeSecurityGroup", "nobody", 404), ("addSecurityGroup", "twin", 409),
                                 ("removeSecurityGroup", second, 404), ("addSecurityGroup", "", 400)):
        answer = cloud.act(server_id, action, {"name": name})
        assert answer.status == status, (action, name, answer)
    bare = cloud.boot(name="bare", networks="none")
    assert cloud.act(bare, "addSecurityGroup", {"name": second}).status == 404
    cloud.delete(bare)
    member = cloud.add_user("stranger")
    assert cloud.act(server_id, "addSecurityGroup", {"name": "default"}, member).status == 404


def test_fixed_addresses_come_and_go_until_their_version_ends(cloud, server_id):
    early = cloud.daemon.client(microversion="2.43")

    def addresses():
        return [entry["addr"] for entry in cloud.show(server_id)["addresses"].get("private", [])]

    first, = addresses()
    assert cloud.act(server_id, "addFixedIp", {"networkId": cloud.network}, early).status == 202
    second, = set(addresses()) - {first}
    for argument, status in (({"networkId": "00000000-0000-0000-0000-000000000000"}, 400), ({}, 400)):
        assert cloud.act(server_id, "addFixedIp", argument, early).status == status
    assert cloud.act(server_id, "removeFixedIp", {"address": second}, early).status == 202
    assert addresses() == [first] and cloud.act(server_id, "removeFixedIp", {"address": second}, early).status == 400
    assert cloud.act(server_id, "removeFixedIp", {"address": "no address"}, early).status == 400
    late = cloud.daemon.client(microversion="2.44")
    assert cloud.act(server_id, "addFixedIp", {"networkId": cloud.network}, late).status in (400, 404)


def test_network_information(cloud, server_id):
    member = cloud.add_user("member")
    assert cloud.act(server_id, "injectNetworkInfo").status == 202
    mine = cloud.boot(member, name="mine")
    assert cloud.act(mine, "injectNetworkInfo", None, member).status == 403
    assert cloud.act(mine, "resetNetwork", None, member).status == 410
    cloud.delete(mine)
    assert cloud.act("00000000-0000-0000-0000-000000000000", "injectNetworkInfo").status == 404
