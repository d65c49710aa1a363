"""INSERT that leaves out what a unique key forbids, in each database's own words: a collision costs no savepoint and aborts nothing.

Used where a value is drawn at random and drawn again when somebody else has it: addresses, MACs, segment numbers.
"""
import importlib

import sqlalchemy as sa
from sqlalchemy import orm

CONFLICT_CLAUSE = ("sqlite", "postgresql")
"""Databases whose INSERT has ON CONFLICT."""


def insert(dialect: str, model) -> sa.Insert:
    """INSERT into the model's table with what is special to the dialect ``sqlite``, ``postgresql`` or ``mysql``."""
    # Imported when it is asked for: a process talks to one database, and each dialect takes 1 to 2 MB.
    return importlib.import_module(f"sqlalchemy.dialects.{dialect}").insert(model.__table__)


def insert_unless_taken(tx: orm.Session, model, rows: list[dict]) -> int:
    """Insert the rows in one statement, those left out whose keys are taken. Returns how many went in.

    A row that another open transaction inserts is waited for. On MariaDB a broken foreign key leaves the row out too.
    """
    dialect = tx.get_bind().dialect.name
    if dialect in CONFLICT_CLAUSE:
        statement = insert(dialect, model).on_conflict_do_nothing()
    else:
        statement = sa.insert(model.__table__).prefix_with("IGNORE")
    # The rows apart from the statement: so SQLAlchemy puts its text together once.
    return tx.execute(statement, rows).rowcount
