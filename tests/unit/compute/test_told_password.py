"""A guest tells its password to the metadata service, once."""
import pytest
import webob

from nova_lite import clock
from nova_lite.api.metadata.application import NETWORK, MetadataApplication
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.db.engine import Database
from nova_lite.network.actions import server_ports
from tests.unit.compute.test_task import FLAVOR

SERVER = "5d6c3f4e-0000-4000-8000-000000000001"
CTX = RequestContext(user_id="u", project_id="p", roles=("member",))


@pytest.fixture
def site(tmp_path):
    """(application, network id, the server's address)"""
    db = Database(f"sqlite:///{tmp_path}/state.db")
    db.create_all()
    now = clock.now()
    with db.write() as tx:
        servers_.insert(tx, [{"id": SERVER, "project_id": "p", "user_id": "u", "reservation_id": "r-1", "name": "one", "hostname": "one",
                              "created_at": now, "changed_at": now, "vm_state": "active", "flavor": FLAVOR, "flavorid": "1", "host": "h1"}])
        nic, = server_ports.allocate(tx, SERVER, "p", "h1", server_ports.check_requested(tx, CTX, "auto"))
    yield MetadataApplication(db, "novalocal", {}), nic["network_id"], nic["addresses"][0]["address"]
    db.close()


def ask(site, method, body=None, version="latest"):
    application, network_id, address = site
    request = webob.Request.blank(f"/openstack/{version}/password", method=method, body=body or b"")
    request.environ.update({NETWORK: network_id, "REMOTE_ADDR": address})
    response = request.get_response(application)
    return response.status_int, response.body


def test_the_first_word_stays(site):
    assert ask(site, "GET") == (200, b"")
    assert ask(site, "POST", b"encrypted")[0] == 200
    assert ask(site, "GET") == (200, b"encrypted")
    assert ask(site, "POST", b"another")[0] == 409
    assert ask(site, "GET") == (200, b"encrypted")


@pytest.mark.parametrize(("body", "version", "status"), [(b"x" * 1021, "latest", 400), (b"\xff\xfe", "latest", 400), (b"x", "2012-08-10", 405)])
def test_what_is_no_password(site, body, version, status):
    assert ask(site, "POST", body, version)[0] == status
    assert ask(site, "GET") == (200, b"")


def test_a_stranger_tells_nothing(site):
    application, network_id, _ = site
    assert ask((application, network_id, "192.0.2.1"), "POST", b"x")[0] == 404
