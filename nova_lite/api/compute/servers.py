"""/servers: create, list, show, update, delete."""
from nova_lite import exception
from nova_lite.api.compute import block_devices, links, server_body, server_filters, server_view, values
from nova_lite.api.resource import Route
from nova_lite.compute.actions import create as create_
from nova_lite.compute.actions import delete as delete_
from nova_lite.compute.actions import details
from nova_lite.db import server_lists
from nova_lite.db import servers as servers_

POLICY = "os_compute_api:servers:"
OVERRIDE_LOCK = "os_compute_api:os-lock-server:unlock:unlock_override"


def ignores_lock(request) -> bool:
    """Whether the caller may act on a locked server."""
    return request.can(OVERRIDE_LOCK)


def create(request):
    """``POST /servers``."""
    content = request.body["server"]
    asked = wanted(request, content)
    created = create_.create(request.deps, request.ctx, asked)
    if values.truth(content.get("return_reservation_id", False)):
        return {"reservation_id": created.reservation_id}
    server_id = created.server_ids[0]
    itself = links.of(request, "servers", server_id)
    request.headers["Location"] = itself[0]["href"]
    return {"server": {"id": server_id, "links": itself, "OS-DCF:diskConfig": created.disk_config, "adminPass": created.admin_pass,
                       "security_groups": content.get("security_groups") or [{"name": "default"}]}}


def wanted(request, content: dict) -> create_.Wanted:
    """What the ``server`` of a create body asks for. Raises Invalid, and PolicyNotAuthorized for a host that the caller may not name."""
    zone, host, node = _zone(content.get("availability_zone"))
    if host or node:
        request.authorize(POLICY + "create:forced_host")
    destination = {key: content[field] for key, field in (("host", "host"), ("node", "hypervisor_hostname")) if content.get(field)}
    if destination:
        request.authorize("compute:servers:create:requested_destination")
    low = int(content.get("min_count", 1))
    high = int(content.get("max_count", low))
    if low > high:
        raise exception.Invalid("min_count must be <= max_count")
    image_id, disks = block_devices.read(content)
    return create_.Wanted(
        name=content["name"].strip(), flavor_id=_flavor_id(content["flavorRef"]), image_id=image_id, disks=disks, min_count=low, max_count=high,
        networks=content.get("networks"), key_name=content.get("key_name"), user_data=content.get("user_data"),
        metadata=content.get("metadata", {}), zone=zone, force_host=host, force_node=node, destination=destination,
        config_drive=values.truth(content.get("config_drive", False)), personality=content.get("personality", []),
        tags=content.get("tags", []), hints=request.body.get("os:scheduler_hints") or request.body.get("OS-SCH-HNT:scheduler_hints") or {},
        description=content.get("description") if request.at_least("2.19") else content["name"].strip(), hostname=content.get("hostname"),
        disk_config=content.get("OS-DCF:diskConfig"), access_ip_v4=values.address(content.get("accessIPv4")),
        access_ip_v6=values.address(content.get("accessIPv6")), admin_pass=content.get("adminPass"),
        trusted_certs=content.get("trusted_image_certificates"),
        security_groups=[item["name"] for item in content.get("security_groups", []) if item.get("name")])


def _zone(text: str | None) -> tuple[str | None, str | None, str | None]:
    if text is None or ":" not in text:
        return text, None, None
    parts = text.split(":")
    if len(parts) > 3:
        raise exception.Invalid("Unable to parse availability_zone")
    zone, host, node = [*parts, "", ""][:3]
    return zone or None, host or None, node or None


def _flavor_id(reference) -> str:
    return str(reference).rstrip("/").rsplit("/", 1)[-1]


def index(request):
    """``GET /servers``."""
    return _page(request, "servers", server_view.BRIEF, lambda found: [server_view.Shown(server, "", [], [], None, "") for server in found])


def detail(request):
    """``GET /servers/detail``."""
    return _page(request, "servers/detail", server_view.DETAIL, lambda found: server_view.gather(request, found))


def _page(request, collection: str, view, gathered):
    limit, marker = links.page(request)
    asked = server_filters.read(request, collection)
    found = []
    if asked is not None and limit:
        with request.deps.db.read() as tx:
            found = server_lists.find(tx, asked.filters, asked.sort, limit, marker, asked.project_id)
    shown = list(map(view.renderer(request), gathered(found)))
    full = found if (request.param("limit") or len(found) == request.deps.max_limit) else []
    return {"servers": shown, **links.following(request, collection, full, limit, "id")}


def show(request, id):
    """``GET /servers/{id}``."""
    with request.deps.db.read() as tx:
        server = servers_.get(tx, request.ctx, id)
    return {"server": server_view.show(request, server)}


COLUMNS = {"name": "name", "OS-DCF:diskConfig": "disk_config", "accessIPv4": "access_ip_v4", "accessIPv6": "access_ip_v6",
           "description": "description", "hostname": "hostname"}
CANONICAL = {"name": str.strip, "accessIPv4": values.address, "accessIPv6": values.address}


def update(request, id):
    """``PUT /servers/{id}``."""
    changes = {COLUMNS[key]: CANONICAL[key](value) if key in CANONICAL else value for key, value in request.body["server"].items()}
    return {"server": server_view.updated(request, details.update(request.deps, request.ctx, id, **changes))}


def delete(request, id):
    """``DELETE /servers/{id}``."""
    delete_.delete(request.deps, request.ctx, id, ignore_lock=ignores_lock(request))


ROUTES = (
    Route("GET", "/v2.1/servers", index, POLICY + "index", query=server_body.LIST),
    Route("POST", "/v2.1/servers", create, POLICY + "create", success=202, body=server_body.CREATE),
    Route("GET", "/v2.1/servers/detail", detail, POLICY + "detail", query=server_body.LIST),
    Route("GET", "/v2.1/servers/{id}", show, POLICY + "show"),
    Route("PUT", "/v2.1/servers/{id}", update, POLICY + "update", body=server_body.UPDATE),
    Route("DELETE", "/v2.1/servers/{id}", delete, POLICY + "delete", success=204),
)
