"""Migrations: bring a state database to the tables that this version needs (alembic), and say where it stands.

Run as a program it upgrades the database whose URL it reads from its standard input; see ``upgrade_apart``.
"""
import os
import sys

import sqlalchemy as sa

from nova_lite import concurrency, exception
from nova_lite.db.engine import Database

FOLDER = os.path.join(os.path.dirname(__file__), "migrations")
STAMP = "alembic_version"


def _config(connection=None):
    # Imported where it is used: alembic takes 14 MB, which no daemon needs to keep.
    from alembic.config import Config
    config = Config()
    config.set_main_option("script_location", FOLDER.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(db: Database, revision: str = "head") -> None:
    """Migrate to ``revision``. Safe to call again, and from two processes at once."""
    from alembic import command
    with db.engine.connect().execution_options(nova_lite_write=True) as connection:
        _lock(db, connection)
        command.upgrade(_config(connection), revision)
        connection.commit()


def _lock(db: Database, connection) -> None:
    # SQLite is locked by the transaction's own BEGIN IMMEDIATE.
    if db.engine.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7236452)")
    elif db.engine.dialect.name in ("mysql", "mariadb"):
        connection.exec_driver_sql("SELECT GET_LOCK('nova_lite.migrate', 600)")


def upgrade_apart(db: Database) -> None:
    """``upgrade`` in a process of its own, which takes alembic's memory with it; nothing where nothing is to do.

    Raises DatabaseUnavailable, and ConfigurationError when the upgrade failed (it has said why on the standard error output).
    """
    if current(db) == head():
        return
    url = db.url.render_as_string(hide_password=False)
    done = concurrency.subprocess.run([sys.executable, "-m", __name__], input=url, text=True, check=False)
    if done.returncode:
        raise exception.ConfigurationError(reason=f"The database could not be brought to revision {head()}.")


def current(db: Database) -> str | None:
    """The revision that the database is at; None for an empty one. Raises DatabaseUnavailable."""
    with db.read() as tx:
        if not sa.inspect(tx.connection()).has_table(STAMP):
            return None
        return tx.scalar(sa.text(f"SELECT version_num FROM {STAMP}"))


def head() -> str:
    """The newest revision that this version has: migrations are numbered."""
    names = (name for name in os.listdir(os.path.join(FOLDER, "versions")) if name.endswith(".py"))
    return max(name.partition("_")[0] for name in names)


def check(db: Database) -> None:
    """Raises ConfigurationError when the database is not at the newest revision."""
    at = current(db)
    if at != head():
        raise exception.ConfigurationError(reason=f"The database is at revision {at}, this version needs {head()}: "
                                           "run 'nova-lite-manage db upgrade'.")


def differences(db: Database) -> list:
    """What alembic would change to make the tables equal to the models; empty is right."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from nova_lite.db.models import Base
    with db.engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata)


def new_revision(db: Database, message: str, revision: str) -> None:
    """Write a new migration from the difference between the models and ``db`` (at head); for developers."""
    from alembic import command
    with db.engine.connect() as connection:
        command.revision(_config(connection), message, autogenerate=True, rev_id=revision)


if __name__ == "__main__":
    upgrade(Database(sys.stdin.read()))
