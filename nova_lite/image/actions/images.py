"""Image records: create, show, list, change, delete, tag, deactivate; and what a server needs to know of its image."""
import uuid

from nova_lite import clock, exception
from nova_lite.context import RequestContext
from nova_lite.db import filtering
from nova_lite.db import images as db
from nova_lite.db.models.image import Image
from nova_lite.image import attributes, errors, patch
from nova_lite.image.deps import Deps


def viewer_of(ctx: RequestContext) -> db.Viewer:
    """The caller as the database asks for it."""
    return db.Viewer(ctx.project_id, ctx.is_admin)


def create(deps: Deps, columns: dict, properties: dict[str, str], tags: list[str], image_id: str | None = None) -> db.Record:
    """Make a record in status queued. ``columns``: of ``attributes.COLUMNS``. Raises Conflict when the id is or was in use, LimitExceeded."""
    tags = sorted(set(tags))
    _check_limits(len(properties), len(tags))
    now = clock.now()
    image = Image(id=image_id.lower() if image_id else str(uuid.uuid4()), created_at=now, updated_at=now, **columns)
    with deps.db.write() as tx:
        db.add(tx, image, properties, tags)
    return db.Record(image, properties, tags)


def create_of_server(tx, ctx: RequestContext, columns: dict, properties: dict[str, str], owner: str) -> str:
    """The record of an image that a worker will upload, in the caller's transaction; its id.

    It is the caller's own; the project ``owner`` sees it too. Raises LimitExceeded.
    """
    _check_limits(len(properties), 0)
    now = clock.now()
    image = Image(id=str(uuid.uuid4()), created_at=now, updated_at=now, owner=ctx.project_id,
                  visibility="private" if ctx.project_id == owner else "shared", **columns)
    db.add(tx, image, properties, [])
    if ctx.project_id != owner:
        db.set_member_status(tx, db.add_member(tx, image.id, owner), "accepted", now)
    return image.id


def _check_limits(properties: int, tags: int) -> None:
    for what, count, maximum in (("properties", properties, attributes.MAX_PROPERTIES), ("tags", tags, attributes.MAX_TAGS)):
        if count > maximum:
            raise errors.LimitExceeded(what=what, count=count, maximum=maximum)


def show(deps: Deps, ctx: RequestContext, image_id: str) -> db.Record:
    """Raises ImageNotFound, also for an image that the caller may not see."""
    with deps.db.read() as tx:
        return db.get(tx, viewer_of(ctx), image_id)


def list_all(deps: Deps, ctx: RequestContext, wanted: db.Wanted, page: filtering.Page) -> list[db.Record]:
    """A page of what the caller may see. Raises Invalid for a marker that is not in the list."""
    with deps.db.read() as tx:
        return db.list_all(tx, viewer_of(ctx), wanted, page)


def update(deps: Deps, ctx: RequestContext, image_id: str, changes: list[patch.Change]) -> db.Record:
    """Apply a patch. Raises ImageNotFound; Conflict, Forbidden as ``patch.apply``; LimitExceeded."""
    with deps.db.write() as tx:
        record = db.get(tx, viewer_of(ctx), image_id)
        outcome = patch.apply(changes, record.properties, record.image.status)
        left = {name for name in {**record.properties, **outcome.properties} if outcome.properties.get(name, "") is not None}
        _check_limits(len(left), len(outcome.tags or ()))
        db.change(tx, image_id, outcome.columns, outcome.properties, outcome.tags)
    return show(deps, ctx, image_id)


def delete(deps: Deps, image_id: str) -> None:
    """Delete an image and its file; downloads under way go on. Raises ImageNotFound, Forbidden when it is protected."""
    with deps.db.write() as tx:
        image = db.get(tx, db.Viewer(None, True), image_id, with_tags=False).image
        location, store_id = image.location, image.store_id
        if image.protected or not db.delete(tx, image_id):
            raise exception.Forbidden(f"Image {image_id} is protected and cannot be deleted.")
    if location is not None and store_id == deps.store.id:
        deps.store.remove(location)


def add_tag(deps: Deps, ctx: RequestContext, image_id: str, tag: str) -> None:
    """Tag an image; nothing happens when it has the tag. Raises ImageNotFound, Invalid, LimitExceeded."""
    if len(tag) > 255:
        raise exception.Invalid("Failed validating the tag: it is longer than 255 characters.")
    with deps.db.write() as tx:
        tags = db.get(tx, viewer_of(ctx), image_id).tags
        if tag not in tags:
            _check_limits(0, len(tags) + 1)
            db.change(tx, image_id, {}, tags=[*tags, tag])


def remove_tag(deps: Deps, ctx: RequestContext, image_id: str, tag: str) -> None:
    """Raises ImageNotFound, NotFound when the image does not have the tag."""
    with deps.db.write() as tx:
        db.get(tx, viewer_of(ctx), image_id, with_tags=False)
        if not db.remove_tag(tx, image_id, tag):
            raise exception.NotFound(f"Image {image_id} has no tag {tag}.")
        db.change(tx, image_id, {})


def set_active(deps: Deps, image_id: str, active: bool) -> None:
    """Deactivate an image (only administrators can download it) or reactivate it; again changes nothing. Raises Forbidden in other states."""
    before, after = (("deactivated", "active"), "active") if active else (("active", "deactivated"), "deactivated")
    with deps.db.write() as tx:
        if not db.set_status(tx, image_id, before, after):
            raise exception.Forbidden(f"Image {image_id} is in a status that does not allow it to become {after}.")


def get_for_server(tx, ctx: RequestContext, image_id: str) -> dict:
    """The image as plain values, for a server of the caller: see ``for_server``; one statement. Raises ImageNotFound."""
    return for_server(db.get(tx, viewer_of(ctx), image_id, with_tags=False))


def for_server(record: db.Record) -> dict:
    """An image as plain values: its attributes, ``properties`` and no tags."""
    image = record.image
    names = ("id", "name", "owner", "visibility", "status", "disk_format", "container_format", "min_disk", "min_ram", "size", "virtual_size",
             "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at")
    return {**{name: getattr(image, name) for name in names}, "properties": record.properties}
