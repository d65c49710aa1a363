"""What is remembered of tokens: for a while, not across a change, and not when the change came while it was read."""
import pytest

from nova_lite import clock, exception
from nova_lite.identity.actions import tokens as actions
from nova_lite.identity.standings import Standings
from tests.unit.identity.identity_cloud import login_body, make_deps


def test_it_is_asked_for_again_after_some_seconds(monkeypatch):
    now, answers = [100.0], iter(range(10))
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    known = Standings(5.0)
    seen = []
    for now[0] in (100.0, 104.9, 105.0, 109.0, 111.0):
        seen.append(known.find("t", lambda: next(answers)))
    assert seen == [0, 0, 1, 1, 2]
    assert [Standings(0).find("t", lambda: next(answers)) for _ in range(2)] == [3, 4]


def test_a_change_while_it_is_read_is_not_overlooked():
    known = Standings(5.0)

    def read():
        known.forget()
        return "old"
    assert known.find("t", read) == "old" and known.find("t", lambda: "new") == "new"


def test_a_token_costs_one_statement_until_something_changes(tmp_path):
    deps = make_deps(tmp_path)
    token, _ = actions.issue(deps, login_body()["auth"])
    before = deps.db.statements
    for _ in range(5):
        payload = actions.inspect(deps, token).payload
    assert deps.db.statements - before == 1
    actions.revoke(deps, payload)
    with pytest.raises(exception.Unauthorized):
        actions.inspect(deps, token)
