"""What is sent: messages published on one connection by many green threads, each waiting for its own confirmation."""
import collections

from nova_lite import clock, concurrency, exception, log
from nova_lite.rpc.link import Link

LOG = log.get(__name__)


class _Confirmation:
    """The broker's word on one message: True taken, False refused, None the connection was lost."""

    def __init__(self):
        self.event = concurrency.Event()
        self.taken: bool | None = None

    def settle(self, taken: bool | None) -> None:
        self.taken = taken
        self.event.set()


class Publisher:
    """Publishes until the broker has the message or the time is over."""

    def __init__(self, url: str, options, on_down):
        self._on_down = on_down
        self.link = Link("publisher", url, options, self._up, lambda: None, self._down)
        self._waiting: collections.OrderedDict[int, _Confirmation] = collections.OrderedDict()

    def publish(self, address, body: bytes, properties: dict, seconds: float) -> None:
        """Send ``body`` to ``address``. After a lost connection it is sent again, so that it may arrive twice.

        Raises exception.RpcUnavailable when the broker did not take it within ``seconds``; it may have arrived all the same.
        """
        deadline = clock.monotonic() + seconds
        while (left := deadline - clock.monotonic()) > 0 and self.link.ready.wait(left):
            confirmation = self._send(address, body, properties, deadline - clock.monotonic())
            if confirmation is None:
                continue
            if not self._confirms:
                return
            if not confirmation.event.wait(max(0.0, deadline - clock.monotonic())):
                break
            if confirmation.taken:
                return
            if confirmation.taken is False:
                concurrency.sleep(0.1)  # refused, as by a queue that is full for the moment
        reason = "it does not confirm messages" if self.link.ready.is_set() else self.link.reason
        raise exception.RpcUnavailable(reason=reason)

    def _send(self, address, body: bytes, properties: dict, seconds: float) -> _Confirmation | None:
        """Write one message; None when the connection broke."""
        confirmation = _Confirmation()
        deadline = clock.monotonic() + seconds
        try:
            with concurrency.timeout(max(0.01, seconds)), self.link.lock:
                try:
                    self._write(address, body, properties, confirmation)
                except BaseException as error:
                    # A write that was cut short, by whomever, leaves half a frame behind: the connection is of no more use.
                    self.link.break_off(f"writing failed: {str(error) or type(error).__name__}")
                    raise
        except concurrency.Timeout:
            if clock.monotonic() < deadline:
                raise  # the caller's own limit
            return None
        except Exception:
            return None
        return confirmation

    def _write(self, address, body: bytes, properties: dict, confirmation: _Confirmation) -> None:
        from nova_lite.rpc import broker

        self._declare(address)
        if self._confirms:
            self._number += 1
            self._waiting[self._number] = confirmation
        broker.publish(self._channel, body, address.exchange, address.queue, properties)

    def _declare(self, address) -> None:
        """Make sure, once a connection, that what the message is sent to exists; unawaited, as order is kept."""
        if address.shared and address not in self._declared:
            if address.exchange:
                self._channel.exchange_declare(address.exchange, type="fanout", durable=True, auto_delete=False, nowait=True)
            else:
                self._channel.queue_declare(address.queue, durable=True, auto_delete=False, nowait=True)
            self._declared.add(address)

    def _up(self, connection) -> None:
        self._channel = connection.channel()
        self._declared = set()
        self._number, self._waiting = 0, collections.OrderedDict()
        self._confirms = connection.confirms
        if self._confirms:
            self._channel.confirm_select()
            self._channel.events["basic_ack"].add(lambda number, multiple: self._settle(number, multiple, True))
            self._channel.events["basic_nack"].add(lambda number, multiple: self._settle(number, multiple, False))

    def _down(self) -> None:
        waiting, self._waiting = self._waiting, collections.OrderedDict()
        for confirmation in waiting.values():
            confirmation.settle(None)
        self._on_down()

    def _settle(self, number: int, multiple: bool, taken: bool) -> None:
        if not multiple:
            confirmation = self._waiting.pop(number, None)
            if confirmation is not None:
                confirmation.settle(taken)
            return
        while self._waiting and next(iter(self._waiting)) <= number:
            self._waiting.popitem(last=False)[1].settle(taken)
