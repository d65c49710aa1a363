"""Quota rules: which limit holds, what is counted, what refusals say, and how many statements it takes. Races: tests/contract/test_quota_races.py."""
import uuid

import pytest

from nova_lite import clock, concurrency, exception
from nova_lite.compute import quota
from nova_lite.db import quotas
from nova_lite.db.engine import Database
from nova_lite.db.models.compute import KeyPair, QuotaUsage, Server

PROJECT, USER, OTHER = "project", "user", "other"
DEFAULTS = {"instances": 10, "cores": 20, "ram": 51200, "key_pairs": 2}
SMALL = {"instances": 1, "cores": 2, "ram": 512}


@pytest.fixture
def db(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/nova.db")
    database.create_all()
    yield database
    database.close()


def take(db, amounts=SMALL, user=USER, project=PROJECT) -> None:
    with db.write() as tx:
        quota.take(tx, project, user, amounts, DEFAULTS)


def add_server(db, user=USER, project=PROJECT) -> None:
    with db.write() as tx:
        tx.add(Server(id=str(uuid.uuid4()), project_id=project, user_id=user, reservation_id="r", name="s", hostname="s", vm_state="active",
                      flavorid="1", flavor={"vcpus": 2, "memory_mb": 512}, changed_at=clock.now()))


def used(db, owner=PROJECT) -> dict:
    with db.read() as tx:
        return quotas.usage(tx, owner)


def set_limit(db, scope, resource, limit) -> None:
    with db.write() as tx:
        quotas.set_limit(tx, scope, resource, limit)


def test_taking_and_giving_back(db):
    take(db)
    take(db, {"instances": 2, "cores": 8, "ram": 1024})
    assert used(db) == {"instances": 3, "cores": 10, "ram": 1536}
    with db.write() as tx:
        quota.give_back(tx, PROJECT, {"instances": 1, "cores": 2, "ram": 512})
    assert used(db) == {"instances": 2, "cores": 8, "ram": 1024}
    with db.write() as tx:
        quota.give_back(tx, PROJECT, {"instances": 50})
    assert used(db) == {"instances": 0, "cores": 8, "ram": 1024}, "a counter does not go below nothing"


@pytest.mark.parametrize(("amounts", "message"), [
    ({"instances": 2, "cores": 0, "ram": 0}, "Quota exceeded for instances: Requested 2, but already used 9 of 10 instances"),
    ({"instances": 1, "cores": 12, "ram": 512}, "Quota exceeded for cores: Requested 12, but already used 9 of 20 cores"),
    ({"instances": 2, "cores": 12, "ram": 512},
     "Quota exceeded for cores, instances: Requested 12, 2, but already used 9, 9 of 20, 10 cores, instances"),
])
def test_a_refusal_says_what_is_full_and_changes_nothing(db, amounts, message):
    take(db, {"instances": 9, "cores": 9, "ram": 512})
    with db.write() as tx:
        with pytest.raises(exception.QuotaExceeded) as refused:
            quota.take(tx, PROJECT, USER, amounts, DEFAULTS)
    assert str(refused.value) == message and refused.value.status == 403
    assert used(db) == {"instances": 9, "cores": 9, "ram": 512}


def test_the_limit_is_reached_exactly(db):
    for _ in range(10):
        take(db)
    with pytest.raises(exception.QuotaExceeded):
        take(db)
    take(db, project="another")


@pytest.mark.parametrize("scope", [PROJECT, "class:default", f"{PROJECT}/{USER}"])
@pytest.mark.parametrize(("limit", "admitted"), [(0, 0), (3, 3), (-1, 12)])
def test_whose_limits_hold(db, scope, limit, admitted):
    set_limit(db, PROJECT, "cores", -1)
    set_limit(db, PROJECT if scope.endswith(USER) else scope, "instances", -1 if scope.endswith(USER) else limit)
    set_limit(db, scope, "instances", limit)
    count = 0
    for _ in range(12):
        try:
            take(db)
        except exception.QuotaExceeded:
            break
        add_server(db)
        count += 1
    assert count == admitted


def test_a_projects_limit_comes_before_the_class_and_a_users_holds_besides_the_projects(db):
    set_limit(db, "class:default", "instances", 1)
    set_limit(db, PROJECT, "instances", 3)
    set_limit(db, f"{PROJECT}/{USER}", "instances", 2)
    for user in (USER, USER, OTHER):
        take(db, user=user)
        add_server(db, user)
    for user, message in ((USER, "already used 3 of 3"), (OTHER, "already used 3 of 3")):
        with pytest.raises(exception.QuotaExceeded, match=message):
            take(db, user=user)
    set_limit(db, PROJECT, "instances", 10)
    with pytest.raises(exception.QuotaExceeded, match="Requested 1, but already used 2 of 2 instances"):
        take(db)
    take(db, user=OTHER)


@pytest.mark.parametrize(("lowest", "highest", "count"), [(1, 4, 4), (1, 30, 10), (10, 30, 10), (11, 30, None)])
def test_as_many_as_fit(db, lowest, highest, count):
    with db.write() as tx:
        if count is None:
            with pytest.raises(exception.QuotaExceeded, match="Requested 60, 30, but already used 0, 0 of 20, 10 cores, instances"):
                quota.take_between(tx, PROJECT, USER, SMALL, lowest, highest, DEFAULTS)
        else:
            assert quota.take_between(tx, PROJECT, USER, SMALL, lowest, highest, DEFAULTS) == count
    assert used(db) == {"instances": count or 0, "cores": 2 * (count or 0), "ram": 512 * (count or 0)}


def test_one_statement_in_the_common_case(db):
    take(db)
    set_limit(db, PROJECT, "instances", 5)
    with db.write() as tx:
        before = db.statements
        quota.take(tx, PROJECT, USER, SMALL, DEFAULTS)
        assert db.statements - before == 1
        quota.give_back(tx, PROJECT, SMALL)
        assert db.statements - before == 2


def test_key_pairs_are_counted_by_user(db):
    for _ in range(2):
        with db.write() as tx:
            quota.take_key_pair(tx, PROJECT, USER, DEFAULTS)
    with db.write() as tx:
        with pytest.raises(exception.QuotaExceeded, match="^Quota exceeded, too many key pairs.$"):
            quota.take_key_pair(tx, PROJECT, USER, DEFAULTS)
        quota.take_key_pair(tx, PROJECT, OTHER, DEFAULTS)
    set_limit(db, f"{PROJECT}/{USER}", "key_pairs", 3)
    with db.write() as tx:
        quota.take_key_pair(tx, PROJECT, USER, DEFAULTS)
    assert used(db, USER) == {"key_pairs": 3}


def test_green_threads_do_not_pass_the_limit(db):
    def race(_):
        try:
            take(db)
            return 1
        except exception.QuotaExceeded:
            return 0
    assert sum(concurrency.map_parallel(race, range(30), limit=30)) == 10
    assert used(db)["instances"] == 10


def test_the_auditor_finds_and_rights_what_is_wrong(db):
    take(db)
    add_server(db)
    add_server(db, project="uncounted")
    with db.write() as tx:
        tx.add(KeyPair(user_id=USER, name="k", fingerprint="f", public_key="p"))
        tx.add(QuotaUsage(project_id="empty", resource="cores", in_use=7))
    with db.write() as tx:
        assert quota.recount(tx) == {("empty", "cores"): (7, 0), ("uncounted", "instances"): (0, 1), ("uncounted", "cores"): (0, 2),
                                     ("uncounted", "ram"): (0, 512), (USER, "key_pairs"): (0, 1)}
    with db.write() as tx:
        assert quota.recount(tx) == {}
    assert used(db) == {"instances": 1, "cores": 2, "ram": 512, "server_groups": 0} and used(db, "empty")["cores"] == 0
