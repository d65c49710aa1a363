"""The database's own time as an SQL expression, for moments that several machines compare."""
import sqlalchemy as sa
from sqlalchemy.ext import compiler

from nova_lite.db.models.base import Moment


class now(sa.sql.functions.FunctionElement):  # noqa: N801 - reads as a function in statements
    """Naive UTC with microseconds (milliseconds on SQLite), at the start of the statement."""

    type = Moment
    inherit_cache = True


@compiler.compiles(now, "sqlite")
def _sqlite(element, compiler, **_kw):
    # As SQLAlchemy stores moments: six digits, so that texts compare as times do.
    return "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"


@compiler.compiles(now, "postgresql")
def _postgresql(element, compiler, **_kw):
    return "(clock_timestamp() AT TIME ZONE 'UTC')"


@compiler.compiles(now, "mysql")
@compiler.compiles(now, "mariadb")
def _mysql(element, compiler, **_kw):
    return "utc_timestamp(6)"
