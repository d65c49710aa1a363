"""The network worker with driver = none: it touches nothing."""
import os

from nova_lite.network.worker.manager import NetworkWorker
from nova_lite.network.worker.settings import NetworkSettings


def test_it_makes_nothing_and_asks_nothing(db, make_network, tmp_path):
    worker = NetworkWorker(db, NetworkSettings(state_path=str(tmp_path), driver="none"), "fake-1")
    network_id = make_network("10.0.0.0/24", mtu=1400)
    before = sorted(os.listdir(tmp_path))
    worker.check_host()
    assert worker.ping(None) == "fake-1"
    sent = db.statements
    worker.prepare(None, network_ids=[network_id])
    worker.refresh(None, network_ids=[network_id])
    worker.reconcile()
    worker.remove_all()
    worker.stop()
    assert (sorted(os.listdir(tmp_path)), db.statements) == (before, sent)
