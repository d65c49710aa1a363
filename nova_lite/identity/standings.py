"""What a process remembers of tokens, so that a client that asks again and again costs no statement each time.

It holds for some seconds, or until this very process changes anything of identities (``Deps.write``).
"""
from collections.abc import Callable
from typing import Any

from nova_lite import clock

MOST = 4096


class Standings:
    """``seconds``: how long what was read of a token is believed; 0 asks anew each time."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._known: dict[str, tuple[float, Any]] = {}

    def find(self, token: str, read: Callable[[], Any]) -> Any:
        """What ``read`` answered for the token not long ago, or answers now. Its errors are passed on and not remembered."""
        # Taken before reading: when ``forget`` comes in between, what was read goes to a table that nobody asks any more.
        known, now = self._known, clock.monotonic()
        until, standing = known.get(token, (0.0, None))
        if now < until:
            return standing
        standing = read()
        if len(known) >= MOST:
            known.clear()
        known[token] = (now + self.seconds, standing)
        return standing

    def forget(self) -> None:
        """Ask anew for every token."""
        self._known = {}
