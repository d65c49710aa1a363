"""An empty database and a network in it."""
import pytest

from nova_lite.context import RequestContext
from nova_lite.db import networks as db_networks
from nova_lite.db.engine import Database
from nova_lite.network import ipam


@pytest.fixture
def db(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.create_all()
    yield database
    database.close()


@pytest.fixture
def ctx():
    return RequestContext(project_id="project-a", user_id="user-a", roles=("member",))


@pytest.fixture
def make_network(db):
    """make_network(cidr, ..., project_id=, gateway=, shared=) writes a network with subnets and returns its id."""
    def make(*cidrs, project_id="project-a", gateway=True, name="net", subnet_values=None, **values):
        with db.write() as tx:
            network = db_networks.create_network(tx, {"project_id": project_id, "name": name, **values})
            for cidr in cidrs:
                span = ipam.network_of(cidr)
                first = ipam.first_host(span) if gateway else None
                db_networks.create_subnet(tx, {"network_id": network.id, "project_id": project_id, "cidr": cidr, "ip_version": span.version,
                                               "gateway_ip": first, "allocation_pools": ipam.default_pools(span, first), **(subnet_values or {})})
            return network.id
    return make
