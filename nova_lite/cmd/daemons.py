"""What the worker daemons have in common when they are put together. Each is in a module of its own, so that each imports what it is alone."""
import json

from nova_lite import exception
from nova_lite.cmd.wiring import Site
from nova_lite.rpc.server import Server
from nova_lite.service.daemon import Daemon


def daemon(here: Site, binary: str, host: str) -> Daemon:
    """A daemon that reports as ``binary`` on ``host``."""
    return Daemon(binary, host, here.db, here.transport, here.conf.service.report_interval, here.on_superseded, address=here.conf.my_ip)


def serve(here: Site, made: Daemon, interface, endpoint, host: str | None = None) -> None:
    """Have ``endpoint`` answer the calls of ``interface`` (to ``host``) while the daemon runs."""
    server = Server(here.transport, interface, endpoint, host, here.conf.rpc.workers)
    made.on_start(server.start)
    made.on_stop(lambda: server.stop(seconds=5.0))


def vendor_data(here: Site) -> dict:
    """What guests see as vendor_data.json. Raises ConfigurationError when the file cannot be read."""
    path = here.conf.metadata.vendordata_file
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as handle:
            return json.load(handle)
    except (OSError, ValueError) as error:
        raise exception.ConfigurationError(reason=f"metadata.vendordata_file = {path} cannot be read: {error}")
