"""The door to SQLAlchemy: one Database for a process, read and write transactions, and errors of the drivers told in our words.

SQLite runs in WAL mode; a write transaction takes a lock of this process and then ``BEGIN IMMEDIATE``, so writers queue instead of
failing. PostgreSQL goes through psycopg and MariaDB through PyMySQL; a query that waits lets other green threads run.
No green thread may yield (send, sleep, spawn and wait) inside ``write``: commit first, then ring.
"""
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import event, orm

from nova_lite import clock, concurrency, exception

T = TypeVar("T")
IDLE = 1.0
"""Seconds after which a connection has to prove that it lives before it is used."""
DEADLOCKS = ("40001", "40P01", 1213, 1205, "0A000", "26000")
"""Errors after which the same transaction may well succeed: deadlocks, and (the last two) a prepared statement that a migration made invalid."""
DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}


class Database:
    """A state database. ``statements`` counts what was sent, for the benchmarks."""

    def __init__(self, url: str, pool_size: int = 10):
        self.url = sa.make_url(url)
        if self.url.drivername in DRIVERS:
            self.url = self.url.set(drivername=DRIVERS[self.url.drivername])
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.statements = 0
        self._writers = concurrency.Lock()
        self.engine = self._engine(pool_size)
        self._sessions = orm.sessionmaker(self.engine, expire_on_commit=False, autoflush=True)
        event.listen(self.engine, "before_cursor_execute", self._count)

    def _engine(self, pool_size: int) -> sa.Engine:
        if self.sqlite:
            engine = sa.create_engine(self.url, poolclass=sa.pool.QueuePool, pool_size=pool_size, max_overflow=50,
                                      connect_args={"timeout": 30, "check_same_thread": False})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        options = {"pool_size": pool_size, "max_overflow": 20, "pool_recycle": 3600,
                   "isolation_level": "READ COMMITTED", "pool_timeout": 30}
        if self.url.get_backend_name() == "mysql":
            options["connect_args"] = {"connect_timeout": 10, "charset": "utf8mb4"}
            # This dialect takes outer joins whose condition names one side alone for products made by mistake; the others look for those.
            options["enable_from_linting"] = False
        else:
            options["connect_args"] = {"connect_timeout": 10}
            # psycopg's cursor forgets the count when it is closed, which for an INSERT is before anybody asks.
            options["execution_options"] = {"preserve_rowcount": True}
        engine = sa.create_engine(self.url, **options)
        if self.url.get_backend_name() == "postgresql":
            from nova_lite.db import postgresql
            event.listen(engine, "do_connect", lambda _dialect, _record, args, parameters: postgresql.Connection.connect(*args, **parameters))
        _ping_the_idle(engine)
        return engine

    def _count(self, _connection, _cursor, statement, *_args) -> None:
        if not statement.startswith("BEGIN"):
            self.statements += 1

    @contextlib.contextmanager
    def read(self) -> Iterator[orm.Session]:
        """A read transaction. Raises DatabaseUnavailable."""
        with _translated(), self._sessions() as tx:
            yield tx

    @contextlib.contextmanager
    def write(self) -> Iterator[orm.Session]:
        """A write transaction: commits at the end of the block, rolls back on any error.

        Raises DatabaseUnavailable, and DatabaseDeadlock when the database chose this transaction as a victim.
        """
        with _translated():
            if not self.sqlite:
                with self._sessions.begin() as tx:
                    yield tx
                return
            with self._writers, self._sessions() as tx:
                tx.connection(execution_options={"nova_lite_write": True})
                yield tx
                tx.commit()

    def transact(self, function: Callable[[orm.Session], T], tries: int = 5) -> T:
        """``function(tx)`` in a write transaction, run again from the start when the database chose it as a deadlock's victim."""
        for turn in range(1, tries + 1):
            try:
                with self.write() as tx:
                    return function(tx)
            except exception.DatabaseDeadlock:
                if turn == tries:
                    raise
                concurrency.sleep(0.01 * turn)
        raise AssertionError("not reached")

    def create_all(self) -> None:
        """Make every table as the models say; for tests. Deployments use the migrations."""
        from nova_lite.db import models
        models.Base.metadata.create_all(self.engine)

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def _ping_the_idle(engine: sa.Engine) -> None:
    """Have connections that were idle for a while prove that they live when they are taken; pool_pre_ping would ask busy ones, too."""
    def seen(_connection, record):
        record.info["seen_at"] = clock.monotonic()

    def taken(connection, record, _proxy):
        if clock.monotonic() - record.info["seen_at"] < IDLE:
            return
        try:
            alive = engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            alive = False
        if not alive:
            raise sa.exc.InvalidatePoolError("an idle connection was lost")
    event.listen(engine, "connect", seen)
    event.listen(engine, "checkin", seen)
    event.listen(engine, "checkout", taken)


def _prepare_sqlite(connection, _record) -> None:
    # SQLAlchemy begins transactions itself (see _begin_sqlite); the driver's own implicit BEGIN would make them deferred.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000", "cache_size=-4000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection) -> None:
    write = connection.get_execution_options().get("nova_lite_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextlib.contextmanager
def _translated():
    try:
        yield
    except sa.exc.DBAPIError as error:
        if _is_deadlock(error.orig):
            raise exception.DatabaseDeadlock() from error
        if error.connection_invalidated or isinstance(error, sa.exc.InterfaceError) or _is_disconnect(error):
            raise exception.DatabaseUnavailable() from error
        raise
    except (sa.exc.TimeoutError, ConnectionError) as error:
        raise exception.DatabaseUnavailable() from error


def _is_deadlock(original: BaseException | None) -> bool:
    if isinstance(original, sqlite3.OperationalError):
        return "locked" in str(original)
    return _code(original) in DEADLOCKS


def _code(original: BaseException | None):
    """PostgreSQL's SQLSTATE, MariaDB's error number, else None."""
    state = getattr(original, "sqlstate", None)
    return state or (original.args[0] if original is not None and original.args else None)


def _is_disconnect(error: sa.exc.DBAPIError) -> bool:
    original = error.orig
    if isinstance(original, sqlite3.OperationalError):
        return "unable to open" in str(original) or "disk" in str(original)
    # 2002/2003/2006/2013: MariaDB's client cannot connect or lost the connection; 57P0x: PostgreSQL shuts down.
    return _code(original) in (2002, 2003, 2006, 2013, "57P01", "57P02", "57P03", "08006", "08001", "53300", 1040)


def is_duplicate(error: sa.exc.IntegrityError) -> bool:
    """Whether an IntegrityError is a unique key's (and not a foreign key's or NOT NULL's)."""
    text = str(error.orig).lower()
    return "unique" in text or "duplicate" in text
