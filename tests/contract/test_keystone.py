"""``auth_strategy = keystone`` with a real Keystone: its users, projects, roles and catalog, and an unmodified client."""
import shutil

import openstack
import pytest

import daemons
from tests.services.keystone import PASSWORD, Keystone

SERVICES = {"compute": "compute/v2.1", "image": "image", "network": "network"}


@pytest.fixture(scope="module")
def keystone():
    with Keystone() as running:
        yield running


def connect(keystone, user: str, password: str, project: str) -> openstack.connection.Connection:
    return openstack.connect(auth_url=keystone.url, username=user, password=password, project_name=project, user_domain_id="default",
                             project_domain_id="default", region_name="RegionOne", load_envvars=False, load_yaml_config=False)


@pytest.fixture(scope="module")
def cloud(keystone):
    daemon = daemons.AllInOne({"api": {"auth_strategy": "keystone"}, "keystone_authtoken": {
        "auth_type": "password", "auth_url": keystone.url, "www_authenticate_uri": keystone.url, "username": "admin", "password": PASSWORD,
        "project_name": "admin", "user_domain_id": "default", "project_domain_id": "default", "token_cache_time": 1}})
    admin = connect(keystone, "admin", PASSWORD, "admin")
    for type_, path in SERVICES.items():
        service = admin.identity.create_service(name=type_, type=type_)
        admin.identity.create_endpoint(service_id=service.id, interface="public", url=f"{daemon.base}/{path}", region_id="RegionOne")
    for name, role in (("ann", "member"), ("bob", "member"), ("eve", "reader")):
        project = admin.identity.find_project("shop") or admin.identity.create_project(name="shop", domain_id="default")
        if name == "bob":
            project = admin.identity.create_project(name="lab", domain_id="default")
        user = admin.identity.create_user(name=name, password=name * 3, domain_id="default")
        admin.identity.assign_project_role_to_user(project, user, admin.identity.find_role(role))
    try:
        yield daemon.start()
    finally:
        daemon.stop()
        print(daemon.log()[-3000:])
        shutil.rmtree(daemon.folder, ignore_errors=True)


def test_a_keystone_user_boots_a_server_that_others_do_not_see(keystone, cloud):
    admin = connect(keystone, "admin", PASSWORD, "admin")
    flavor = admin.compute.create_flavor(name="tiny", ram=64, vcpus=1, disk=1)
    image = admin.image.create_image(name="image", data=b"\0" * 4096, disk_format="raw", container_format="bare", visibility="public",
                                     validate_checksum=False)
    ann = connect(keystone, "ann", "annannann", "shop")
    network = ann.network.create_network(name="mine")
    ann.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.9.0.0/24")
    server = ann.compute.create_server(name="first", flavor_id=flavor.id, image_id=image.id, networks=[{"uuid": network.id}])
    server = ann.compute.wait_for_server(server, wait=60, interval=0.2)
    assert server.status == "ACTIVE" and server.project_id == ann.current_project_id

    reader = connect(keystone, "eve", "eveeveeve", "shop")
    assert [found.id for found in reader.compute.servers()] == [server.id]
    with pytest.raises(openstack.exceptions.ForbiddenException):
        reader.compute.delete_server(server.id, ignore_missing=False)
    stranger = connect(keystone, "bob", "bobbobbob", "lab")
    assert list(stranger.compute.servers()) == []
    with pytest.raises(openstack.exceptions.NotFoundException):
        stranger.compute.get_server(server.id)
    with pytest.raises(openstack.exceptions.ForbiddenException):
        list(stranger.compute.services())
    assert [found.id for found in admin.compute.servers(all_projects=True)] == [server.id]
    ann.compute.delete_server(server)
    ann.compute.wait_for_delete(server, wait=60, interval=0.2)


def test_a_revoked_token_is_refused_and_the_client_is_told_where_to_ask(keystone, cloud):
    admin = connect(keystone, "admin", PASSWORD, "admin")
    ann = connect(keystone, "ann", "annannann", "shop")
    token = ann.session.get_token()
    compute = daemons.Rest(f"{cloud.base}/compute/v2.1", token)
    assert compute.get("/servers").status == 200
    admin.session.delete(f"{keystone.url}/auth/tokens", headers={"X-Subject-Token": token})
    refused = daemons.Rest(f"{cloud.base}/compute/v2.1", "nonsense").get("/servers")
    assert refused.status == 401 and refused.headers["www-authenticate"] == f"Keystone uri=\"{keystone.url}\""
    daemons.wait_until("the token is refused", lambda: compute.get("/servers").status == 401, 10)


def test_a_keystone_that_is_away_is_said_to_be(keystone, cloud):
    token = connect(keystone, "ann", "annannann", "shop").session.get_token()
    keystone.kill()
    try:
        assert daemons.Rest(f"{cloud.base}/compute/v2.1", token).get("/servers").status == 503
    finally:
        keystone.start()
