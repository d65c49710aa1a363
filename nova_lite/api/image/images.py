"""Images: create, list, show, change by JSON patch, delete, deactivate and reactivate."""
import urllib.parse

from nova_lite import clock, exception
from nova_lite.api.body import Body, Param
from nova_lite.api.image import listing
from nova_lite.api.resource import Request, Route
from nova_lite.db.images import Record
from nova_lite.image import attributes, patch
from nova_lite.image.actions import images

CREATE = Body(None, tuple(Param(a.name, {} if a.read_only else a.schema) for a in attributes.TABLE), extra=True,
              rules={"additionalProperties": {"type": "string"}})
ONE_VALUE = Body(None, tuple(Param(a.name, a.schema) for a in attributes.TABLE), extra=True,
                 rules={"additionalProperties": {"type": "string", "maxLength": 65535}})
VISIBILITY_RULES = {"public": "publicize_image", "community": "communitize_image"}


class _PatchMediaType(exception.NovaLiteError):
    status = 415
    message = f"Image PATCH expects Content-Type one of: {patch.V20}, {patch.V21}"


def view(record: Record, request: Request | None = None) -> dict:
    """An image as the API shows it: its properties stand beside its attributes."""
    image = record.image
    path = f"/v2/images/{image.id}"
    has_data = image.location is not None
    return {
        **record.properties, "name": image.name, "disk_format": image.disk_format, "container_format": image.container_format,
        "visibility": image.visibility, "size": image.size if has_data else None, "virtual_size": image.virtual_size, "status": image.status,
        "checksum": image.checksum, "protected": image.protected, "min_ram": image.min_ram, "min_disk": image.min_disk, "owner": image.owner,
        "os_hidden": image.os_hidden, "os_hash_algo": image.os_hash_algo, "os_hash_value": image.os_hash_value, "id": image.id,
        "created_at": clock.isoformat(image.created_at), "updated_at": clock.isoformat(image.updated_at), "tags": record.tags,
        "self": path, "file": f"{path}/file", "schema": "/v2/schemas/image"}


def find(request: Request, image_id: str, rule: str) -> Record:
    """The image, if the caller may see it, and by ``rule`` do to its owner's things what follows. Raises ImageNotFound, PolicyNotAuthorized."""
    record = images.show(request.deps, request.ctx, image_id)
    request.authorize(rule, {"project_id": record.image.owner, "user_id": request.ctx.user_id})
    return record


def _check_columns(request: Request, columns: dict) -> None:
    """Visibility and owner are not everybody's to set. Raises PolicyNotAuthorized, Forbidden."""
    rule = VISIBILITY_RULES.get(columns.get("visibility", ""))
    if rule is not None:
        request.authorize(rule)
    if columns.get("owner", request.ctx.project_id) != request.ctx.project_id and not request.ctx.is_admin:
        raise exception.Forbidden(f"You are not permitted to create images owned by '{columns['owner']}'.")


def _check_names(values: dict) -> None:
    for name in values:
        known = attributes.BY_NAME.get(name)
        if known is not None and known.read_only:
            raise exception.Forbidden(f"Attribute '{name}' is read-only.")
        if attributes.is_reserved(name):
            raise exception.Forbidden(f"Attribute '{name}' is reserved.")
        if len(name) > 255:
            raise exception.Invalid("Custom property should not be greater than 255 characters.")


def create(request: Request) -> dict:
    asked = dict(request.body)
    _check_names(asked)
    columns = {"owner": request.ctx.project_id, **{name: asked[name] for name in attributes.COLUMNS if name in asked}}
    _check_columns(request, columns)
    properties = {name: value for name, value in asked.items() if name not in attributes.BY_NAME}
    record = images.create(request.deps, columns, properties, asked.get("tags", []), asked.get("id"))
    request.headers["Location"] = f"{request.base_url}/v2/images/{record.image.id}"
    return view(record)


def list_all(request: Request) -> dict:
    page = listing.page_of(request, request.deps.max_limit)
    records = images.list_all(request.deps, request.ctx, listing.wanted_of(request), page)
    query = [(name, value) for name, values in request.query.items() if name != "marker" for value in values]
    answer = {"images": [view(record) for record in records], "first": _link(query), "schema": "/v2/schemas/images"}
    if records and len(records) == page.limit:
        answer["next"] = _link([*query, ("marker", records[-1].image.id)])
    return answer


def _link(query: list[tuple[str, str]]) -> str:
    return "/v2/images" + (f"?{urllib.parse.urlencode(query)}" if query else "")


def show(request: Request, image_id: str) -> dict:
    return view(images.show(request.deps, request.ctx, image_id))


def update(request: Request, image_id: str) -> dict:
    form = request.http.content_type
    if form not in (patch.V20, patch.V21):
        raise _PatchMediaType()
    changes = patch.parse(request.body, form)
    for change in changes:
        if change.operation != "remove":
            ONE_VALUE.validate({change.name: change.value}, None)
    _check_columns(request, {change.name: change.value for change in changes if change.name in attributes.COLUMNS})
    find(request, image_id, "modify_image")
    return view(images.update(request.deps, request.ctx, image_id, changes))


def delete(request: Request, image_id: str) -> None:
    find(request, image_id, "delete_image")
    images.delete(request.deps, image_id)


def list_tasks(request: Request, image_id: str) -> dict:
    """An upload is done when it is done: no task remains of it."""
    images.show(request.deps, request.ctx, image_id)
    return {"tasks": []}


def deactivate(request: Request, image_id: str) -> None:
    find(request, image_id, "deactivate")
    images.set_active(request.deps, image_id, active=False)


def reactivate(request: Request, image_id: str) -> None:
    find(request, image_id, "reactivate")
    images.set_active(request.deps, image_id, active=True)


ROUTES = (
    Route("POST", "/v2/images", create, "add_image", 201, CREATE),
    Route("GET", "/v2/images", list_all, "get_images"),
    Route("GET", "/v2/images/{image_id}", show, "get_image"),
    Route("GET", "/v2/images/{image_id}/tasks", list_tasks, "get_image"),
    Route("PATCH", "/v2/images/{image_id}", update),
    Route("DELETE", "/v2/images/{image_id}", delete, None, 204),
    Route("POST", "/v2/images/{image_id}/actions/deactivate", deactivate, None, 204),
    Route("POST", "/v2/images/{image_id}/actions/reactivate", reactivate, None, 204),
)
