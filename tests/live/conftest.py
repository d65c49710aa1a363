"""A cluster for each file that asks for one, a cloud on it, and its user: two hosts with libvirt, two APIs, two schedulers, RabbitMQ, PostgreSQL."""
import os
import pathlib
import shutil
import tempfile
import time

import pytest

from tests.live.cluster import PROGRAMS, Cluster
from tests.live.cluster_cloud import CloudUser
from tests.live.guest_image import ensure_guest_image
from tests.services.postgresql import PostgreSQL
from tests.services.rabbitmq import RabbitMQ


def teller(config):
    """A function that tells what was measured, also where pytest hides the output of tests that pass."""
    reporter, capture = (config.pluginmanager.get_plugin(name) for name in ("terminalreporter", "capturemanager"))

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(f"cluster: {text}")
    return say


@pytest.fixture(scope="module")
def guest_image():
    """Made outside of the cluster, whose network reaches no package server."""
    return ensure_guest_image()


@pytest.fixture(scope="module")
def cluster(request):
    if os.geteuid() != 0:
        pytest.skip("hosts made of namespaces need root")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    for service in (RabbitMQ, PostgreSQL):
        if service.missing():
            pytest.skip(service.missing())
    request.getfixturevalue("guest_image")
    # QEMU's account must reach the guests' disks, which pytest's own folders forbid.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-cluster-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        with Cluster(folder) as machines:
            yield machines
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cloud(request, cluster, guest_image):
    """A cloud on the cluster, furnished for its user. Its parameter, if any, is the database's class."""
    database = getattr(request, "param", PostgreSQL)
    if database.missing():
        pytest.skip(database.missing())
    began = time.monotonic()
    try:
        cluster.start(RabbitMQ, database)
        user = CloudUser(cluster, guest_image)
        user.say = teller(request.config)
        user.say(f"up with {database.__name__} and furnished in {time.monotonic() - began:.1f} s")
        yield user
        statuses = cluster.stop()
        assert set(statuses.values()) == {0}, f"daemons did not end in good order: {statuses}"
    finally:
        cluster.stop()


@pytest.fixture
def user(cloud, request):
    """The cloud's user, all daemons up and without servers; the daemons' logs are shown when a story fails."""
    cloud.cluster.revive()
    cloud.delete_all()
    failures = request.session.testsfailed
    yield cloud
    if request.session.testsfailed > failures:
        print(cloud.cluster.logs())
