"""The part of the driver contract that takes a guest to another host while it runs; ``Moves.live()`` gives it where the driver can.

The guest goes from hypervisor to hypervisor; the workers of both hosts only prepare, watch and settle. What ``offer``, ``check``, ``receive`` and
``farewell`` give out is JSON that travels between the workers and is read by the drivers alone. As in ``virt.driver``, each method may be
repeated and blocks only the caller.
"""
import abc
import dataclasses
import enum
from collections.abc import Callable, Iterator

from nova_lite.virt import types

Fetch = Callable[[str], Iterator[bytes]]
"""As in ``virt.driver``."""


class Presence(enum.StrEnum):
    """What a host has of a guest that moves."""

    NONE = "none"
    OFF = "off"
    HERE = "here"
    """Runs here, or is paused as its user wanted, and no migration touches it."""
    LEAVING = "leaving"
    COMING = "coming"
    LEFT = "left"
    """Stopped at the switch; its life goes on elsewhere, or nowhere where that failed."""


class Order(enum.StrEnum):
    """What whoever watches a migration may ask of it."""

    ABORT = "abort"
    COMPLETE = "complete"
    """Come to the end now: pause the guest, or switch to post-copy."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a migration has come, in bytes."""

    memory_total: int = 0
    memory_processed: int = 0
    memory_remaining: int = 0
    disk_total: int = 0
    disk_processed: int = 0
    disk_remaining: int = 0


Watch = Callable[[Progress], Order | None]
"""Told the progress from time to time; what it raises ends the migration, too."""


class Live(abc.ABC):
    """How guests of a hypervisor move while they run."""

    @abc.abstractmethod
    def offer(self, guest: types.Guest) -> dict:
        """At the source: what the destination must know of the guest. Raises GuestNotFound, HypervisorError (it is off)."""

    @abc.abstractmethod
    def withdraw(self, server_id: str) -> None:
        """At the source: the checks are over, nothing of ``offer`` must stay."""

    @abc.abstractmethod
    def check(self, guest: types.Guest, offer: dict, block: bool | None, over_commit: bool) -> dict:
        """At the destination: the plan by which it would take the guest. Changes nothing. Raises MoveRefused with the reason.

        ``block``: copy the disks (None: as is needed); ``over_commit``: the disks need only the room that they take now.
        """

    @abc.abstractmethod
    def receive(self, guest: types.Guest, offer: dict, plan: dict, fetch: Fetch) -> dict:
        """At the destination: make ready what the guest needs; where and how the source must send it."""

    @abc.abstractmethod
    def migrate(self, guest: types.Guest, plan: dict, place: dict, watch: Watch) -> None:
        """At the source: send the guest; returns once it runs at the destination. ``place``: as ``receive`` gave it.

        Raises MoveCancelled after an order to abort, HypervisorError when it failed; where the guest is then, ``presence`` says.
        """

    @abc.abstractmethod
    def presence(self, server_id: str) -> Presence:
        """What this host has of the guest."""

    @abc.abstractmethod
    def halt(self, server_id: str) -> Presence:
        """At the source: end a migration that nobody watches any more, if it can still be ended; what is here then."""

    @abc.abstractmethod
    def entrust(self, server_id: str, host: str, plan: dict) -> None:
        """On either host, after the switch and before the books say so: files that both hosts see are that host's from now on."""

    @abc.abstractmethod
    def farewell(self, server_id: str) -> dict:
        """At the source, after the switch: what the guest leaves behind and should have with it."""

    @abc.abstractmethod
    def settle(self, server_id: str, luggage: dict) -> None:
        """At the destination, after the switch: the guest is this host's now. ``luggage``: of ``farewell``; may be empty."""

    @abc.abstractmethod
    def discard(self, server_id: str, plan: dict) -> None:
        """Remove what is here of a guest that is, or stays, elsewhere: a half that arrived, a definition, disks unless they are shared."""
