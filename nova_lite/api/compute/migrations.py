"""/os-migrations, every move there was, and /servers/{id}/migrations, the live ones that are under way."""
from nova_lite import clock, exception
from nova_lite.api.body import Param, Query
from nova_lite.api.compute import links, values
from nova_lite.api.resource import Route
from nova_lite.api.view import OMIT, Field, View
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_

POLICY = "os_compute_api:os-migrations:index"
OF_SERVER = "os_compute_api:servers:migrations:"
LIST, ONE = "/v2.1/servers/{server_id}/migrations", "/v2.1/servers/{server_id}/migrations/{id}"
PAGED, CHANGED_BEFORE = "2.59", "2.66"
_MOMENT = {"type": "string", "format": "date-time"}
COLUMNS = {"host": "host", "source_compute": "source_host", "status": "status", "migration_type": "type", "instance_uuid": "server_id",
           "user_id": "user_id", "project_id": "project_id"}
"""Parameter → filter."""
SHOWN_TO_ALL = ("0", "false", "False")
"""Values of ``hidden`` that leave moves in the list: none is ever hidden."""

QUERY = Query((
    *(Param(name, values.TEXT) for name in ("hidden", "host", "instance_uuid", "source_compute", "status", "migration_type")),
    Param("limit", values.PAGE_SIZE, since=PAGED),
    Param("marker", values.TEXT, since=PAGED),
    Param("changes-since", _MOMENT, since=PAGED),
    Param("changes-before", _MOMENT, since=CHANGED_BEFORE),
    *(Param(name, values.TEXT, since=since, until=until) for name in ("user_id", "project_id") for since, until in ((None, "2.58"), ("2.80", None))),
), strict_since=PAGED)


def _moment(name: str):
    def value(move, request) -> str | None:
        moment = getattr(move, name)
        return None if moment is None else clock.isoformat_micro(moment)
    return value


def _links(move, request):
    if move.type != moves_.LIVE or move.status not in moves_.UNDER_WAY:
        return OMIT
    return links.of(request, f"servers/{move.server_id}/migrations", str(move.id))


def _place(column: str, policy: str):
    def value(move, request) -> str | None:
        return getattr(move, column) if request.can(policy) else None
    return value


def _places(policy: str) -> tuple[Field, ...]:
    """Where from and to: null for who may not know."""
    return tuple(Field(name, _place(column, policy)) for name, column in (
        ("source_compute", "source_host"), ("source_node", "source_node"), ("dest_compute", "dest_host"), ("dest_node", "dest_node"),
        ("dest_host", "dest_address")))


OWNERS = (Field("user_id", "user_id", since="2.80"), Field("project_id", "project_id", since="2.80"))
TIMES = (Field("created_at", _moment("created_at")), Field("updated_at", _moment("updated_at")))
MIGRATION = View(
    Field("id", "id"),
    Field("uuid", "uuid", since="2.59"),
    *_places(POLICY + ":host"),
    Field("old_instance_type_id", "old_flavor_id"),
    Field("new_instance_type_id", "new_flavor_id"),
    Field("instance_uuid", "server_id"),
    Field("status", "status"),
    Field("migration_type", "type", since="2.23"),
    Field("links", _links, since="2.23"),
    *TIMES, *OWNERS,
)


def _bytes(name: str) -> Field:
    return Field(name, lambda move, request: move.progress.get(name))


def _live(policy: str) -> View:
    return View(
        Field("id", "id"),
        Field("uuid", "uuid", since="2.59"),
        *_places(policy),
        Field("server_uuid", "server_id"),
        Field("status", "status"),
        *(_bytes(f"{what}_{part}_bytes") for what in ("memory", "disk") for part in ("total", "processed", "remaining")),
        *TIMES, *OWNERS,
    )


LISTED, SHOWN = _live(OF_SERVER + "index:host"), _live(OF_SERVER + "show")


def index(request) -> dict:
    """Newest first and a page at a time from 2.59 on."""
    if request.param("project_id") is None or request.param("project_id") != request.ctx.project_id:
        request.authorize(POLICY + ":all_projects")
    paged = request.at_least(PAGED)
    limit, marker = links.page(request) if paged else (None, None)
    since, before = (clock.parse(request.param(name)) if request.param(name) else None for name in ("changes-since", "changes-before"))
    if since is not None and before is not None and before < since:
        raise exception.Invalid("The value of changes-since must be less than or equal to changes-before.")
    filters = {COLUMNS[name]: request.param(name) for name in COLUMNS if request.param(name) is not None}
    if "host" in filters:
        filters.pop("source_host", None)
    with request.deps.db.read() as tx:
        found = [] if request.param("hidden", "0") not in SHOWN_TO_ALL else moves_.listing(
            tx, filters, since=since, before=before, limit=limit, marker=marker, newest_first=paged)
    shown = MIGRATION.renderer(request)
    following = links.following(request, "os-migrations", found, limit, "uuid") if paged else {}
    return {"migrations": [shown(move) for move in found], **following}


def index_of_server(request, server_id: str) -> dict:
    """The live migrations of a server that are under way: one or none."""
    with request.deps.db.read() as tx:
        server = servers_.get(tx, request.ctx, server_id)
        request.authorize(OF_SERVER + "index", {"project_id": server.project_id})
        move = moves_.open_of(tx, server_id)
    under_way = move is not None and move.type == moves_.LIVE and move.status in moves_.UNDER_WAY
    return {"migrations": [LISTED.render(move, request)] if under_way else []}


def show_of_server(request, server_id: str, id: str) -> dict:
    """One of them."""
    with request.deps.db.read() as tx:
        server = servers_.get(tx, request.ctx, server_id)
        request.authorize(OF_SERVER + "show", {"project_id": server.project_id})
        move = moves_.get(tx, int(id)) if id.isdigit() and int(id) <= values.MAX_INT else None
    if move is None or move.server_id != server_id:
        raise exception.NotFound(f"In-progress live migration {id} is not found for server {server_id}.")
    if move.type != moves_.LIVE:
        raise exception.NotFound(f"Migration {id} for server {server_id} is not live-migration.")
    if move.status not in moves_.UNDER_WAY:
        raise exception.NotFound(f"Live migration {id} for server {server_id} is not in progress.")
    return {"migration": SHOWN.render(move, request)}


ROUTES = (
    Route("GET", "/v2.1/os-migrations", index, POLICY, query=QUERY),
    Route("GET", LIST, index_of_server, None, since="2.23"),
    Route("GET", ONE, show_of_server, None, since="2.23"),
)
