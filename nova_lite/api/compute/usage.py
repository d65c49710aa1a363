"""/os-simple-tenant-usage: what projects used in a span of time, in hours."""
import datetime

from nova_lite import clock, exception
from nova_lite.api import paging
from nova_lite.api.body import Param, Query
from nova_lite.api.compute import links, values
from nova_lite.api.resource import Route
from nova_lite.api.view import Field, View
from nova_lite.compute import usage
from nova_lite.db import server_usage

POLICY = "os_compute_api:os-simple-tenant-usage:"
PATH = "/os-simple-tenant-usage"
FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")
SPAN = (Param("start", values.TEXT), Param("end", values.TEXT), Param("limit", values.PAGE_SIZE, since="2.40"),
        Param("marker", values.TEXT, since="2.40"))
LIST = Query((*SPAN, Param("detailed", values.TEXT)), strict_since="2.75")
SHOW = Query(SPAN, strict_since="2.75")

SERVER = View(
    Field("instance_id", "server_id"), Field("tenant_id", "project_id"), Field("name", "name"), Field("flavor", "flavor"),
    Field("state", "state"), Field("hours", "hours"), Field("uptime", "uptime"), Field("vcpus", "vcpus"), Field("memory_mb", "memory_mb"),
    Field("local_gb", "local_gb"), Field("started_at", lambda server, request: clock.isoformat_micro(server.started_at)),
    Field("ended_at", lambda server, request: clock.isoformat_micro(server.ended_at)),
)
PROJECT = View(
    Field("tenant_id", "project_id"), Field("total_hours", "hours"), Field("total_vcpus_usage", "vcpu_hours"),
    Field("total_memory_mb_usage", "memory_mb_hours"), Field("total_local_gb_usage", "local_gb_hours"),
    Field("start", lambda project, request: clock.isoformat_micro(project.begin)),
    Field("stop", lambda project, request: clock.isoformat_micro(project.end)),
)
DETAILED = View(*PROJECT.fields, Field("server_usages", lambda project, request: [SERVER.render(server, request) for server in project.servers]))


def _moment(text: str | None, now: datetime.datetime) -> datetime.datetime:
    if not text:
        return now
    for form in FORMS:
        try:
            return datetime.datetime.strptime(text, form)
        except ValueError:
            continue
    raise exception.Invalid("Invalid datetime string: Datetime is in invalid format")


def _used(request, project_id: str | None) -> tuple[list[usage.ProjectUsage], str | None]:
    """The usages of a page, and the marker of the next one where the page is full."""
    now = clock.now()
    begin, end = (_moment(request.param(name), now) for name in ("start", "end"))
    if begin >= end:
        raise exception.Invalid("Invalid start time. The start time cannot occur after the end time.")
    paged = request.at_least("2.40")
    limit, marker = links.page(request) if paged else (request.deps.max_limit, None)
    with request.deps.db.read() as tx:
        rows = server_usage.running_between(tx, begin, min(end, now), project_id, limit, marker)
    return usage.by_project(rows, begin, min(end, now), now), rows[-1].id if paged and rows and len(rows) >= limit else None


def _next(request, path: str, marker: str | None, key: str) -> dict:
    return {key: [{"rel": "next", "href": paging.next_link(request, links.VERSION + path, marker)}]} if marker else {}


def index(request) -> dict:
    """Each project's usage; its servers with ``detailed=1``."""
    found, marker = _used(request, None)
    # The openstack client says True, which upstream takes for no; who asks for details wants them.
    view = DETAILED if request.param("detailed") in values.TRUTHS else PROJECT
    return {"tenant_usages": [view.render(project, request) for project in found],
            **_next(request, PATH, marker, "tenant_usages_links")}


def show(request, project_id: str) -> dict:
    """One project's usage with its servers; nothing where it used nothing."""
    if project_id != request.ctx.project_id:
        request.authorize(POLICY + "show", {"project_id": project_id, "user_id": request.ctx.user_id})
    found, marker = _used(request, project_id)
    return {"tenant_usage": DETAILED.render(found[0], request) if found else {},
            **_next(request, f"{PATH}/{project_id}", marker, "tenant_usage_links")}


ROUTES = (
    Route("GET", "/v2.1" + PATH, index, POLICY + "list", query=LIST),
    Route("GET", "/v2.1" + PATH + "/{project_id}", show, POLICY + "show", query=SHOW),
)
