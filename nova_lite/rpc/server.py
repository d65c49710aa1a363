"""The server of an interface: takes messages off its queues and hands them to an endpoint. Started by each daemon.

A message is acknowledged once a worker carries it out, not when that has ended: a build that takes half an hour shall not be
delivered twice because a connection was lost meanwhile, and what a dead process leaves unfinished is the sweep's to find. But
the broker never holds more messages out to a server than it has idle workers (see _Intake), so that a busy server
leaves them to the others of its topic.
"""
import collections
from collections.abc import Callable

from nova_lite import clock, concurrency, context, exception, log
from nova_lite.rpc import serializer
from nova_lite.rpc.interface import BROADCAST, CALL, Interface, differences
from nova_lite.rpc.transport import Address, Transport

LOG = log.get(__name__)
PREFETCH = 16  # messages on their way at most; more would not be faster
REMEMBERED = 2048  # ids of messages carried out, to recognise those that come again
REPLY_BYTES = 16384  # larger answers are not kept for callers that ask again


class _Intake:
    """A bounded pool of workers before one queue.

    Of each ``prefetch`` messages that the broker may have out, those not acknowledged count. The acknowledgement of a message
    whose worker has started is held back while it would let more messages come than workers are idle.
    """

    def __init__(self, workers: int, handle: Callable):
        self._workers, self._handle = workers, handle
        self.prefetch = min(workers, PREFETCH)
        self._unacknowledged: collections.deque = collections.deque()
        self._waiting: collections.deque = collections.deque()
        self._closed = False
        self.running = 0
        self.idle = concurrency.Event()
        self.idle.set()

    def __call__(self, delivery) -> None:
        if self._closed:
            return  # not acknowledged: it goes back to the queue when the subscription ends
        self._waiting.append(delivery)
        self._settle()

    def close(self) -> None:
        """Start no more; what has started is acknowledged."""
        self._closed = True
        self._waiting.clear()
        while self._unacknowledged:
            self._unacknowledged.popleft().ack()

    def _settle(self) -> None:
        # After a reconnect the broker counts anew, and may send more than workers are idle: those wait here.
        while self._waiting and self.running < self._workers:
            delivery = self._waiting.popleft()
            if not delivery.lost:
                self.running += 1
                self.idle.clear()
                self._unacknowledged.append(delivery)
                concurrency.spawn(self._work, delivery.body)
        while self._unacknowledged and self._unacknowledged[0].lost:
            self._unacknowledged.popleft()
        while self._unacknowledged and self.prefetch - len(self._unacknowledged) < self._workers - self.running:
            self._unacknowledged.popleft().ack()

    def _work(self, body) -> None:
        try:
            self._handle(body)
        except Exception:
            LOG.exception("A message could not be handled")
        finally:
            self.running -= 1
            if not self.running:
                self.idle.set()
            self._settle()


class Server:
    """Serves ``interface`` with ``endpoint``, on ``host``'s queue for a per-host interface, with at most ``workers`` messages
    at once from each of its queues (the topic's, and that of broadcasts).

    Raises TypeError at construction, naming each difference between the endpoint's methods and the interface's.
    """

    def __init__(self, transport: Transport, interface: type[Interface], endpoint: object, host: str | None = None,
                 workers: int = 64):
        found = differences(interface, endpoint)
        if found:
            raise TypeError(f"{type(endpoint).__name__} does not serve {interface.__name__}: {'; '.join(found)}")
        if interface.per_host and not host:
            raise TypeError(f"{interface.__name__} is served per host: name the host")
        self._transport, self._interface, self._endpoint = transport, interface, endpoint
        self._queue = f"{interface.topic}.{host}" if interface.per_host else interface.topic
        self._workers = workers
        self._listening: list[tuple[_Intake, object]] = []
        self._seen: collections.OrderedDict[str, bytes | None] = collections.OrderedDict()

    def start(self) -> None:
        """Begin to listen. Does not fail while the broker is away: messages come once it is back."""
        addresses = [self._transport.topic(self._queue)]
        if any(method.kind == BROADCAST for method in self._interface.methods.values()):
            addresses.append(self._transport.everyone(self._interface.topic))
        for address in addresses:
            self._listen(address)

    def stop(self, seconds: float = 30.0) -> bool:
        """Take no more messages and wait for the running ones. False when some still run after ``seconds``."""
        listening, self._listening = self._listening, []
        deadline = clock.monotonic() + seconds
        for intake, subscription in listening:
            intake.close()
            self._transport.cancel(subscription)
        return all([intake.idle.wait(max(0.0, deadline - clock.monotonic())) for intake, _ in listening])

    def _listen(self, address: Address) -> None:
        intake = _Intake(self._workers, self._handle)
        self._listening.append((intake, self._transport.consume(address, intake, intake.prefetch)))

    def _handle(self, body) -> None:
        """Carry one message out."""
        try:
            request = serializer.decode_request(body)
            ctx = context.RequestContext.from_dict(request.ctx)
        except (serializer.Malformed, TypeError, ValueError) as error:
            LOG.error("A message on %s is dropped: %s", self._queue, error)
            return
        log.set_request_id(ctx.request_id)
        if request.id in self._seen:
            self._repeat(request)
            return
        self._remember(request.id, None)
        if request.reply_to is None:
            try:
                self._dispatch(request, ctx)
            except Exception:
                LOG.exception("%s failed", request.method)
        else:
            self._answer(request, ctx)

    def _answer(self, request: serializer.Request, ctx) -> None:
        came = clock.monotonic()
        try:
            body = serializer.encode_result(request.id, self._dispatch(request, ctx))
        except Exception as error:
            expected = isinstance(error, exception.NovaLiteError) and error.status < 500
            report = LOG.info if expected else LOG.exception
            report("%s failed: %s", request.method, error)
            body = serializer.encode_error(request.id, error)
        if len(body) <= REPLY_BYTES:
            self._remember(request.id, body)
        self._reply(request, body, came)

    def _repeat(self, request: serializer.Request) -> None:
        body = self._seen[request.id]
        if request.reply_to is None or body is None:
            LOG.info("%s came a second time and is dropped", request.method)
        else:
            self._reply(request, body, clock.monotonic())

    def _reply(self, request: serializer.Request, body: bytes, came: float) -> None:
        method = self._interface.methods.get(request.method)
        try:
            self._transport.reply(request.reply_to, body, request.id, came + (method and method.timeout or 0.0) - clock.monotonic())
        except exception.RpcUnavailable as error:
            LOG.warning("The answer to %s is lost: %s", request.method, error)

    def _dispatch(self, request: serializer.Request, ctx):
        """Call the endpoint. Raises exception.Invalid for what the interface does not declare, and what the method raises."""
        method = self._interface.methods.get(request.method)
        if method is None:
            raise exception.Invalid(f"{self._interface.topic} has no method {request.method!r}.")
        if (request.reply_to is not None) != (method.kind == CALL):
            raise exception.Invalid(f"{self._interface.topic}'s {request.method} is a {method.kind}.")
        try:
            arguments = method.bind(request.args)
        except TypeError as error:
            raise exception.Invalid(f"{self._interface.topic}: {error}.")
        return getattr(self._endpoint, method.name)(ctx, **arguments)

    def _remember(self, id: str, body: bytes | None) -> None:
        self._seen[id] = body
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
