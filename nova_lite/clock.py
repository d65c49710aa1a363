"""The clock: the only place that asks what time it is, so that tests and simulations can hand in their own.

All times in the database and in memory are naive UTC ``datetime`` values, with microseconds.
"""
import datetime
import time


def now() -> datetime.datetime:
    """The present as a naive UTC datetime."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def monotonic() -> float:
    """Seconds from an arbitrary start that never go backwards; for durations only."""
    return time.monotonic()


def seconds(count: float) -> datetime.timedelta:
    """A span of ``count`` seconds."""
    return datetime.timedelta(seconds=count)


def isoformat(moment: datetime.datetime | None) -> str | None:
    """``2026-01-31T12:00:00Z``, the form of times in the Compute and Image APIs."""
    # Cut, not asked for with timespec: that takes four times as long, and lists show thousands.
    return None if moment is None else moment.isoformat()[:19] + "Z"


def isoformat_micro(moment: datetime.datetime | None) -> str | None:
    """``2026-01-31T12:00:00.000000``, the form of times in instance actions, services and launched_at."""
    return None if moment is None else moment.isoformat(timespec="microseconds")


def parse(text: str) -> datetime.datetime:
    """Read an ISO 8601 time (with or without a zone; none means UTC). Raises ValueError."""
    moment = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace(" ", "T", 1))
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return moment
