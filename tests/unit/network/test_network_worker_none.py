"""The network worker with driver = none: it answers names, and touches nothing."""
import os
import uuid

import pytest

from nova_lite import exception
from nova_lite.network.worker.manager import NetworkWorker
from nova_lite.network.worker.settings import NetworkSettings


def test_answers_names_and_makes_nothing(db, make_network, tmp_path):
    worker = NetworkWorker(db, NetworkSettings(state_path=str(tmp_path), driver="none"), "fake-1")
    network_id = make_network("10.0.0.0/24", mtu=1400)
    before = sorted(os.listdir(tmp_path))
    worker.check_host()
    assert worker.ping(None) == "fake-1"
    assert worker.prepare(None, network_ids=[network_id]) == {network_id: {"bridge": "br" + network_id[:11], "mtu": 1400}}
    with pytest.raises(exception.NetworkNotFound):
        worker.prepare(None, network_ids=[str(uuid.uuid4())])
    worker.refresh(None, network_ids=[network_id])
    worker.reconcile()
    worker.remove_all()
    worker.stop()
    assert sorted(os.listdir(tmp_path)) == before
