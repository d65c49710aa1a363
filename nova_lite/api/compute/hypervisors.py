"""Hypervisors: the compute hosts, what they have and what is used of it."""
import json

from nova_lite import exception
from nova_lite.api import body, resource
from nova_lite.api.body import Param
from nova_lite.api.compute import links, values
from nova_lite.api.view import Field, View
from nova_lite.db import hosts, hypervisors

POLICY = "os_compute_api:os-hypervisors:"
PAGED_SINCE, UUIDS_SINCE, EMPTY_SERVERS_SINCE = "2.33", "2.53", "2.75"
LIST = body.Query((
    Param("limit", values.PAGE_SIZE, since="2.33"),
    Param("marker", values.TEXT, since="2.33"),
    Param("hypervisor_hostname_pattern", values.HOST_NAME, since="2.53"),
    Param("with_servers", values.BOOLEAN, since="2.53"),
), strict_since="2.53")
ONE = body.Query((Param("with_servers", values.BOOLEAN, since="2.53"),), strict_since="2.53")


class Hypervisor:
    """A host with its compute service, as the views see them: ``guests`` are (id, name) pairs, None where they were not asked for."""

    def __init__(self, host, service, is_up: bool, guests: list | None):
        self.host, self.service, self.is_up, self.guests = host, service, is_up, guests


def _of_host(name: str):
    return lambda item, _request: getattr(item.host, name)


def _service(item: Hypervisor, request) -> dict:
    ident = item.service.uuid if request.at_least(UUIDS_SINCE) else item.service.id
    return {"id": ident, "host": item.host.name, "disabled_reason": item.service.disabled_reason}


def _memory_used(item: Hypervisor, _request=None) -> int:
    return item.host.memory_mb_used + item.host.memory_mb_reserved


def _disk_used(item: Hypervisor, _request=None) -> int:
    return item.host.disk_gb_used + item.host.disk_gb_reserved


def _uptime(item: Hypervisor, request) -> str | None:
    if not item.is_up:
        return None
    try:
        return request.deps.compute.get_host_uptime(request.ctx, item.host.name)
    except exception.Unavailable:
        return None


COMMON = (
    Field("id", _of_host("id"), until="2.52"),
    Field("id", _of_host("uuid"), since="2.53"),
    Field("hypervisor_hostname", _of_host("hypervisor_hostname")),
    Field("state", lambda item, _: "up" if item.is_up else "down"),
    Field("status", lambda item, _: "disabled" if item.service.disabled else "enabled"),
)
BRIEF = View(*COMMON)
FULL = View(
    *COMMON,
    Field("hypervisor_type", _of_host("hypervisor_type")),
    Field("hypervisor_version", _of_host("hypervisor_version")),
    Field("host_ip", _of_host("host_ip")),
    Field("service", _service),
    Field("vcpus", _of_host("vcpus"), until="2.87"),
    Field("memory_mb", _of_host("memory_mb"), until="2.87"),
    Field("local_gb", _of_host("disk_gb"), until="2.87"),
    Field("vcpus_used", _of_host("vcpus_used"), until="2.87"),
    Field("memory_mb_used", _memory_used, until="2.87"),
    Field("local_gb_used", _disk_used, until="2.87"),
    Field("free_ram_mb", lambda item, _: item.host.memory_mb - _memory_used(item), until="2.87"),
    Field("free_disk_gb", lambda item, _: item.host.disk_gb - _disk_used(item), until="2.87"),
    Field("current_workload", _of_host("builds"), until="2.87"),
    Field("running_vms", _of_host("servers"), until="2.87"),
    Field("disk_available_least", _of_host("disk_available_gb"), until="2.87"),
    Field("cpu_info", lambda item, _: json.dumps(item.host.cpu_info), until="2.27"),
    Field("cpu_info", _of_host("cpu_info"), since="2.28", until="2.87"),
    Field("uptime", _uptime, since="2.88"),
)


def _render(item: Hypervisor, view: View, request) -> dict:
    shown = view.render(item, request)
    if item.guests or (item.guests is not None and request.at_least(EMPTY_SERVERS_SINCE)):
        shown["servers"] = [{"uuid": server_id, "name": name} for server_id, name in item.guests]
    return shown


def _complete(tx, request, rows: list, with_servers: bool) -> list[Hypervisor]:
    # A host whose service was deleted is on its way out.
    rows = [(host, service) for host, service in rows if service is not None]
    moment = hypervisors.moment(tx)
    guests = hypervisors.servers_of(tx, [host.name for host, _ in rows]) if with_servers else {}
    return [Hypervisor(host, service, hosts.is_up(service, moment, request.deps.service_down_time), guests.get(host.name))
            for host, service in rows]


