"""What may be asked of the schedulers (any one of them answers)."""
from nova_lite.rpc.interface import Interface, broadcast, call, cast


class SchedulerInterface(Interface):
    """Topic ``scheduler``: shared by all schedulers."""

    topic = "scheduler"

    @cast
    def place_servers(self, ctx, *, server_ids: list, tokens: list):
        """Find hosts for servers whose task is ``scheduling`` (``tokens`` pairs with ``server_ids``); each claim rings that host."""

    @cast
    def place_moves(self, ctx, *, server_ids: list, tokens: list):
        """Find destinations for servers whose task is a move that has none; each ring goes to the worker that carries it out."""

    @broadcast
    def hosts_changed(self, ctx, *, names: list):
        """These hosts changed (inventory, service, aggregates): read them before the next decision."""

    @call(timeout=30)
    def explain(self, ctx, *, flavor: dict, image: dict, request: dict, image_id: str | None, group_id: int | None, limit: int):
        """Each host's verdict and weights for such a server of the caller's project, as scheduler.core.explain tells them. Changes nothing."""

    @call(timeout=30)
    def capacity(self, ctx, *, flavor: dict):
        """How many more servers of a flavor fit, and what binds."""

    @call(timeout=30)
    def ping(self, ctx):
        """Answers the name of the host that the scheduler runs on."""
