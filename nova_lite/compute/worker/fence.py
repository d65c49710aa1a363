"""The fence between this worker and whoever took over what it had: a newer start on the same host, or another host.

A process that was frozen or cut off goes on later as if no time had passed. So each task has its driver behind a fence: what changes anything asks
first whether this worker is still its host's, what starts a guest asks for the task too, before and after. So does what moves guests
(virt.moves): what sends one away, takes one in, or says whose its files are, asks for the task.
"""
import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterator

from nova_lite import clock, exception, hooks, log
from nova_lite.compute.worker.job import Workshop
from nova_lite.db import hosts as hosts_
from nova_lite.db import servers as servers_

LOG = log.get(__name__)
READS = frozenset({"inventory", "guests", "guest_files", "power_state", "console_output", "console", "diagnostics"})
STARTS = frozenset({"start_guest", "reboot_hard", "reboot_soft", "unpause_guest"})
PARTS = frozenset({"moves", "live", "copies"})
"""What gives out a part of the contract."""
MOVES_LOOK = frozenset({"reaches", "unfinished", "check", "presence", "farewell", "files", "read"})
MOVES_SEND = frozenset({"borrow", "receive", "migrate", "entrust"})
PROOF_SECONDS = 0.1
"""How long an answer holds for changes that start nothing: they take as long themselves, and nobody asks in their midst. A frozen process's
clock goes on, so that it has no proof when it thaws."""


def fenced(shop: Workshop, epoch: int, server_id: str, token: str, proven_at: float = -math.inf) -> Workshop:
    """The workshop with its driver behind the fence of one task. ``proven_at``: clock.monotonic() before the epoch was last seen to be the host's."""
    return dataclasses.replace(shop, driver=FencedDriver(shop, epoch, server_id, token, proven_at))


class FencedDriver:
    """As the shop's driver; a call that the fence holds back raises TaskLost.

    Guests start between two reads of the database (``started`` saves the second); other changes read where the last answer is not quite new.
    """

    def __init__(self, shop: Workshop, epoch: int, server_id: str, token: str, proven_at: float):
        self._shop, self._epoch, self._server_id, self._token = shop, epoch, server_id, token
        self._proven_at = proven_at

    def __getattr__(self, name: str):
        method = getattr(self._shop.driver, name)
        if name in READS:
            return method
        if name in PARTS:
            return lambda: FencedPart(self, method())
        return functools.partial(self._start if name in STARTS else self.change, method)

    def change(self, method, *args, **kwargs):
        """Call what only the host's latest worker may do. Raises TaskLost."""
        asked_at = clock.monotonic()
        if asked_at - self._proven_at > PROOF_SECONDS:
            try:
                with self._shop.db.read() as tx:
                    current = hosts_.is_current(tx, self._shop.host, self._epoch)
            except exception.Unavailable:
                # Undoing does not wait for the database.
                current = True
            if not current:
                raise exception.TaskLost(token=self._token, server_id=self._server_id)
            self._proven_at = asked_at
        return method(*args, **kwargs)

    def send(self, method, *args, **kwargs):
        """Call what only the holder of the task may do, on the host's latest worker. Raises TaskLost."""
        self._check()
        return method(*args, **kwargs)

    def _start(self, method, *args, **kwargs):
        self._check()
        hooks.reached("guest.start")
        done = method(*args, **kwargs)
        with self._leaving_nothing():
            self._check()
        return done

    @contextlib.contextmanager
    def started(self, guest) -> Iterator[None]:
        """Start the guest, then run the block, which ends the task by its token and this epoch: the write asks what a second read would."""
        self._check()
        hooks.reached("guest.start")
        self._shop.driver.start_guest(guest)
        with self._leaving_nothing():
            yield

    @contextlib.contextmanager
    def _leaving_nothing(self) -> Iterator[None]:
        try:
            yield
        except exception.TaskLost:
            if not self._belongs_here():
                LOG.warning("server %s went elsewhere while its guest started here; the guest ends", self._server_id)
                self._shop.driver.destroy_guest(self._server_id)
            raise

    def _check(self) -> None:
        with self._shop.db.read() as tx:
            current = hosts_.holds_task(tx, self._shop.host, self._epoch, self._server_id, self._token)
        if not current:
            raise exception.TaskLost(token=self._token, server_id=self._server_id)

    def _belongs_here(self) -> bool:
        with self._shop.db.read() as tx:
            server = servers_.find(tx, self._server_id)
        return server is not None and self._shop.host in (server.host, servers_.runs_at(server))


class FencedPart:
    """As a part of the driver contract (virt.moves, virt.live, virt.copies), behind the fence of one task."""

    def __init__(self, fence: FencedDriver, part):
        self._fence, self._part = fence, part

    def __getattr__(self, name: str):
        method = getattr(self._part, name)
        if name in PARTS:
            return lambda: FencedPart(self._fence, method())
        if name in MOVES_LOOK:
            return method
        return functools.partial(self._fence.send if name in MOVES_SEND else self._fence.change, method)
