"""The machines that suites for all drivers run on: the fake one, and libvirt with guests that boot."""
import pytest

from tests.contract.virt_sites import FakeSite, LibvirtSite


@pytest.fixture(scope="module")
def libvirt_uri():
    from tests.services.libvirtd import PrivateLibvirtd
    reason = PrivateLibvirtd.missing()
    if reason:
        pytest.skip(reason)
    with PrivateLibvirtd() as libvirtd:
        yield libvirtd.uri


@pytest.fixture(scope="module", params=["fake", "libvirt"])
def machine(request):
    if request.param == "fake":
        made = FakeSite()
    else:
        from tests.live.guest_image import ensure_guest_image
        made = LibvirtSite(request.getfixturevalue("libvirt_uri"), ensure_guest_image())
    yield made
    made.close()


@pytest.fixture
def site(machine):
    yield machine
    machine.clear()
    machine.events.clear()
    machine.fetched.clear()
