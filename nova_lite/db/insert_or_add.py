"""INSERT of counters that adds to those that are there already, in each database's own words.

Used where many count at once: one statement makes what is missing, adds, holds the counters until the transaction ends, and tells what they are.
"""
import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite.db.unless_taken import CONFLICT_CLAUSE, insert


def insert_or_add(tx: orm.Session, model, rows: list[dict], counter: str, answer: list) -> list[sa.Row]:
    """Insert the rows; where the primary key is taken, add the row's ``counter`` to the one there. A row of ``answer`` for each, in any order.

    ``answer``: columns of the model (as they are now) and scalar subqueries over other tables.
    """
    table = model.__table__
    dialect = tx.get_bind().dialect.name
    if dialect in CONFLICT_CLAUSE:
        statement = insert(dialect, model)
        statement = statement.on_conflict_do_update(index_elements=list(table.primary_key),
                                                    set_={counter: table.c[counter] + statement.excluded[counter]})
    else:
        statement = insert("mysql", model)
        statement = statement.on_duplicate_key_update({counter: table.c[counter] + statement.inserted[counter]})
    # The rows apart from the statement: so SQLAlchemy puts its text together once.
    return list(tx.execute(statement.returning(*answer), rows))
