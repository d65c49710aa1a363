"""A WSGI application on a port of a daemon."""
from collections.abc import Callable

from nova_lite import concurrency, exception
from nova_lite.service.daemon import Daemon


def serve(made: Daemon, option: str, address: str, port: int, application: Callable) -> int:
    """Listen now, serve while the daemon runs; the port. Raises ConfigurationError, naming ``option``, where the address is taken."""
    try:
        sock = concurrency.listen(address, port)
    except OSError as error:
        raise exception.ConfigurationError(reason=f"{option} = {address}, port {port}: {error.strerror or error}")
    tasks: list[concurrency.Task] = []
    made.on_start(lambda: tasks.append(concurrency.spawn_logged(concurrency.serve_wsgi, sock, application)))

    def stop():
        for task in tasks:
            task.cancel()
        sock.close()
    made.on_stop(stop)
    return sock.getsockname()[1]
