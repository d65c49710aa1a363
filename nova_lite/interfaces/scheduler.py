"""What may be asked of the schedulers (any one of them answers)."""
from nova_lite.rpc.interface import Interface, broadcast, call, cast


class SchedulerInterface(Interface):
    """Topic ``scheduler``: shared by all schedulers."""

    topic = "scheduler"

    @cast
    def place_servers(self, ctx, *, server_ids: list, tokens: list):
        """Find hosts for servers whose task is ``scheduling`` (``tokens`` pairs with ``server_ids``); each claim rings that host."""

    @broadcast
    def hosts_changed(self, ctx, *, names: list):
        """These hosts changed (inventory, service, aggregates): read them before the next decision."""

    @call(timeout=30)
    def ping(self, ctx):
        """Answers the name of the host that the scheduler runs on."""
