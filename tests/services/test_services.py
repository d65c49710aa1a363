"""The private daemons start, serve, keep their state over a crash, and leave nothing behind."""
import os
import socket

import psycopg
import pymysql
import pytest
import sqlalchemy

from tests.services.mariadb import MariaDB
from tests.services.postgresql import PostgreSQL
from tests.services.rabbitmq import RabbitMQ


def _needs(service):
    return pytest.mark.skipif(service.missing() is not None, reason=str(service.missing()))


@pytest.mark.parametrize("service", [pytest.param(each, marks=_needs(each)) for each in (PostgreSQL, MariaDB)])
def test_database_survives_a_crash_and_is_gone_at_the_end(service):
    with service() as server:
        first, second = server.fresh_database(), server.fresh_database()
        assert first != second
        engine = sqlalchemy.create_engine(first)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE kept (number INTEGER)"))
            connection.execute(sqlalchemy.text("INSERT INTO kept VALUES (7)"))
        engine.dispose()
        before = server.pid
        server.restart()
        assert server.pid != before
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.text("SELECT number FROM kept")).scalar_one() == 7
        engine.dispose()
        server.kill()
        with pytest.raises((psycopg.Error, pymysql.err.MySQLError)):
            server.fresh_database()
        server.start()
        assert server.fresh_database()
        last = server.pid
    assert not server.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)


@_needs(RabbitMQ)
def test_broker_starts_stops_and_is_gone_at_the_end():
    with RabbitMQ() as broker:
        assert broker.answers()
        broker.stop()
        with pytest.raises(OSError):
            socket.create_connection((broker.address, broker.port), 2)
        broker.start()
        broker.kill()
        broker.start()
        assert broker.answers()
        last = broker.pid
    assert not broker.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)
