"""/images: the Image API in the words that Compute had for it, until 2.35; an image's metadata until 2.38. For clients of old."""
from nova_lite import clock, exception
from nova_lite.api.compute import links, server_metadata
from nova_lite.api.resource import Route
from nova_lite.compute.actions import snapshot
from nova_lite.db import filtering
from nova_lite.db import images as db
from nova_lite.image import attributes, patch
from nova_lite.image.actions import images

COLLECTION = "/v2.1/images"
ITEM = COLLECTION + "/{image_id}"
METADATA = ITEM + "/metadata"
META = METADATA + "/{key}"
LAST, LAST_METADATA = "2.35", "2.38"
STATUSES = {"active": "ACTIVE", "queued": "SAVING", "saving": "SAVING", "uploading": "SAVING", "importing": "SAVING", "deleted": "DELETED",
            "pending_delete": "DELETED", "killed": "ERROR"}
PROGRESS = {"queued": 25, "saving": 50, "active": 100}
PROPERTIES = {"server": "instance_uuid", "type": "image_type"}
"""Filter → the property that it looks at."""


# ---- images ----------------------------------------------------------------------------------------------------------------
def index(request):
    """Names and links."""
    return _page(request, "images", _brief)


def detail(request):
    """All that Compute ever said of images."""
    return _page(request, "images/detail", _full)


def show(request, image_id):
    """One image."""
    return {"image": _full(request, _find(request, image_id))}


def delete(request, image_id):
    """Delete the image and its data."""
    _find(request, image_id, "delete_image")
    images.delete(request.deps.images, image_id)


def _find(request, image_id: str, rule: str | None = None) -> db.Record:
    try:
        record = images.show(request.deps, request.ctx, image_id)
    except exception.ImageNotFound:
        raise exception.NotFound("Image not found.")
    if rule is not None:
        request.authorize(rule, {"project_id": record.image.owner, "user_id": request.ctx.user_id})
    return record


def _page(request, collection: str, view) -> dict:
    limit, marker = links.page(request)
    found = []
    if limit:
        found = images.list_all(request.deps, request.ctx, _wanted(request),
                                filtering.Page(sorts=[("created_at", "desc"), ("id", "desc")], limit=limit, marker=marker))
    return {"images": [view(request, record) for record in found],
            **links.following(request, collection, found, limit, lambda record: record.image.id)}


def _wanted(request) -> db.Wanted:
    columns: dict[str, list] = {"os_hidden": [False]}
    compare, properties = [], {}
    for name in request.query:
        value = request.param(name) or ""
        if name == "name":
            columns[name] = [value]
        elif name == "status":
            columns[name] = [value.lower()]
        elif name in PROPERTIES:
            properties[PROPERTIES[name]] = value.rsplit("/", 1)[-1]
        elif name.startswith("property-"):
            properties[name.removeprefix("property-")] = value
        elif name in ("minRam", "minDisk"):
            compare.append(({"minRam": "min_ram", "minDisk": "min_disk"}[name], "eq", _number(name, value)))
        elif name == "changes-since":
            compare.append(("updated_at", "gte", _moment(value)))
    return db.Wanted(columns, tuple(compare), (), properties)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise exception.Invalid(f"Invalid input for query parameters {name}. Value: {text}. It must be zero or a positive integer.")
    return int(text)


def _moment(text: str):
    try:
        return clock.parse(text)
    except ValueError:
        raise exception.Invalid(f"Invalid input for query parameters changes-since. Value: {text}. It is not a 'date-time'")


def _brief(request, record: db.Record) -> dict:
    image = record.image
    alternate = f"{request.base_url.rpartition('/')[0]}/image/images/{image.id}"
    return {"id": image.id, "name": image.name, "links": [*links.of(request, "images", image.id), {
        "rel": "alternate", "type": "application/vnd.openstack.image", "href": alternate}]}


def _full(request, record: db.Record) -> dict:
    image, properties = record.image, record.properties
    shown = {**_brief(request, record), "minRam": image.min_ram or 0, "minDisk": image.min_disk or 0, "metadata": properties,
             "created": clock.isoformat(image.created_at), "updated": clock.isoformat(image.updated_at),
             "status": STATUSES.get(image.status, "UNKNOWN"), "progress": PROGRESS.get(image.status, 0), "OS-EXT-IMG-SIZE:size": image.size}
    if "instance_uuid" in properties:
        shown["server"] = {"id": properties["instance_uuid"], "links": links.of(request, "servers", properties["instance_uuid"])}
    if "auto_disk_config" in properties:
        shown["OS-DCF:diskConfig"] = "AUTO" if properties["auto_disk_config"].lower() in ("true", "1", "yes", "on") else "MANUAL"
    return shown


# ---- their metadata --------------------------------------------------------------------------------------------------------
def metadata(request, image_id):
    """All properties."""
    return {"metadata": _find(request, image_id).properties}


def add_metadata(request, image_id):
    """Set some, leave the others."""
    return {"metadata": _set(request, image_id, request.body["metadata"])}


def replace_metadata(request, image_id):
    """Set all, remove the others."""
    return {"metadata": _set(request, image_id, request.body["metadata"], replace=True)}


def meta(request, image_id, key):
    """One property."""
    return {"meta": {key: _held(_find(request, image_id), key)}}


def set_meta(request, image_id, key):
    """Set one property; the body must name the same key as the URL."""
    if key not in request.body["meta"]:
        raise exception.Invalid("Request body and URI mismatch")
    _set(request, image_id, request.body["meta"])
    return {"meta": request.body["meta"]}


def delete_meta(request, image_id, key):
    """Remove one property."""
    _held(_find(request, image_id, "modify_image"), key)
    images.update(request.deps, request.ctx, image_id, [patch.Change("remove", key)])


def _held(record: db.Record, key: str) -> str:
    if key not in record.properties:
        raise exception.NotFound("Invalid metadata key")
    return record.properties[key]


def _set(request, image_id: str, values: dict[str, str], replace: bool = False) -> dict:
    present = _find(request, image_id, "modify_image").properties
    for key in values:
        if key in attributes.BY_NAME or attributes.is_reserved(key):
            raise exception.Invalid(f"Image metadata {key} is reserved")
    snapshot.check_quota(request.deps, values if replace else {**present, **values})
    gone = [patch.Change("remove", key) for key in present if replace and key not in values]
    return images.update(request.deps, request.ctx, image_id, [*gone, *(patch.Change("add", key, value) for key, value in values.items())]).properties


ROUTES = (
    Route("GET", COLLECTION, index, "get_images", until=LAST),
    Route("GET", COLLECTION + "/detail", detail, "get_images", until=LAST),
    Route("GET", ITEM, show, "get_image", until=LAST),
    Route("DELETE", ITEM, delete, None, 204, until=LAST),
    Route("GET", METADATA, metadata, "get_image", until=LAST_METADATA),
    Route("POST", METADATA, add_metadata, None, until=LAST_METADATA, body=server_metadata.ITEMS),
    Route("PUT", METADATA, replace_metadata, None, until=LAST_METADATA, body=server_metadata.ITEMS),
    Route("GET", META, meta, "get_image", until=LAST_METADATA),
    Route("PUT", META, set_meta, None, until=LAST_METADATA, body=server_metadata.ONE),
    Route("DELETE", META, delete_meta, None, 204, until=LAST_METADATA),
)