def _matching(tx, pattern: str) -> list:
    rows = hosts.hypervisors(tx, pattern=pattern)
    if not rows:
        raise exception.NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return rows


def _with_servers(request) -> bool:
    return values.truth(request.param("with_servers", "false"))


def _list(request, collection: str, view: View) -> dict:
    limit, marker = links.page(request) if request.at_least(PAGED_SINCE) else (None, None)
    pattern = request.param("hypervisor_hostname_pattern")
    if pattern is not None and ("limit" in request.query or marker):
        raise exception.Invalid("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
    with request.deps.db.read() as tx:
        rows = _matching(tx, pattern) if pattern is not None else hosts.hypervisors(tx, limit=limit, after=_after(tx, request, marker))
        shown = [_render(item, view, request) for item in _complete(tx, request, rows, _with_servers(request))]
    following = {} if limit is None or pattern is not None else links.following(
        request, collection, rows, limit, lambda row: str(row[0].uuid if request.at_least(UUIDS_SINCE) else row[0].id))
    return {"hypervisors": shown, **following}


def _after(tx, request, marker: str | None) -> int | None:
    if marker is None:
        return None
    ident = _ident(request, marker)
    found = hosts.hypervisors(tx, hypervisor_id=ident) if ident is not None else []
    if not found:
        raise exception.Invalid(f"marker [{marker}] not found")
    return found[0][0].id


def _ident(request, text: str) -> int | str | None:
    """A hypervisor's id in the form of the request's version, None where ``text`` is none."""
    if request.at_least(UUIDS_SINCE):
        return text if values.is_uuid(text) else None
    return int(text) if text.isdecimal() and int(text) <= values.MAX_INT else None


def _one(tx, request, text: str, with_servers: bool = False) -> Hypervisor:
    ident = _ident(request, text)
    if ident is None and request.at_least(UUIDS_SINCE):
        raise exception.Invalid(f"Invalid uuid {text}")
    found = _complete(tx, request, hosts.hypervisors(tx, hypervisor_id=ident), with_servers) if ident is not None else []
    if not found:
        raise exception.NotFound(f"Hypervisor with ID '{text}' could not be found.")
    return found[0]


def index(request) -> dict:
    """Hypervisors in brief."""
    return _list(request, "os-hypervisors", BRIEF)


def detail(request) -> dict:
    """Hypervisors in full."""
    return _list(request, "os-hypervisors/detail", FULL)


def show(request, hypervisor_id: str) -> dict:
    """One hypervisor."""
    with request.deps.db.read() as tx:
        return {"hypervisor": _render(_one(tx, request, hypervisor_id, _with_servers(request)), FULL, request)}


def uptime(request, hypervisor_id: str) -> dict:
    """How long the host runs, asked of its worker."""
    with request.deps.db.read() as tx:
        item = _one(tx, request, hypervisor_id)
    text = _uptime(item, request)
    if text is None:
        raise exception.Invalid(f"Service of host {item.host.name} is unavailable at this time.")
    return {"hypervisor": {**_render(item, BRIEF, request), "uptime": text}}


def statistics(request) -> dict:
    """Sums over the enabled hypervisors."""
    with request.deps.db.read() as tx:
        return {"hypervisor_statistics": hypervisors.statistics(tx)}


def _search(request, pattern: str, with_servers: bool) -> dict:
    with request.deps.db.read() as tx:
        return {"hypervisors": [_render(item, BRIEF, request) for item in _complete(tx, request, _matching(tx, pattern), with_servers)]}


def search(request, hypervisor_id: str) -> dict:
    """Hypervisors of whose host name the path holds a part."""
    return _search(request, hypervisor_id, False)


def servers(request, hypervisor_id: str) -> dict:
    """The same, with their servers."""
    return _search(request, hypervisor_id, True)


PATH = "/v2.1/os-hypervisors"
ROUTES = (
    resource.Route("GET", PATH, index, POLICY + "list", query=LIST),
    resource.Route("GET", f"{PATH}/detail", detail, POLICY + "list-detail", query=LIST),
    resource.Route("GET", f"{PATH}/statistics", statistics, POLICY + "statistics", until="2.87"),
    resource.Route("GET", PATH + "/{hypervisor_id}", show, POLICY + "show", query=ONE),
    resource.Route("GET", PATH + "/{hypervisor_id}/uptime", uptime, POLICY + "uptime", until="2.87"),
    resource.Route("GET", PATH + "/{hypervisor_id}/search", search, POLICY + "search", until="2.52"),
    resource.Route("GET", PATH + "/{hypervisor_id}/servers", servers, POLICY + "servers", until="2.52"),
)
