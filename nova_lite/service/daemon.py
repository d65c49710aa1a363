"""A daemon: one binary on one host. Registers with a fresh epoch, reports that it lives as long as its messages come through, and ends in order."""
from collections.abc import Callable
from typing import Any

from nova_lite import clock, exception, log
from nova_lite.db import hosts as hosts_
from nova_lite.db.engine import Database
from nova_lite.service.periodic import Periodic

LOG = log.get(__name__)
SILENCE = 3
"""Report intervals without a report after which this daemon asks itself what others did meanwhile."""
RECONNECT_SECONDS = 10.0
"""What another daemon may need, after nobody could report, until its messages come round again and its next report is due."""


class Daemon:
    """``binary``: ``nova-compute`` and the like, as the services list shows it. ``transport``: its proof of round trips decides whether it lives.

    ``on_superseded()`` is called when a newer start of the same daemon on the same host took over. Intervals in seconds.
    """

    def __init__(self, binary: str, host: str, db: Database, transport: Any, report_interval: float, on_superseded: Callable[[], None],
                 address: str | None = None):
        self.binary, self.host, self.db = binary, host, db
        self._transport, self._on_superseded, self._address = transport, on_superseded, address
        self._report_interval = report_interval
        self._starters: list[Callable[[], None]] = []
        self._stoppers: list[Callable[[], None]] = []
        self._returners: list[Callable[[], None]] = []
        self._missed_at: float | None = None
        self._reported_at = clock.monotonic()
        self.epoch = 0

    def register(self) -> int:
        """Take a fresh epoch for this start; the epoch."""
        with self.db.write() as tx:
            self.epoch = hosts_.start_service(tx, self.binary, self.host, self._address)
        self.every(self._report_interval, self._report)
        return self.epoch

    def every(self, interval: float, function: Callable[[], object], delay: float | None = None) -> Periodic:
        """Have ``function`` run from time to time while the daemon runs."""
        periodic = Periodic(function, interval, delay)
        self.on_start(periodic.start)
        self.on_stop(periodic.stop)
        return periodic

    def on_start(self, function: Callable[[], None]) -> None:
        """Have ``function`` run at ``start``, in the order of the calls."""
        self._starters.append(function)

    def on_stop(self, function: Callable[[], None]) -> None:
        """Have ``function`` run at ``stop``, in the reverse order of the calls."""
        self._stoppers.append(function)

    def on_return(self, function: Callable[[], None]) -> None:
        """Have ``function`` run before the first report after a silence in which others may have taken this daemon for dead."""
        self._returners.append(function)

    def start(self) -> None:
        """Start all parts."""
        for function in self._starters:
            function()
        LOG.info("%s on %s runs, epoch %s", self.binary, self.host, self.epoch)

    def stop(self) -> None:
        """Stop all parts; one that fails does not keep the others."""
        for function in reversed(self._stoppers):
            try:
                function()
            except Exception:
                LOG.exception("%s did not stop in order", function)

    def hears_others(self) -> bool:
        """Whether the silence of other daemons says that they are down: not while this one cannot report either, nor shortly after."""
        return self._missed_at is None or clock.monotonic() - self._missed_at > RECONNECT_SECONDS + 2 * self._report_interval

    def _report(self) -> None:
        if self._transport.healthy_since is None:
            # Up but deaf: whoever reads the services must see that no message reaches us.
            LOG.warning("%s on %s does not report: its messages do not come round", self.binary, self.host)
            self._missed_at = clock.monotonic()
            return
        try:
            if clock.monotonic() - self._reported_at > SILENCE * self._report_interval:
                LOG.warning("%s on %s was silent for %.0f s", self.binary, self.host, clock.monotonic() - self._reported_at)
                for function in self._returners:
                    function()
            with self.db.write() as tx:
                current = hosts_.report(tx, self.binary, self.host, self.epoch)
        except exception.Unavailable:
            self._missed_at = clock.monotonic()
            raise
        self._reported_at = clock.monotonic()
        if not current:
            LOG.error("%s on %s was started anew elsewhere at %s; this one (epoch %s) ends", self.binary, self.host, clock.now(), self.epoch)
            self._on_superseded()
