"""Statements on PostgreSQL: signs that look like parameters, many rows at once, statements prepared and made invalid, lost connections."""
import datetime

import pytest
import sqlalchemy as sa

from nova_lite.db import engine
from nova_lite.db.engine import Database


@pytest.fixture
def db(postgresql):
    db = Database(postgresql.fresh_database())
    yield db
    db.close()


def test_signs_and_quotes_are_kept_and_parameters_go_by_their_place(db):
    query = sa.text("""SELECT :one || '%s' || '$1' || 'it''s' || "?column?" || :two FROM (SELECT 'x') AS t("?column?") WHERE 7 % 4 = 3""")
    with db.read() as tx:
        for one, two in (("a", "b"), ("%s", "'"), ("c", "%")):
            assert tx.scalar(query, {"one": one, "two": two}) == f"{one}%s$1it'sx{two}"


def test_lists_of_many_lengths(db):
    numbers = sa.func.generate_series(1, 1000).table_valued("n", name="numbers").render_derived()
    with db.read() as tx:
        for length in (1, 2, 300, 2, 1):
            query = sa.select(sa.func.count()).select_from(numbers).where(numbers.c.n.in_(range(length)))
            assert tx.scalar(query) == length - 1


def test_rows_of_one_statement_are_counted_together(db):
    with db.write() as tx:
        tx.execute(sa.text("CREATE TABLE things (a INTEGER PRIMARY KEY, b TEXT)"))
        done = tx.execute(sa.text("INSERT INTO things VALUES (:a, :b)"), [{"a": number, "b": f"é{number}" * 50} for number in range(1000)])
        assert done.rowcount == 1000
    with db.read() as tx:
        assert tx.execute(sa.text("SELECT count(*), max(length(b)) FROM things")).one() == (1000, 200)


def test_an_error_leaves_the_connection_usable(db):
    with db.write() as tx:
        tx.execute(sa.text("CREATE TABLE one (a INTEGER PRIMARY KEY)"))
    insert = sa.text("INSERT INTO one VALUES (:a)")
    for turn in range(4):
        with db.write() as tx:
            tx.execute(insert, {"a": turn})
        with pytest.raises(sa.exc.IntegrityError), db.write() as tx:
            tx.execute(insert, [{"a": 100 + turn}, {"a": turn}, {"a": 200 + turn}])
    with db.read() as tx:
        assert tx.scalars(sa.text("SELECT a FROM one ORDER BY a")).all() == [0, 1, 2, 3]


def test_what_a_migration_made_invalid_works_when_run_again(db):
    with db.write() as tx:
        tx.execute(sa.text("CREATE TABLE things (a INTEGER)"))
        tx.execute(sa.text("INSERT INTO things VALUES (7)"))
    query = sa.text("SELECT a FROM things WHERE :one = 1")
    for _turn in range(4):
        with db.read() as tx:
            assert tx.scalar(query, {"one": 1}) == 7
    with db.write() as tx:
        tx.execute(sa.text("ALTER TABLE things ALTER a TYPE TEXT"))
    assert db.transact(lambda tx: tx.scalar(query, {"one": 1})) == "7"


def test_moments_and_empty_answers(db):
    query = sa.text("SELECT CAST(:moment AS TIMESTAMP) WHERE :yes")
    for moment in ("2026-01-02 03:04:05", "2026-01-02 03:04:05.6", "2026-01-02 03:04:05.123456", "0001-01-01 00:00:00", None):
        with db.read() as tx:
            expected = None if moment is None else datetime.datetime.fromisoformat(moment)
            assert tx.execute(query, {"moment": moment, "yes": True}).all() == [(expected,)]
            assert tx.execute(query, {"moment": moment, "yes": False}).all() == []


def test_an_idle_connection_that_was_lost_is_replaced(db, monkeypatch):
    monkeypatch.setattr(engine, "IDLE", 0.0)
    with db.read() as tx:
        first = tx.scalar(sa.text("SELECT pg_backend_pid()"))
    other = Database(db.url.render_as_string(hide_password=False))
    with other.write() as tx:
        tx.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": first})
    other.close()
    with db.read() as tx:
        assert tx.scalar(sa.text("SELECT pg_backend_pid()")) != first
