"""The whole test suite runs cooperative, as the daemons do; the fixtures start private daemons when a test asks for one."""
from nova_lite import concurrency

concurrency.patch()

from tests.services.fixtures import mariadb, own_rabbitmq, postgresql, rabbitmq  # noqa: E402

__all__ = ["mariadb", "own_rabbitmq", "postgresql", "rabbitmq"]
