"""Statements whose text was read before mean what they meant the first time: signs that look like parameters, quotes, and many parameters."""
import pytest
import sqlalchemy as sa

from nova_lite.db.engine import Database


@pytest.fixture
def db(postgresql):
    db = Database(postgresql.fresh_database())
    yield db
    db.close()


def test_signs_and_quotes_are_kept_and_parameters_go_by_their_place(db):
    query = sa.text("""SELECT :one || '%s' || '$1' || 'it''s' || "?column?" || :two FROM (SELECT 'x') AS t("?column?") WHERE 7 %% 4 = 3""")
    with db.read() as tx:
        for one, two in (("a", "b"), ("%s", "'"), ("c", "%")):
            assert tx.scalar(query, {"one": one, "two": two}) == f"{one}%s$1it'sx{two}"


def test_lists_of_many_lengths(db):
    numbers = sa.func.generate_series(1, 1000).table_valued("n", name="numbers").render_derived()
    with db.read() as tx:
        for length in (1, 2, 300, 2, 1):
            query = sa.select(sa.func.count()).select_from(numbers).where(numbers.c.n.in_(range(length)))
            assert tx.scalar(query) == length - 1


def test_the_driver_reads_a_statement_once(db):
    from pg8000 import legacy
    convert = legacy.convert_paramstyle
    query = "SELECT " + "+".join(["%s"] * 50)
    first = convert("format", query, tuple(range(50)))
    assert first == convert.plain("format", query, tuple(range(50)))
    assert convert("format", query, (7,))[0] is first[0]
    named = convert("named", "SELECT :a, :a", {"a": 1})
    assert named == ("SELECT $1, $1", (1,))
