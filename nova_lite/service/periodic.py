"""Doing something every so many seconds, whatever it raises."""
from collections.abc import Callable

from nova_lite import concurrency, exception, log

LOG = log.get(__name__)


class Periodic:
    """Runs ``function()`` every ``interval`` seconds from ``start`` on, the first time after ``delay`` seconds; ``hurry`` runs it at once."""

    def __init__(self, function: Callable[[], object], interval: float, delay: float | None = None):
        self._function, self._interval = function, interval
        self._delay = interval if delay is None else delay
        self._wake = concurrency.Event()
        self._task: concurrency.Task | None = None

    def start(self) -> None:
        """Begin."""
        self._task = concurrency.spawn(self._loop)

    def hurry(self) -> None:
        """Do not wait for the rest of the interval."""
        self._wake.set()

    def stop(self) -> None:
        """End; a run under way is interrupted."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _loop(self) -> None:
        self._wake.wait(self._delay)
        while True:
            self._wake.clear()
            try:
                self._function()
            except exception.Unavailable as error:
                LOG.warning("%s: %s", self._function.__qualname__, error)
            except Exception:
                LOG.exception("%s failed", self._function.__qualname__)
            self._wake.wait(self._interval)
