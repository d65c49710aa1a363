"""What is listened to: the subscriptions of a transport, on one connection, made again on each new one.

Only the green thread that reads may declare and subscribe, for it alone can read the broker's answers. Whoever adds or cancels
a subscription therefore writes the wish down and publishes a nudge to the transport's own inbox; reading it, the reader looks
at the wishes.
"""
import dataclasses
from collections.abc import Callable

from nova_lite import concurrency, log
from nova_lite.rpc.link import Link

LOG = log.get(__name__)
NUDGE = "nudge"
PRIVATE = {"x-expires": 60_000}  # ms that a private queue outlives its consumer: a reconnect finds it, a dead process leaves none


class Delivery:
    """A message that came. Until ``ack`` the broker counts it against the subscription's prefetch."""

    __slots__ = ("body", "correlation_id", "_channel", "_tag", "_lock")

    def __init__(self, message, channel, lock):
        self.body: bytes | str = message.body
        self.correlation_id: str | None = message.properties.get("correlation_id")
        self._channel, self._tag, self._lock = channel, message.delivery_tag, lock

    @property
    def lost(self) -> bool:
        """Whether its connection is gone: it cannot be acknowledged any more and will be delivered again."""
        return self._channel.connection is None

    def ack(self) -> None:
        """Tell the broker that the message is taken; nothing happens when it is lost."""
        try:
            with self._lock:
                if not self.lost:
                    self._channel.basic_ack(self._tag)
        except Exception as error:
            LOG.debug("A message could not be acknowledged and will come again: %s", error)


@dataclasses.dataclass(eq=False)
class Subscription:
    """A queue that is listened to. ``active``: set while the broker delivers from it."""

    queue: str
    exchange: str  # "" for a queue that is addressed by its name
    private: bool
    handler: Callable[[Delivery], None]
    prefetch: int  # 0: without limit, and messages need no acknowledgement
    wanted: bool = True
    active: concurrency.Event = dataclasses.field(default_factory=concurrency.Event)
    ended: concurrency.Event = dataclasses.field(default_factory=concurrency.Event)
    channel: object = None


class Consumer:
    """Keeps the subscriptions. ``inbox`` is this transport's private queue; ``on_inbox`` takes what comes there."""

    def __init__(self, url: str, options, inbox: str, on_inbox: Callable[[Delivery], None], on_down: Callable[[], None],
                 on_up: Callable[[], None]):
        self.link = Link("consumer", url, options, self._up, self._turn, self._down)
        self._options, self._on_down, self._on_up = options, on_down, on_up
        self._inbox = Subscription(inbox, "", True, on_inbox, 0)
        self._subscriptions: list[Subscription] = []
        self._changed = False

    def add(self, subscription: Subscription, seconds: float) -> bool:
        """Listen to a queue for good. False when the broker could not be reached within ``seconds``: it will be, later."""
        self._subscriptions.append(subscription)
        self._nudge()
        return subscription.active.wait(seconds)

    def cancel(self, subscription: Subscription, seconds: float) -> bool:
        """Listen no more; messages that are not acknowledged go back to the queue. False as for ``add``."""
        subscription.wanted = False
        if not self.link.ready.is_set():
            self._subscriptions.remove(subscription)
            return False
        self._nudge()
        return subscription.ended.wait(seconds)

    def close(self) -> None:
        """End for good; the private queues go at once."""
        def goodbye():
            for subscription in [*self._subscriptions, self._inbox]:
                self._unsubscribe(subscription)
        self.link.close(goodbye)

    def _nudge(self) -> None:
        from nova_lite.rpc import broker

        self._changed = True
        if self.link.ready.is_set():
            try:
                with concurrency.timeout(self._options.connect_timeout), self.link.lock:
                    broker.publish(self._inbox.channel, b"{}", "", self._inbox.queue, {"correlation_id": NUDGE})
            except Exception as error:
                self.link.break_off(f"writing failed: {str(error) or type(error).__name__}")

    def _up(self, connection) -> None:
        self._connection = connection
        self._changed = True
        self._subscribe(self._inbox)
        self._turn()
        self._on_up()

    def _down(self) -> None:
        for subscription in [self._inbox, *self._subscriptions]:
            subscription.active.clear()
            subscription.channel = None
        self._on_down()

    def _turn(self) -> None:
        while self._changed:
            self._changed = False
            with self.link.lock:
                for subscription in list(self._subscriptions):
                    if subscription.wanted and subscription.channel is None:
                        self._subscribe(subscription)
                    elif not subscription.wanted:
                        self._subscriptions.remove(subscription)
                        self._unsubscribe(subscription)
                        subscription.ended.set()

    def _subscribe(self, subscription: Subscription) -> None:
        channel = subscription.channel = self._connection.channel()
        if subscription.prefetch:
            channel.basic_qos(0, subscription.prefetch, False)
        channel.queue_declare(subscription.queue, durable=True, auto_delete=False,
                              arguments=PRIVATE if subscription.private else None)
        if subscription.exchange:
            channel.exchange_declare(subscription.exchange, type="fanout", durable=True, auto_delete=False)
            channel.queue_bind(subscription.queue, subscription.exchange, "")

        def deliver(message):
            try:
                subscription.handler(Delivery(message, channel, self.link.lock))
            except Exception:
                LOG.exception("A message on %s could not be taken", subscription.queue)

        channel.basic_consume(queue=subscription.queue, no_ack=not subscription.prefetch, callback=deliver,
                              consumer_tag=subscription.queue)
        subscription.active.set()

    def _unsubscribe(self, subscription: Subscription) -> None:
        channel, subscription.channel = subscription.channel, None
        if channel is not None:
            subscription.active.clear()
            channel.basic_cancel(subscription.queue)
            if subscription.private:
                channel.queue_delete(subscription.queue)
            channel.close()
