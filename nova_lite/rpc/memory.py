"""The broker inside this process, for ``memory://``: kombu's virtual transport, driven by events.

kombu's own memory transport sleeps and looks again, once a second: idle processes burn CPU and messages wait. Here each
connection has a concurrency.Event. Putting a message on a queue sets the events of the connections that consume from it, as
does acknowledging one while more wait (the prefetch limit may just have been the obstacle); ``drain_events`` delivers what
there is and else waits for its event without a time limit. ``MemoryBroker.passes`` counts the looks at the queues: it stands
still while nothing is sent, which is what the tests assert.

As on RabbitMQ, what is sent to a queue that does not exist is dropped, and a message past its expiration is not delivered.
Everything here runs in one native thread; code in another one must not publish.
"""
import collections
import queue
import weakref

from kombu.transport import virtual

from nova_lite import clock, concurrency

_BROKERS: weakref.WeakValueDictionary[str, "MemoryBroker"] = weakref.WeakValueDictionary()


class MemoryBroker:
    """Queues, exchanges and who listens; one for each URL, gone with its last connection."""

    def __init__(self):
        self.state = virtual.BrokerState()
        self.queues: dict[str, collections.deque] = {}
        self.listeners: dict[str, list[concurrency.Event]] = collections.defaultdict(list)
        self.passes = 0

    def wake(self, name: str) -> None:
        """Let the consumers of a queue look at it."""
        for event in self.listeners.get(name, ()):
            event.set()


def broker(url: str) -> MemoryBroker:
    """The broker of a URL, made when no connection has it now."""
    found = _BROKERS.get(url)
    if found is None:
        found = _BROKERS[url] = MemoryBroker()
    return found


class Channel(virtual.Channel):
    """A kombu channel whose messages lie in the MemoryBroker."""

    supports_fanout = True
    do_restore = True
    body_encoding = None

    def __init__(self, connection, **kwargs):
        super().__init__(connection, **kwargs)
        self.broker = connection.broker
        self._handlers = {}

    def basic_consume(self, queue, no_ack, callback, consumer_tag, **kwargs):
        super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        # kombu keeps one callback for each queue of a connection; two servers of a topic may share a connection.
        self._handlers[queue] = self.connection._callbacks[queue]
        self.broker.listeners[queue].append(self.connection.woken)
        self.broker.wake(queue)

    def basic_cancel(self, consumer_tag):
        name = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if name is not None:
            self.broker.listeners[name].remove(self.connection.woken)
            if not self.broker.listeners[name]:
                del self.broker.listeners[name]

    def basic_ack(self, delivery_tag, multiple=False):
        super().basic_ack(delivery_tag, multiple)
        if any(self.broker.queues.get(name) for name in self._active_queues):
            self.connection.woken.set()

    def queue_delete(self, queue, if_unused=False, if_empty=False, **kwargs):
        for exchange, routing_key, arguments in list(self.state.queue_bindings(queue)):
            self.queue_unbind(queue, exchange, routing_key, arguments)
        self._delete(queue)

    def _get_and_deliver(self, queue, callback):
        self._handlers[queue](self._get(queue))

    def _get(self, name, timeout=None):
        waiting = self.broker.queues.get(name)
        while waiting:
            message, deadline = waiting.popleft()
            if deadline is None or deadline > clock.monotonic():
                return message
        raise queue.Empty

    def _put(self, name, message, **kwargs):
        waiting = self.broker.queues.get(name)
        if waiting is not None:
            expiration = message["properties"].get("expiration")
            waiting.append((message, clock.monotonic() + int(expiration) / 1000 if expiration else None))
            self.broker.wake(name)

    def _put_fanout(self, exchange, message, routing_key=None, **kwargs):
        for name in self._lookup(exchange, routing_key):
            self._put(name, message)

    def _queue_bind(self, *args):
        """Nothing to do: the bindings are in the broker's state."""

    def _restore(self, message):
        # A broadcast's queue ends with its consumer; the exchange would give its message to all others once more.
        if not message.delivery_info["exchange"]:
            super()._restore(message)

    def _has_queue(self, queue, **kwargs):
        return queue in self.broker.queues

    def _new_queue(self, queue, **kwargs):
        self.broker.queues.setdefault(queue, collections.deque())

    def _size(self, queue):
        return len(self.broker.queues.get(queue, ()))

    def _delete(self, queue, *args, **kwargs):
        self.broker.queues.pop(queue, None)

    def _purge(self, queue):
        size = self._size(queue)
        self.broker.queues.get(queue, collections.deque()).clear()
        return size


class MemoryTransport(virtual.Transport):
    """A kombu transport whose connections sleep until they are woken."""

    Channel = Channel
    driver_type = driver_name = "memory"

    def __init__(self, client, **kwargs):
        super().__init__(client, **kwargs)
        self.broker = client.transport_options["broker"]
        self.state = self.broker.state
        self.woken = concurrency.Event()
        self.interrupted = False

    def interrupt(self) -> None:
        """Make drain_events raise ConnectionResetError."""
        self.interrupted = True
        self.woken.set()

    def drain_events(self, connection, timeout=None):
        """Deliver one message; wait for it as long as it takes, or raise TimeoutError after ``timeout`` seconds."""
        while True:
            self.woken.clear()
            self.broker.passes += 1
            if self.interrupted:
                raise ConnectionResetError("interrupted")
            try:
                return self.cycle.get(self._deliver)
            except queue.Empty:
                if not self.woken.wait(timeout):
                    raise TimeoutError
