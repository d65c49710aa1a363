"""While no daemon can report, as when the broker is away, silence does not make hosts dead: servers wait, tasks are left to their workers."""
import types

import pytest
import sqlalchemy as sa

from nova_lite import clock
from nova_lite.compute import moves, task
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.db.models import Service
from nova_lite.scheduler.manager import Manager, Settings
from nova_lite.scheduler.sweep import Sweep


class Bell:
    def __init__(self):
        self.rings = []

    def build_server(self, ctx, host, *, server_id, token, alternates=()):
        self.rings.append((host, server_id))


class Ears:
    """Whether silence means anything, as a daemon would say."""

    hear = False

    def __call__(self) -> bool:
        return self.hear


@pytest.fixture
def silent_host(cloud):
    cloud.host("a")
    with cloud.db.write() as tx:
        tx.execute(sa.update(Service).values(last_seen_at=clock.now() - clock.seconds(600)))


def test_a_server_waits_while_hosts_cannot_be_heard(cloud, silent_host):
    bell, ears = Bell(), Ears()
    manager = Manager(cloud.db, bell, task.fail, Settings(host="here"), ears)
    manager.start()
    server_id = cloud.server()

    def place():
        manager.place_servers(RequestContext(), server_ids=[server_id], tokens=["t"])
        return cloud.find(server_id)
    waiting = place()
    assert (waiting.vm_state, waiting.task_state, waiting.task_id) == ("building", "scheduling", "t")
    ears.hear = True
    assert place().vm_state == "error"
    assert bell.rings == []


def test_the_sweep_takes_no_task_from_a_host_that_cannot_be_heard(cloud, silent_host):
    ears, placed = Ears(), []
    server_id = cloud.server(task_action="reboot", task_state="rebooting", vm_state="active", host="a")
    manager = types.SimpleNamespace(place_servers=lambda ctx, **kwargs: placed.append(kwargs), place_moves=None)
    sweep = Sweep(cloud.db, manager, allocations.release, moves.abandon, 60.0, ears)
    sweep.run()
    assert cloud.find(server_id).task_id == "t"
    ears.hear = True
    sweep.run()
    assert cloud.find(server_id).task_id is None
    assert placed == []
