"""The daemons as pytest fixtures, each started once in a session at its first use; ``tests/conftest.py`` takes them in."""
import pytest


def _serve(service):
    reason = service.missing()
    if reason:
        pytest.skip(reason)
    with service() as running:
        yield running


@pytest.fixture(scope="session")
def rabbitmq():
    """A RabbitMQ node that no test stops."""
    from tests.services.rabbitmq import RabbitMQ
    yield from _serve(RabbitMQ)


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL cluster that no test stops."""
    from tests.services.postgresql import PostgreSQL
    yield from _serve(PostgreSQL)


@pytest.fixture(scope="session")
def mariadb():
    """A MariaDB server that no test stops."""
    from tests.services.mariadb import MariaDB
    yield from _serve(MariaDB)


@pytest.fixture
def own_rabbitmq():
    """A RabbitMQ node for one test alone, which may stop and kill it."""
    from tests.services.rabbitmq import RabbitMQ
    yield from _serve(RabbitMQ)
