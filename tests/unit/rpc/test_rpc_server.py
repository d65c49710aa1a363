"""How the server holds the broker back, and what it refuses at construction."""
import uuid

import pytest

from nova_lite import concurrency
from nova_lite.rpc import server, transport
from nova_lite.rpc.interface import Interface, cast


class Delivery:
    """A message of a broker that lives in the test."""

    def __init__(self, broker, body):
        self.broker, self.body, self.lost = broker, body, False

    def ack(self):
        if not self.lost:
            self.broker.unacknowledged.remove(self)


class Broker:
    """Delivers while less than the prefetch is unacknowledged, as AMQP says."""

    def __init__(self, intake):
        self.intake, self.unacknowledged, self.queue = intake, [], []

    def deliver(self):
        while self.queue and len(self.unacknowledged) < self.intake.prefetch:
            delivery = Delivery(self, self.queue.pop(0))
            self.unacknowledged.append(delivery)
            self.intake(delivery)

    def reconnect(self):
        for delivery in self.unacknowledged:
            delivery.lost = True
            self.queue.append(delivery.body)
        self.unacknowledged = []


class Gate:
    """A handler whose messages end when the test says so."""

    def __init__(self):
        self.running, self.peak, self.doors = [], 0, {}

    def __call__(self, body):
        self.running.append(body)
        self.peak = max(self.peak, len(self.running))
        self.doors.setdefault(body, concurrency.Event()).wait()
        self.running.remove(body)

    def release(self, body):
        self.doors.setdefault(body, concurrency.Event()).set()


def _settle():
    """Let every green thread that can run do so."""
    for _ in range(10):
        concurrency.sleep()


@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_never_more_messages_out_than_idle_workers(workers):
    gate = Gate()
    intake = server._Intake(workers, gate)
    broker = Broker(intake)
    broker.queue = list(range(100))
    for released in range(100):
        broker.deliver()
        _settle()
        free = workers - intake.running
        assert intake.prefetch - len(broker.unacknowledged) <= free
        assert intake.running == min(workers, 100 - released)
        gate.release(released)
        _settle()
    assert gate.peak == workers
    assert broker.unacknowledged == [] and broker.queue == []
    assert intake.idle.is_set()


def test_a_reconnect_at_full_load_does_not_exceed_the_workers():
    gate = Gate()
    intake = server._Intake(3, gate)
    broker = Broker(intake)
    broker.queue = list(range(6))
    broker.deliver()
    _settle()
    assert sorted(gate.running) == [0, 1, 2]
    broker.reconnect()
    broker.deliver()
    _settle()
    assert sorted(gate.running) == [0, 1, 2]
    for number in range(6):
        gate.release(number)
    _settle()
    broker.deliver()
    _settle()
    assert gate.peak == 3 and gate.running == []
    assert broker.queue == [] and broker.unacknowledged == []


def test_an_error_frees_its_worker():
    intake = server._Intake(1, lambda body: 1 / 0)
    broker = Broker(intake)
    broker.queue = [1, 2, 3]
    for _ in range(3):
        broker.deliver()
        _settle()
    assert broker.queue == [] and broker.unacknowledged == [] and intake.idle.is_set()


def test_a_closed_intake_leaves_messages_to_others():
    gate = Gate()
    intake = server._Intake(1, gate)
    broker = Broker(intake)
    broker.queue = [1, 2]
    broker.deliver()
    _settle()
    intake.close()
    assert broker.unacknowledged == []
    broker.deliver()
    _settle()
    assert gate.running == [1] and [delivery.body for delivery in broker.unacknowledged] == [2]
    gate.release(1)
    _settle()
    assert intake.idle.is_set() and [delivery.body for delivery in broker.unacknowledged] == [2]


class OnHost(Interface):
    topic = "worker"
    per_host = True

    @cast
    def work(self, ctx, *, what: str):
        """Do it."""


def test_construction_refuses_what_cannot_work():
    link = transport.connect(f"memory://{uuid.uuid4()}")
    try:
        with pytest.raises(TypeError, match=r"object does not serve OnHost: work\(\) is missing"):
            server.Server(link, OnHost, object(), host="a")

        class Endpoint:
            def work(self, ctx, *, what):
                """"""
        with pytest.raises(TypeError, match="name the host"):
            server.Server(link, OnHost, Endpoint())
    finally:
        link.close()
