"""What the compute worker that carries out a move asks of the worker of the host that the server leaves."""
from nova_lite.rpc.interface import Interface, call, cast


class DepartureInterface(Interface):
    """Topic ``departures``, one queue a host. ``token``: the task's; where it is no longer current TaskLost is raised and nothing happens."""

    topic = "departures"
    per_host = True

    @call(timeout=30)
    def let_go(self, ctx, *, server_id: str, token: str, at_once: bool = False):
        """End the guest, in order unless ``at_once``; its disks stay. Answers the URL at which the holder of the token can read them.

        None while the guest is still shutting down: ask again.
        """

    @cast
    def forget(self, ctx, *, server_id: str):
        """Remove what is here of a server that is elsewhere for good, or gone."""
