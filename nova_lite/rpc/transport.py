"""The transport: ``connect(url)`` gives one, client.py sends with it, server.py listens with it. Bytes only, no vocabulary.

A message is a doorbell: what must not be lost stands in the database before it is sent. So publishing tries for a few seconds
and then raises exception.RpcUnavailable, and never hangs; a message may arrive twice; one that nobody fetches expires. Topic
queues and their messages are on the broker's disk, replies and pings are not.
"""
import dataclasses
import datetime
import math
import uuid

from nova_lite import clock, concurrency, exception, log
from nova_lite.rpc import consumer, heartbeat, publisher

LOG = log.get(__name__)


@dataclasses.dataclass(frozen=True)
class Options:
    """What an operator can set; all times in seconds."""

    prefix: str = "nova_lite."  # of all queues and exchanges, so that two clouds may share a broker
    publish_timeout: float = 5.0  # how long a cast tries to reach the broker
    message_ttl: float = 600.0  # after this a cast that nobody fetched is forgotten: the sweep has rung again long ago
    connect_timeout: float = 3.0
    round_trip_interval: float = 10.0  # between two round trips
    round_trip_timeout: float = 5.0  # in which one must come back

    @property
    def broker_heartbeat(self) -> int:
        """Silence, twice as long as which RabbitMQ bears before it takes our messages back; each round trip breaks it."""
        return math.ceil(self.round_trip_interval + self.round_trip_timeout)


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a message goes: a queue, or an exchange that gives it to many. ``shared``: the sender may have to create it."""

    queue: str = ""
    exchange: str = ""
    shared: bool = True


@dataclasses.dataclass
class Stats:
    """Counters since the start; pings and nudges are not counted. ``published``: casts, calls and broadcasts that the broker
    took; ``replies``: answers that it took; ``consumed``: requests delivered here; ``reconnects``: connections lost.
    """

    published: int = 0
    replies: int = 0
    consumed: int = 0
    reconnects: int = 0


@dataclasses.dataclass(eq=False)
class _Pending:
    """A call that waits for its reply until ``deadline`` (monotonic). ``sent``: the broker has had it once."""

    address: Address
    body: bytes
    deadline: float
    sent: bool = False
    answer: bytes | str | None = None
    arrived: concurrency.Event = dataclasses.field(default_factory=concurrency.Event)


class Transport:
    """Two connections to a broker, an inbox for replies, and the heartbeat that proves the way round."""

    def __init__(self, url: str, options: Options):
        self.options = options
        self.stats = Stats()
        self._pending: dict[str, _Pending] = {}
        self.inbox = f"{options.prefix}inbox.{uuid.uuid4().hex}"
        self._publisher = publisher.Publisher(url, options, self._on_down)
        self._consumer = consumer.Consumer(url, options, self.inbox, self._on_inbox, self._on_down, self._on_up)
        self._heartbeat = heartbeat.Heartbeat((self._consumer.link, self._publisher.link), self._ping, options)
        self._closed = False
        self._publisher.link.start()
        self._consumer.link.start()
        self._heartbeat.start()

    @property
    def healthy_since(self) -> datetime.datetime | None:
        """Since when messages travel; None while they do not, or it is not proven yet."""
        return self._heartbeat.healthy_since

    @property
    def last_round_trip(self) -> datetime.datetime | None:
        """When a message last came round; None before the first."""
        return self._heartbeat.last_round_trip

    def topic(self, name: str) -> Address:
        """The queue whose messages go to one of its servers each."""
        return Address(queue=self.options.prefix + name)

    def everyone(self, topic: str) -> Address:
        """The exchange whose messages go to every server of the topic."""
        return Address(exchange=f"{self.options.prefix}{topic}.everyone")

    def publish(self, address: Address, body: bytes) -> None:
        """Send a cast. Raises exception.RpcUnavailable when the broker cannot be reached in ``publish_timeout``."""
        self._publish(address, body, self.options.message_ttl, self.options.publish_timeout)

    def request(self, address: Address, body: bytes, correlation_id: str, seconds: float) -> bytes | str | None:
        """Send a call and wait for the reply's body; None when there is none within ``seconds``.

        A call that was not fetched in that time expires. It is sent again after each lost connection, for the reply may be lost with it.
        Raises exception.RpcUnavailable as publish does.
        """
        deadline = clock.monotonic() + seconds
        pending = self._pending[correlation_id] = _Pending(address, body, deadline)
        try:
            patience = min(seconds, self.options.publish_timeout)
            # Without the inbox a fast answer would be dropped.
            if not self._consumer.link.ready.wait(patience):
                raise exception.RpcUnavailable(reason=self._consumer.link.reason)
            self._publish(address, body, deadline - clock.monotonic(), patience)
            pending.sent = True
            pending.arrived.wait(max(0.0, deadline - clock.monotonic()))
            return pending.answer
        finally:
            del self._pending[correlation_id]

    def reply(self, inbox: str, body: bytes, correlation_id: str, seconds: float = 0.0) -> None:
        """Answer a call whose caller waits for ``seconds`` more. Raises exception.RpcUnavailable as publish does, but not before that."""
        properties = {"delivery_mode": 1, "correlation_id": correlation_id}
        self._publisher.publish(Address(inbox, shared=False), body, properties, max(seconds, self.options.publish_timeout))
        self.stats.replies += 1

    def consume(self, address: Address, handler, prefetch: int) -> consumer.Subscription:
        """Listen: ``handler(delivery)`` runs for each message in the reading green thread and must not block it.

        At most ``prefetch`` (> 0) messages are delivered that were not acknowledged. Returns once the broker delivers, or
        after ``publish_timeout``: then it will as soon as it can be reached.
        """
        queue = address.queue or f"{address.exchange}.{uuid.uuid4().hex}"

        def count(delivery):
            self.stats.consumed += 1
            handler(delivery)

        subscription = consumer.Subscription(queue, address.exchange, bool(address.exchange), count, prefetch)
        if not self._consumer.add(subscription, self.options.publish_timeout):
            LOG.warning("%s is not listened to yet: the message broker cannot be reached", queue)
        return subscription

    def cancel(self, subscription: consumer.Subscription) -> None:
        """Listen no more; what was delivered and not acknowledged goes back to the queue."""
        self._consumer.cancel(subscription, self.options.publish_timeout)

    def close(self) -> None:
        """End for good. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._heartbeat.stop()
            self._consumer.close()
            self._publisher.link.close()

    def _publish(self, address: Address, body: bytes, ttl: float, seconds: float) -> None:
        properties = {"delivery_mode": 2, "expiration": str(max(1, int(ttl * 1000)))}
        self._publisher.publish(address, body, properties, seconds)
        self.stats.published += 1

    def _ping(self, correlation_id: str, seconds: float) -> None:
        properties = {"delivery_mode": 1, "correlation_id": correlation_id, "expiration": "30000"}
        self._publisher.publish(Address(self.inbox, shared=False), b"{}", properties, seconds)

    def _on_inbox(self, delivery: consumer.Delivery) -> None:
        correlation_id = delivery.correlation_id or ""
        if correlation_id.startswith(heartbeat.PING):
            self._heartbeat.on_pong(correlation_id)
        elif correlation_id in self._pending:
            pending = self._pending[correlation_id]
            pending.answer = delivery.body
            pending.arrived.set()

    def _on_up(self) -> None:
        if any(pending.sent for pending in self._pending.values()):
            concurrency.spawn_logged(self._ask_again)

    def _ask_again(self) -> None:
        for pending in list(self._pending.values()):
            left = pending.deadline - clock.monotonic()
            if pending.sent and left > 0 and not pending.arrived.is_set():
                try:
                    self._publish(pending.address, pending.body, left, min(left, self.options.publish_timeout))
                except exception.RpcUnavailable as error:
                    LOG.info("A call could not be sent again: %s", error)
                    return

    def _on_down(self) -> None:
        self.stats.reconnects += 1
        self._heartbeat.on_down()


def connect(url: str, options: dict | None = None) -> Transport:
    """A transport to ``memory://NAME`` (this process; one broker for each URL) or ``amqp://user:password@host:port/vhost``
    (RabbitMQ; several URLs with ``;`` between them are tried in turn).

    Returns at once and connects by itself, now and after every loss. ``options``: see Options. Raises
    exception.ConfigurationError for a URL or an option that cannot be used.
    """
    from nova_lite.rpc import broker

    try:
        for each in url.split(";"):
            broker.transport_class(each)
        return Transport(url, Options(**(options or {})))
    except (TypeError, ValueError) as error:
        raise exception.ConfigurationError(reason=f"The message transport cannot be set up: {error}")
