"""With whom an image is shared: the owner adds and removes projects, each of them accepts or rejects."""
from nova_lite import clock, exception
from nova_lite.context import RequestContext
from nova_lite.db import images as db
from nova_lite.db.models.image import ImageMember
from nova_lite.image import attributes, errors
from nova_lite.image.actions.images import viewer_of
from nova_lite.image.deps import Deps

STATUSES = ("pending", "accepted", "rejected")


def _get(tx, ctx: RequestContext, image_id: str):
    image = db.get(tx, viewer_of(ctx), image_id, with_tags=False).image
    if image.visibility != "shared":
        raise exception.Forbidden("Only shared images have members.")
    return image


def _owns(ctx: RequestContext, image) -> bool:
    return ctx.is_admin or (image.owner is not None and image.owner == ctx.project_id)


def list_all(deps: Deps, ctx: RequestContext, image_id: str) -> list[ImageMember]:
    """All members for the owner, else the caller's own share. Raises ImageNotFound, Forbidden."""
    with deps.db.read() as tx:
        image = _get(tx, ctx, image_id)
        return [member for member in db.list_members(tx, image_id) if _owns(ctx, image) or member.member == ctx.project_id]


def show(deps: Deps, ctx: RequestContext, image_id: str, member: str) -> ImageMember:
    """Raises ImageNotFound, Forbidden, NotFound."""
    for found in list_all(deps, ctx, image_id):
        if found.member == member:
            return found
    raise _no_member(image_id, member)


def _no_member(image_id: str, member: str) -> exception.NotFound:
    return exception.NotFound(f"{member} not found in the member list of the image {image_id}.")


def add(deps: Deps, ctx: RequestContext, image_id: str, member: str) -> ImageMember:
    """Share an image; pending until the member answers. Raises ImageNotFound, Forbidden, Conflict, LimitExceeded."""
    with deps.db.write() as tx:
        if not _owns(ctx, _get(tx, ctx, image_id)):
            raise exception.Forbidden(f"Not allowed to create members for image {image_id}.")
        count = len(db.list_members(tx, image_id)) + 1
        if count > attributes.MAX_MEMBERS:
            raise errors.LimitExceeded(what="members", count=count, maximum=attributes.MAX_MEMBERS)
        return db.add_member(tx, image_id, member)


def answer(deps: Deps, ctx: RequestContext, image_id: str, member: str, status: str) -> ImageMember:
    """Accept, reject or put off: the member's to do. Raises ImageNotFound, Forbidden, NotFound."""
    with deps.db.write() as tx:
        image = _get(tx, ctx, image_id)
        found = db.get_member(tx, image_id, member)
        if found is None or not (_owns(ctx, image) or member == ctx.project_id):
            raise _no_member(image_id, member)
        if not ctx.is_admin and member != ctx.project_id:
            raise exception.Forbidden(f"Not allowed to update members for image {image_id}.")
        db.set_member_status(tx, found, status, clock.now())
        return found


def remove(deps: Deps, ctx: RequestContext, image_id: str, member: str) -> None:
    """No longer share. Raises ImageNotFound, Forbidden, NotFound."""
    with deps.db.write() as tx:
        if not _owns(ctx, _get(tx, ctx, image_id)):
            raise exception.Forbidden("You cannot delete image member.")
        if not db.remove_member(tx, image_id, member):
            raise _no_member(image_id, member)
