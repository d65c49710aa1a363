"""Migrations: bring a state database to the tables that this version needs (alembic), and say where it stands."""
import os

from nova_lite import exception
from nova_lite.db.engine import Database

FOLDER = os.path.join(os.path.dirname(__file__), "migrations")


def _config(connection=None):
    # Imported here: only start-up and nova-lite-manage pay alembic's memory.
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


def current(db: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    from alembic.runtime.migration import MigrationContext
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest revision that this version has."""
    from alembic.script import ScriptDirectory
    return ScriptDirectory.from_config(_config()).get_current_head()


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
