"""A connection that remakes itself for ever. transport.py has two: the consumer's and the publisher's.

They are two because a broker that is short of memory stops reading from connections that publish, and acknowledgements must
still get through. On each, one green thread reads; any other may write under ``lock``.
"""
import random
import threading
from collections.abc import Callable

from nova_lite import clock, concurrency, log

LOG = log.get(__name__)
FIRST_DELAY, LONGEST_DELAY = 0.05, 2.0  # seconds between attempts
STABLE = 5.0  # a connection that lived this many seconds was a good one: the next delay is the first again
REMINDER = 30.0  # seconds between the log's lines while the broker is away


class Link:
    """``on_up(connection)`` sets the new connection up, ``on_turn()`` runs after each thing read, ``on_down()`` once it is
    lost; all three in the reading green thread. ``ready`` is set while the connection can be used.
    """

    def __init__(self, name: str, url: str, options, on_up: Callable, on_turn: Callable, on_down: Callable):
        self._name, self._urls, self._options = name, url.split(";"), options
        self._on_up, self._on_turn, self._on_down = on_up, on_turn, on_down
        self._connection = None
        self._attempts = 0
        self._last_complaint: float | None = None
        self._task: concurrency.Task | None = None
        self.ready = concurrency.Event()
        # Owned by green threads; reentrant because delivering a message may acknowledge it while the reader sets up another.
        self.lock = threading.RLock()
        self.reason = "not connected yet"

    def start(self) -> None:
        """Begin to connect."""
        self._task = concurrency.spawn_logged(self._run)

    def break_off(self, reason: str) -> None:
        """Give the present connection up: it has failed, or proved deaf. A new one is made at once."""
        if self.ready.is_set():
            LOG.warning("The %s connection is given up: %s", self._name, reason)
            self.ready.clear()
            self.reason = reason
            self._connection.interrupt()

    def beat(self) -> None:
        """Tell the broker that this side lives."""
        if self.ready.is_set():
            with self.lock:
                self._connection.beat()

    def close(self, goodbye: Callable = lambda: None) -> None:
        """End for good. ``goodbye`` runs first, with nobody reading, when the connection is up."""
        if self._task is not None:
            self._task.cancel()
        if self.ready.is_set():
            self.ready.clear()
            try:
                with concurrency.timeout(self._options.connect_timeout):
                    goodbye()
                    self._connection.close()
            except Exception as error:
                LOG.info("The %s connection did not close in good order: %s", self._name, error)
        self._drop()

    def _run(self) -> None:
        delay = FIRST_DELAY
        while True:
            began = clock.monotonic()
            try:
                with concurrency.timeout(self._options.connect_timeout):
                    self._connect()
                self._welcome()
                while True:
                    self._connection.drain()
                    self._on_turn()
            except Exception as error:
                self._complain(error)
            self.ready.clear()
            self._on_down()
            self._drop()
            if clock.monotonic() - began > STABLE + self._options.connect_timeout:
                delay = FIRST_DELAY
            concurrency.sleep(delay * random.uniform(0.5, 1))
            delay = min(delay * 2, LONGEST_DELAY)

    def _connect(self) -> None:
        from nova_lite.rpc import broker  # kombu comes into memory with the first connection

        url = self._urls[self._attempts % len(self._urls)]
        self._attempts += 1
        self._connection = broker.Connection(url, self._options.connect_timeout, self._options.broker_heartbeat)
        with self.lock:
            self._on_up(self._connection)

    def _welcome(self) -> None:
        if self._last_complaint is not None:
            LOG.info("The %s connection to the message broker is made again", self._name)
        self._last_complaint = None
        self.ready.set()

    def _complain(self, error: Exception) -> None:
        self.reason = str(error) or type(error).__name__
        now = clock.monotonic()
        if self._last_complaint is None or now - self._last_complaint > REMINDER:
            self._last_complaint = now
            LOG.warning("The %s connection to the message broker is lost: %s", self._name, self.reason)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.drop()
            except Exception as error:
                LOG.debug("Dropping the %s connection: %s", self._name, error)
