"""What is asked of a server and what came of it, on each database: several events of one action, of which the first ends it."""
import pytest

from nova_lite import clock
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server

CTX = RequestContext(request_id="req-1", user_id="u", project_id="p")


@pytest.fixture
def db(db):
    with db.write() as tx:
        tx.add(Server(id="s", project_id="p", user_id="u", reservation_id="r", name="s", hostname="s", vm_state="active", flavorid="1", flavor={},
                      changed_at=clock.now()))
    return db


def test_an_action_keeps_every_event_and_its_first_end(db):
    started = clock.now()
    with db.write() as tx:
        servers_.add_action(tx, "s", "reboot", CTX, started)
        servers_.add_action(tx, "s", "stop", RequestContext(request_id="req-2", user_id="u", project_id="p"), started)
    with db.write() as tx:
        servers_.end_action(tx, "s", "req-1", "first", started, "h1", "Error", message="nö", traceback="a\nb\u2028c", details="it\nbroke")
    with db.read() as tx:
        ended = servers_.action_events(tx, "s", "req-1")[0].finish_time
    with db.write() as tx:
        servers_.end_action(tx, "s", "req-1", "second", started, None, "Success", message="too late")
    with db.read() as tx:
        action, events = servers_.action_events(tx, "s", "req-1")
        other, none = servers_.action_events(tx, "s", "req-2")
    assert (action.message, action.finish_time) == ("nö", ended) and started <= ended <= action.updated_at
    assert [(each.event, each.host, each.result, each.start_time) for each in events] == [
        ("second", None, "Success", started), ("first", "h1", "Error", started)]
    assert (events[1].details, events[1].traceback, events[1].finish_time) == ("it\nbroke", "a\nb\u2028c", ended)
    assert other.finish_time is None and none == []
