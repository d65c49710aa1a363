"""The whole test suite runs cooperative, as the daemons do; the fixtures start private daemons when a test asks for one."""
from nova_lite import concurrency

concurrency.patch()

import pathlib  # noqa: E402
import sys  # noqa: E402

# tools/daemons.py starts daemons for benchmarks and tests alike.
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools"))

from tests.services.fixtures import mariadb, own_rabbitmq, postgresql, rabbitmq  # noqa: E402

__all__ = ["mariadb", "own_rabbitmq", "postgresql", "rabbitmq"]
