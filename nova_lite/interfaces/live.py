"""What the compute worker of a server's host asks of the destination's while the server moves alive."""
from nova_lite.rpc.interface import Interface, call


class LiveInterface(Interface):
    """Topic ``live``, one queue a host. ``token``: the task's; where it is no longer current TaskLost is raised and nothing happens.

    ``offer``, ``plan``, ``place`` and ``luggage`` are JSON that the hypervisor drivers of both hosts read (virt.live).
    """

    topic = "live"
    per_host = True

    @call(timeout=30)
    def check(self, ctx, *, server_id: str, token: str, offer: dict, block: bool | None, over_commit: bool):
        """The plan by which this host would take the guest. Raises MoveRefused."""

    @call(timeout=60)
    def receive(self, ctx, *, server_id: str, token: str, offer: dict, plan: dict):
        """Make networks and disks ready; the place to send the guest to, or None while that goes on: ask again."""

    @call(timeout=30)
    def presence(self, ctx, *, server_id: str):
        """What this host has of the guest, a virt.live.Presence."""

    @call(timeout=60)
    def settle(self, ctx, *, server_id: str, luggage: dict):
        """The guest is this host's now."""

    @call(timeout=60)
    def discard(self, ctx, *, server_id: str, token: str, plan: dict):
        """The guest stays where it was: remove what was made ready for it."""
