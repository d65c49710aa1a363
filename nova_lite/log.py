"""Logging: one line an event, with the request id and the server that it is about. Set up once by each executable."""
import contextvars
import logging
import sys

_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")


def set_request_id(request_id: str) -> None:
    """Name the request that the running green thread works for; shown in each of its log lines."""
    _request_id.set(request_id)


class _RequestFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _request_id.get()
        return True


def setup(debug: bool = False, path: str | None = None) -> None:
    """Send the log to ``path``, or to standard error; DEBUG level with ``debug``, else INFO."""
    handler = logging.FileHandler(path) if path else logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(
        "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(request_id)s] %(message)s", "%Y-%m-%d %H:%M:%S"))
    handler.addFilter(_RequestFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    # Third-party chatter that says nothing about our requests.
    for name in ("amqp", "kombu", "sqlalchemy", "alembic", "keystonemiddleware", "urllib3", "stevedore", "oslo_policy"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It does not know the options of the authentication plugins that it loads itself.
    logging.getLogger("keystonemiddleware._common.config").setLevel(logging.ERROR)


def get(name: str) -> logging.Logger:
    """The logger of a module: ``LOG = log.get(__name__)``."""
    return logging.getLogger(name)
