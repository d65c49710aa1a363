"""The metadata service's listening sockets: one in each network's namespace, at 169.254.169.254 port 80, served by this process.

Who asks is known from the network (``nova_lite.network_id`` in the environ) and the address that the request comes from.
"""
import logging
import socket

from nova_lite import concurrency
from nova_lite.network import naming
from nova_lite.network.worker import namespace
from nova_lite.network.worker.description import METADATA_ADDRESS

LOG = logging.getLogger(__name__)
NETWORK_KEY = "nova_lite.network_id"
PORT = 80
BACKLOG = 128


class MetadataSockets:
    """Opens, serves and closes. ``application``: the metadata WSGI application; None: nothing is served here."""

    def __init__(self, application):
        self._application = application
        self._serving: dict[str, tuple[int, socket.socket, concurrency.Task]] = {}

    def ensure(self, network_id: str) -> None:
        """Serve the network, in the namespace that it has now. Raises OSError."""
        if self._application is None:
            return
        name = naming.namespace_name(network_id)
        current = namespace.identity(name)
        serving = self._serving.get(network_id)
        if serving is not None and serving[0] == current and not serving[2].done:
            return
        self.close(network_id)
        sock = _listen(name)
        task = concurrency.spawn_logged(concurrency.serve_wsgi, sock, self._for_network(network_id))
        self._serving[network_id] = (current, sock, task)

    def _for_network(self, network_id: str):
        def application(environ, start_response):
            environ[NETWORK_KEY] = network_id
            return self._application(environ, start_response)
        return application

    def close(self, network_id: str) -> None:
        """Stop serving the network."""
        serving = self._serving.pop(network_id, None)
        if serving is not None:
            serving[2].cancel()
            serving[1].close()

    def close_all(self) -> None:
        """Stop serving."""
        for network_id in list(self._serving):
            self.close(network_id)


def _listen(name: str) -> socket.socket:
    # A socket belongs for ever to the namespace that it was made in. Nothing here yields.
    with namespace.inside(name):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((METADATA_ADDRESS, PORT))
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
    return sock
