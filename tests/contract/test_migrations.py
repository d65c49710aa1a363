"""The migrations on every database: they give the tables that the models say, twice over, and from two processes at once."""
import subprocess
import sys

import pytest

from nova_lite import concurrency, exception
from nova_lite.db import migrate
from nova_lite.db.engine import Database

RUN = """
import sys
from nova_lite import concurrency
concurrency.patch()
from nova_lite.db import migrate
from nova_lite.db.engine import Database
migrate.upgrade(Database(sys.argv[1]))
"""


def test_an_empty_database_gets_the_models_tables(database_url):
    db = Database(database_url)
    assert migrate.current(db) is None
    migrate.upgrade(db)
    assert migrate.current(db) == migrate.head()
    migrate.check(db)
    assert migrate.differences(db) == []
    migrate.upgrade(db)
    db.close()


def test_a_process_of_its_own_migrates(database_url):
    db = Database(database_url)
    migrate.upgrade_apart(db)
    assert migrate.current(db) == migrate.head() == "0001"
    migrate.upgrade_apart(db)
    with db.write() as tx:
        tx.connection().exec_driver_sql("UPDATE alembic_version SET version_num = 'newer'")
    with pytest.raises(exception.ConfigurationError, match="could not be brought to revision"):
        migrate.upgrade_apart(db)
    db.close()


def test_two_processes_migrate_at_once(database_url):
    processes = [subprocess.Popen([sys.executable, "-c", RUN, database_url], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    db = Database(database_url)
    assert migrate.current(db) == migrate.head()
    db.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_waiting_query_lets_others_run(request, kind):
    """The drivers are cooperative: while one green thread waits for the server, another goes on."""
    db = Database(request.getfixturevalue(kind).fresh_database())
    steps: list[str] = []

    def wait():
        with db.read() as tx:
            tx.connection().exec_driver_sql("SELECT pg_sleep(0.5)" if kind == "postgresql" else "SELECT SLEEP(0.5)")
        steps.append("answered")
    waiting = [concurrency.spawn(wait) for _ in range(4)]
    concurrency.sleep(0.1)
    steps.append("meanwhile")
    for task in waiting:
        task.wait()
    assert steps == ["meanwhile", *["answered"] * 4]
    db.close()
