"""Waiting for what libvirt does not announce: most of it is over at once, so the first looks come soon after one another."""
from collections.abc import Iterator

from nova_lite import concurrency

FIRST_SECONDS, LONGEST_SECONDS, GROWTH = 0.01, 0.2, 1.5


def pauses() -> Iterator[None]:
    """Sleeps before each value, each time a little longer, for ever. In a green thread."""
    seconds = FIRST_SECONDS
    while True:
        concurrency.sleep(seconds)
        yield
        seconds = min(seconds * GROWTH, LONGEST_SECONDS)
