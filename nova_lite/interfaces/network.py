"""What may be asked of the network worker of one host."""
from nova_lite.rpc.interface import Interface, call, cast


class NetworkInterface(Interface):
    """Topic ``network``, one queue a host. The worker reads what the host needs from the database; a repeated ring changes nothing."""

    topic = "network"
    per_host = True

    @call(timeout=60)
    def prepare(self, ctx, *, network_ids: list):
        """Make bridge, namespace, DHCP (with the leases of all ports bound to this host) and metadata of the networks.

        Answers once a guest may be plugged in.
        """

    @cast
    def refresh(self, ctx, *, network_ids: list):
        """Ports of these networks on this host changed or left: make it so, and remove what no port here needs any more."""

    @call(timeout=30)
    def ping(self, ctx):
        """Answers the host's name."""
