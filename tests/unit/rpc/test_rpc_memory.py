"""memory://: nobody polls, brokers are one for each URL, and expired messages are not delivered."""
import uuid

import pytest

from nova_lite import concurrency, exception
from nova_lite.rpc import memory, transport


@pytest.fixture
def url():
    return f"memory://{uuid.uuid4()}"


@pytest.fixture
def connect(url):
    made = []

    def make(**options):
        made.append(transport.connect(url, options))
        return made[-1]
    yield make
    for each in made:
        each.close()


def _turn():
    """Some turns of the event loop: all that is ready runs, and no timer has a say."""
    for _ in range(20):
        concurrency.sleep()


def _collect(link, name):
    """A list that fills with what comes on a queue, and an event set at the next arrival."""
    got, arrived = [], concurrency.Event()

    def take(delivery):
        got.append(delivery.body)
        delivery.ack()
        arrived.set()
    subscription = link.consume(link.topic(name), take, 4)
    return got, arrived, subscription


def test_an_idle_process_does_not_look_at_its_queues(url, connect):
    link = connect(round_trip_interval=3600)
    got, arrived, _ = _collect(link, "quiet")
    link.publish(link.topic("quiet"), b"1")
    assert arrived.wait(5)
    while link.last_round_trip is None:
        concurrency.sleep(0.01)
    _turn()
    broker = memory.broker(url)
    before = broker.passes
    concurrency.sleep(2.5)  # kombu's own transport looks once a second
    assert broker.passes == before
    link.publish(link.topic("quiet"), b"2")
    _turn()
    assert got == [b"1", b"2"]
    assert 1 <= broker.passes - before <= 4


def test_a_message_is_there_before_a_timer_could_fire(connect):
    link = connect()
    got, arrived, _ = _collect(link, "prompt")
    link.publish(link.topic("prompt"), b"1")
    _turn()
    assert got == [b"1"]


def test_transports_of_one_url_share_a_broker_and_others_do_not(url, connect):
    here, there = connect(), connect()
    elsewhere = transport.connect(f"{url}-other")
    got, arrived, _ = _collect(here, "shared")
    elsewhere.publish(elsewhere.topic("shared"), b"elsewhere")
    there.publish(there.topic("shared"), b"there")
    assert arrived.wait(5)
    assert got == [b"there"]
    elsewhere.close()


def test_messages_wait_for_their_consumer_but_not_past_their_time(connect):
    link = connect(message_ttl=0.05)
    link.publish(link.topic("late"), b"old")
    concurrency.sleep(0.1)
    link.publish(link.topic("late"), b"new")
    got, arrived, _ = _collect(link, "late")
    assert arrived.wait(5)
    assert got == [b"new"]


def test_two_subscriptions_of_one_queue_on_one_transport_and_the_end_of_one(connect):
    link = connect()
    first, _, subscription = _collect(link, "both")
    second, _, _ = _collect(link, "both")
    for number in range(10):
        link.publish(link.topic("both"), str(number).encode())
    _turn()
    assert len(first) + len(second) == 10 and first and second
    link.cancel(subscription)
    before = len(first)
    link.publish(link.topic("both"), b"last")
    _turn()
    assert len(first) == before and second[-1] == b"last"


def test_unacknowledged_messages_go_back_when_the_subscription_ends(connect):
    link = connect()
    arrived = concurrency.Event()
    subscription = link.consume(link.topic("back"), lambda delivery: arrived.set(), 1)
    link.publish(link.topic("back"), b"1")
    assert arrived.wait(5)
    link.cancel(subscription)
    got, again, _ = _collect(link, "back")
    assert again.wait(5) and got == [b"1"]


def test_a_lost_connection_is_made_again_here_too(connect):
    link = connect()
    got, arrived, _ = _collect(link, "again")
    link._consumer.link.break_off("the test says so")
    link._publisher.link.break_off("the test says so")
    link.publish(link.topic("again"), b"1")
    assert arrived.wait(5) and got == [b"1"]
    assert link.stats.reconnects == 2


def test_nothing_is_left_in_the_broker_after_close(url):
    link = transport.connect(url)
    broker = memory.broker(url)
    link.consume(link.everyone("news"), lambda delivery: delivery.ack(), 1)
    _collect(link, "kept")
    link.close()
    assert set(broker.queues) == {"nova_lite.kept"}
    assert not broker.listeners
    assert not broker.state.exchanges["nova_lite.news.everyone"]["table"]
    link.close()


@pytest.mark.parametrize("wrong", ["", "amqp", "redis://localhost", "memory://a;ftp://b"])
def test_an_unknown_url_is_refused_by_name(wrong):
    with pytest.raises(exception.ConfigurationError, match="no message broker"):
        transport.connect(wrong)


def test_an_unknown_option_is_refused(url):
    with pytest.raises(exception.ConfigurationError, match="colour"):
        transport.connect(url, {"colour": "red"})
