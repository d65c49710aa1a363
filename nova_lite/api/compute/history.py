"""/servers/{id}/os-instance-actions: what was asked of a server, when, by whom, and how it went."""
from nova_lite import clock, exception
from nova_lite.api import paging
from nova_lite.api.body import Param, Query
from nova_lite.api.compute import links, values
from nova_lite.api.compute.server_view import host_id
from nova_lite.api.resource import Route
from nova_lite.api.view import Field, View
from nova_lite.db import servers as servers_

POLICY = "os_compute_api:os-instance-actions:"
LIST = "/v2.1/servers/{server_id}/os-instance-actions"
_MOMENT = {"type": "string", "format": "date-time"}
PAGE = Query((
    Param("limit", values.PAGE_SIZE, since="2.58"),
    Param("marker", values.TEXT, since="2.58"),
    Param("changes-since", _MOMENT, since="2.58"),
    Param("changes-before", _MOMENT, since="2.66"),
), strict_since="2.58")

ACTION = View(
    Field("action", "action"),
    Field("instance_uuid", "server_id"),
    Field("request_id", "request_id"),
    Field("user_id", "user_id"),
    Field("project_id", "project_id"),
    Field("start_time", lambda action, request: clock.isoformat_micro(action.start_time)),
    Field("message", "message"),
    Field("updated_at", lambda action, request: clock.isoformat_micro(action.updated_at), since="2.58"),
)
EVENT = View(
    Field("event", "event"),
    Field("start_time", lambda event, request: clock.isoformat_micro(event.start_time)),
    Field("finish_time", lambda event, request: clock.isoformat_micro(event.finish_time)),
    Field("result", "result"),
    Field("traceback", "traceback", policy=POLICY + "events"),
    Field("hostId", lambda event, request: host_id(request.ctx.project_id, event.host), since="2.62"),
    Field("host", "host", since="2.62", policy=POLICY + "events"),
    Field("details", lambda event, request: event.details or None, since="2.84", policy=POLICY + "events:details"),
)


def index(request, server_id):
    """Newest first, a page at a time from 2.58 on. Deleted servers' actions are shown from 2.21 on."""
    paged = request.at_least("2.58")
    limit, marker = links.page(request) if paged else (request.deps.max_limit, None)
    since, before = (clock.parse(request.param(name)) if paged and request.param(name) else None for name in ("changes-since", "changes-before"))
    if since is not None and before is not None and before < since:
        raise exception.Invalid("The value of changes-since must be less than or equal to changes-before.")
    with request.deps.db.read() as tx:
        server = servers_.get(tx, request.ctx, server_id, deleted=request.at_least("2.21"))
        found = servers_.actions(tx, server.id, limit=limit, marker=marker, since=since, before=before)
    answer = {"instanceActions": [ACTION.render(action, request) for action in found]}
    if paged and found and len(found) == limit:
        href = paging.next_link(request, f"/v2.1/servers/{server_id}/os-instance-actions", found[-1].request_id)
        answer["links"] = [{"rel": "next", "href": href}]
    return answer


def show(request, server_id, id):
    """One action by its request id; its events for everybody from 2.51 on, tracebacks for administrators."""
    with request.deps.db.read() as tx:
        server = servers_.get(tx, request.ctx, server_id, deleted=request.at_least("2.21"))
        action, events = servers_.action_events(tx, server.id, id)
    if action is None:
        raise exception.NotFound(f"Action for request_id {id} on instance {server_id} not found")
    shown = ACTION.render(action, request)
    if request.at_least("2.51") or request.can(POLICY + "events"):
        shown["events"] = [EVENT.render(event, request) for event in events]
    return {"instanceAction": shown}


ROUTES = (
    Route("GET", LIST, index, POLICY + "list", query=PAGE),
    Route("GET", LIST + "/{id}", show, POLICY + "show"),
)
