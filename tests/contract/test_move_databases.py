"""The moves of servers on each database: one open a server, lists by page and filter, what waits to be confirmed."""
import dataclasses

import pytest

from nova_lite import clock, exception
from nova_lite.context import RequestContext
from nova_lite.db import moves as moves_
from nova_lite.db.models import Server

CTX = RequestContext(request_id="req-1", user_id="u", project_id="p")


@pytest.fixture
def db(db):
    with db.write() as tx:
        for name in ("s1", "s2"):
            tx.add(Server(id=name, project_id="p", user_id="u", reservation_id="r", name=name, hostname=name, vm_state="active", flavorid="1",
                          flavor={"id": 7}, changed_at=clock.now(), host="a", node="node-a"))
    return db


def add(db, server_id, type_=moves_.MIGRATION, ctx=CTX, ended=None, **changes):
    with db.write() as tx:
        number = moves_.add(tx, tx.get(Server, server_id), type_, ctx)
        assert moves_.update(tx, number, dest_host="b", **changes)
        if ended:
            moves_.end(tx, server_id, ended)
    return number


def listed(db, **how):
    with db.read() as tx:
        return [move.id for move in moves_.listing(tx, how.pop("filters", {}), **how)]


def test_lists(db):
    first, second = add(db, "s1", ended="confirmed"), add(db, "s1", moves_.RESIZE, status="finished")
    third = add(db, "s2", moves_.LIVE, dataclasses.replace(CTX, user_id="w", project_id="q"), status="running")
    assert listed(db) == [first, second, third] and listed(db, newest_first=True) == [third, second, first]
    for filters, found in (({"server_id": "s1"}, [first, second]), ({"status": "running"}, [third]), ({"type": "resize"}, [second]),
                           ({"host": "b"}, [first, second, third]), ({"host": "c"}, []), ({"source_host": "a", "user_id": "w"}, [third]),
                           ({"project_id": "p"}, [first, second])):
        assert listed(db, filters=filters) == found, filters
    with db.read() as tx:
        middle = moves_.get(tx, second)
    assert listed(db, newest_first=True, marker=middle.uuid) == [first] and listed(db, newest_first=True, limit=2) == [third, second]
    assert listed(db, since=middle.updated_at, before=middle.updated_at, filters={"server_id": "s1"}) == [second]
    assert listed(db, since=clock.now() + clock.seconds(60)) == []
    with pytest.raises(exception.Invalid), db.read() as tx:
        moves_.listing(tx, {}, marker="none")


def test_what_is_open_stays_on_both_hosts(db):
    add(db, "s1", ended="reverted")
    second = add(db, "s1", status="finished", detail={"flavor": {"vcpus": 1}})
    with db.read() as tx:
        move = moves_.open_of(tx, "s1")
        assert (move.id, move.source_host, move.source_node, move.old_flavor_id, move.detail) == (second, "a", "node-a", 7, {"flavor": {"vcpus": 1}})
        assert moves_.hosts(tx, ["s1", "s2"]) == {"s1": {"a", "b"}} and moves_.open_of(tx, "s2") is None
        later = clock.now() + clock.seconds(1)
        assert moves_.finished(tx, "b", later) == ["s1"] and moves_.finished(tx, "a", later) == []
        assert moves_.finished(tx, "b", move.updated_at - clock.seconds(1)) == []
    with db.write() as tx:
        moves_.end(tx, "s1", "confirmed")
        assert not moves_.update(tx, second, status="finished")
        moves_.change_open(tx, "s1", status="finished")
    with db.read() as tx:
        assert moves_.get(tx, second).status == "confirmed" and moves_.hosts(tx, ["s1"]) == {} and moves_.finished(tx, "b", later) == []
