"""What suites run on: each database, new and empty; the machines of all drivers: the fake one, libvirt with guests that boot, and with containers."""
import pytest

from nova_lite.db.engine import Database
from tests.contract.container_site import ContainerSite
from tests.contract.virt_sites import FakeSite, LibvirtSite


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/contract.db"
    return request.getfixturevalue(request.param).fresh_database()


@pytest.fixture
def db(database_url):
    """With all tables."""
    db = Database(database_url)
    db.create_all()
    yield db
    db.close()


@pytest.fixture(scope="module")
def libvirt_uri():
    from tests.services.libvirtd import PrivateLibvirtd
    reason = PrivateLibvirtd.missing()
    if reason:
        pytest.skip(reason)
    with PrivateLibvirtd() as libvirtd:
        yield libvirtd.uri


@pytest.fixture(scope="module")
def container_libvirtd():
    from tests.services.libvirtd import PrivateLibvirtd
    reason = PrivateLibvirtd.missing() or ContainerSite.missing()
    if reason:
        pytest.skip(reason)
    with PrivateLibvirtd(containers=True) as libvirtd:
        yield libvirtd


@pytest.fixture(scope="module", params=["fake", "libvirt"])
def machine(request):
    if request.param == "fake":
        made = FakeSite()
    else:
        from tests.live.guest_image import ensure_guest_image
        if request.param == "libvirt":
            made = LibvirtSite(request.getfixturevalue("libvirt_uri"), ensure_guest_image())
        else:
            made = ContainerSite(request.getfixturevalue("container_libvirtd"), ensure_guest_image())
    yield made
    made.close()


@pytest.fixture
def site(machine):
    yield machine
    machine.clear()
    machine.events.clear()
    machine.fetched.clear()
