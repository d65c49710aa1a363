"""The base of all models and the column types that read the same on SQLite, PostgreSQL and MariaDB."""
import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy import orm, types
from sqlalchemy.dialects import mysql

from nova_lite import clock

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(orm.DeclarativeBase):
    """Parent of every model."""

    metadata = sa.MetaData(naming_convention=NAMING)
    __table_args__ = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


class Json(types.TypeDecorator):
    """A JSON value (dict, list, str, number) in a text column; None is NULL. Compact, keys in the order given."""

    impl = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value, dialect):
        return None if value is None else orjson.loads(value)


LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
"""A naive UTC datetime with microseconds."""
Uuid = sa.String(36)
Owner = sa.String(64)
"""Ids of users and projects: a Keystone with LDAP has longer ones than ours."""
Name = sa.String(255)


def created_at() -> orm.Mapped[datetime.datetime]:
    """The column of a row's birth."""
    return orm.mapped_column(Moment, default=clock.now)


def updated_at() -> orm.Mapped[datetime.datetime | None]:
    """The column of a row's last change; NULL before the first."""
    return orm.mapped_column(Moment, onupdate=clock.now)
