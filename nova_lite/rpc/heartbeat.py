"""The proof that messages still travel: a ping from the publisher through the broker to the inbox. Run by transport.py.

A connection may be open and yet dead: a peer behind a firewall that forgot it, a broker that is stuck. TCP says nothing for
minutes, and a worker that is up but deaf accepts no work and reports no fault. So a message is sent round and awaited.
"""
import datetime
import itertools

from nova_lite import clock, concurrency, exception, log

LOG = log.get(__name__)
PING = "ping:"


class Heartbeat:
    """Sends pings while both links are up, and breaks both off when one does not come back in time."""

    def __init__(self, links, send_ping, options):
        self._links, self._send_ping, self._options = links, send_ping, options
        self._numbers = itertools.count(1)
        self._awaited: str | None = None
        self._arrived = concurrency.Event()
        self._due = concurrency.Event()
        self._task: concurrency.Task | None = None
        self.healthy_since: datetime.datetime | None = None
        self.last_round_trip: datetime.datetime | None = None

    def start(self) -> None:
        """Begin."""
        self._task = concurrency.spawn_logged(self._run)

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    def on_down(self) -> None:
        """A connection was lost: prove the next one at once."""
        self.healthy_since = None
        self._due.set()

    def on_pong(self, correlation_id: str) -> None:
        """A ping came back."""
        if correlation_id == self._awaited:
            self._arrived.set()

    def _run(self) -> None:
        while True:
            for link in self._links:
                link.ready.wait()
            self._due.clear()
            came_back = self._round_trip()
            if self._due.is_set():
                continue  # a connection was lost meanwhile: what counts is the next one
            if came_back:
                self.last_round_trip = clock.now()
                self.healthy_since = self.healthy_since or self.last_round_trip
                self._due.wait(self._options.round_trip_interval)
            else:
                for link in self._links:
                    link.break_off(f"no round trip within {self._options.round_trip_timeout} s")

    def _round_trip(self) -> bool:
        """Whether a ping came back in time."""
        self._awaited = f"{PING}{next(self._numbers)}"
        self._arrived.clear()
        deadline = clock.monotonic() + self._options.round_trip_timeout
        try:
            with concurrency.timeout(self._options.round_trip_timeout):
                for link in self._links:
                    link.beat()
                self._send_ping(self._awaited, deadline - clock.monotonic())
                self._arrived.wait()
        except (exception.RpcUnavailable, concurrency.Timeout):
            return False
        except Exception as error:
            LOG.info("The round trip failed: %s", error)
            return False
        return True
