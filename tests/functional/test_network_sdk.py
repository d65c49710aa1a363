"""The Network API through the unmodified openstacksdk, over HTTP."""
import openstack
import pytest

from nova_lite import concurrency, policy
from nova_lite.api import network, pipeline
from nova_lite.api.middleware import auth
from nova_lite.db.engine import Database
from nova_lite.network.actions.deps import Deps


@pytest.fixture
def cloud(tmp_path):
    db = Database(f"sqlite:///{tmp_path}/network.db")
    db.create_all()
    sock = concurrency.listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/network"
    application = network.application(Deps(db, lambda host, ids: None, {"networks": 10, "subnets": 10, "ports": 10}), policy.Policy(), url)
    served = pipeline.build({"/network": auth.TokenAuth(application, auth.believe, url, network.PUBLIC)}, list, bytes)
    task = concurrency.spawn_logged(concurrency.serve_wsgi, sock, served)
    yield openstack.connect(auth_type="admin_token", auth={"endpoint": url, "token": "user:project-a:member"}, network_endpoint_override=url)
    task.cancel()
    sock.close()
    db.close()


def test_networks_subnets_and_ports(cloud):
    made = cloud.network.create_network(name="blue", description="d")
    subnet = cloud.network.create_subnet(network_id=made.id, cidr="10.0.0.0/24", ip_version=4, name="s", dns_nameservers=["9.9.9.9"])
    port = cloud.network.create_port(network_id=made.id, name="p", fixed_ips=[{"subnet_id": subnet.id}])
    assert cloud.network.find_network("blue").subnet_ids == [subnet.id]
    assert cloud.network.find_network(made.id).mtu == 1450
    assert cloud.network.get_subnet(subnet.id).gateway_ip == "10.0.0.1"
    assert [found.id for found in cloud.network.ports(network_id=made.id)] == [port.id]
    assert cloud.network.update_port(port, name="q").name == "q"
    assert cloud.network.update_subnet(subnet, enable_dhcp=False).is_dhcp_enabled is False
    with pytest.raises(openstack.exceptions.ConflictException, match="still in use"):
        cloud.network.delete_network(made, ignore_missing=False)
    cloud.network.delete_port(port, ignore_missing=False)
    cloud.network.delete_subnet(subnet, ignore_missing=False)
    cloud.network.delete_network(made, ignore_missing=False)
    assert list(cloud.network.networks()) == []


def test_pages_are_followed(cloud):
    names = sorted(cloud.network.create_network(name=f"n{number}").name for number in range(7))
    assert sorted(found.name for found in cloud.network.networks(limit=3)) == names


def test_groups_extensions_and_quotas(cloud):
    group = cloud.network.find_security_group("default")
    assert group.name == "default" and len(group.security_group_rules) == 4
    assert len(list(cloud.network.security_group_rules(security_group_id=group.id))) == 4
    assert cloud.network.find_extension("security-group").alias == "security-group"
    assert cloud.network.get_quota("project-a").networks == 10
    assert cloud.network.get_quota("project-a", details=True).ports["limit"] == 10
