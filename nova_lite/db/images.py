"""SQL of the image room: images with properties and tags, uploads as compare-and-set, members. Called by ``image.actions``."""
import collections
import datetime
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import clock, exception
from nova_lite.db import engine, filtering
from nova_lite.db.models.image import Image, ImageMember, ImageProperty, ImageTag

COMPARE = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__", "eq": "__eq__", "neq": "__ne__"}


@dataclass(frozen=True)
class Viewer:
    """Who looks: an administrator sees all images."""

    project_id: str | None
    is_admin: bool


@dataclass(frozen=True)
class Record:
    """An image with what hangs on it."""

    image: Image
    properties: dict[str, str]
    tags: list[str]


@dataclass(frozen=True)
class Wanted:
    """Which images a list shows. ``columns``: values admitted for each; ``compare``: (column, gt|gte|lt|lte|eq|neq, value).

    ``visibility`` None leaves out other projects' community images; ``member_status``: of images shared with the viewer, or ``all``.
    """

    columns: dict[str, list] = field(default_factory=dict)
    compare: tuple[tuple[str, str, Any], ...] = ()
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    visibility: str | None = None
    member_status: str = "accepted"


# ---- reading ---------------------------------------------------------------------------------------------------------------
def visible(viewer: Viewer, member_status: str = "all"):
    """The WHERE clause of the images that the viewer may see; ``member_status``: of those shared with it."""
    if viewer.is_admin:
        return sa.true()
    shared = sa.select(ImageMember.image_id).where(ImageMember.member == viewer.project_id)
    if member_status != "all":
        shared = shared.where(ImageMember.status == member_status)
    return sa.or_(Image.visibility.in_(("public", "community")), Image.owner == viewer.project_id,
                  sa.and_(Image.visibility == "shared", Image.id.in_(shared)))


def get(tx: orm.Session, viewer: Viewer, image_id: str, with_tags: bool = True) -> Record:
    """The image, if the viewer may see it; one statement, and one more for the tags. Raises ImageNotFound."""
    query = (sa.select(Image, ImageProperty.name, ImageProperty.value)
             .join(ImageProperty, ImageProperty.image_id == Image.id, isouter=True)
             .where(Image.id == image_id, Image.deleted_at.is_(None), visible(viewer)).order_by(ImageProperty.name))
    rows = tx.execute(query).all()
    if not rows:
        raise exception.ImageNotFound(image_id=image_id)
    tags = _tags_of(tx, [image_id])[image_id] if with_tags else []
    return Record(rows[0][0], {name: value for _, name, value in rows if name is not None}, tags)


def list_all(tx: orm.Session, viewer: Viewer, wanted: Wanted, page: filtering.Page) -> list[Record]:
    """A page of the images that the viewer may see; three statements (one more with a marker). Raises Invalid for a marker that is no such image."""
    images = filtering.select_page(tx, Image, page, *_conditions(viewer, wanted))
    ids = [image.id for image in images]
    properties, tags = _properties_of(tx, ids), _tags_of(tx, ids)
    return [Record(image, properties[image.id], tags[image.id]) for image in images]


def _conditions(viewer: Viewer, wanted: Wanted) -> list:
    found = [Image.deleted_at.is_(None), visible(viewer, wanted.member_status)]
    if wanted.visibility is None:
        found.append(sa.or_(Image.visibility != "community", Image.owner == viewer.project_id))
    elif wanted.visibility != "all":
        found.append(Image.visibility == wanted.visibility)
    found += [getattr(Image, name).in_(values) for name, values in wanted.columns.items()]
    found += [getattr(getattr(Image, name), COMPARE[operator])(value) for name, operator, value in wanted.compare]
    found += [Image.id.in_(sa.select(ImageTag.image_id).where(ImageTag.tag == tag)) for tag in wanted.tags]
    found += [Image.id.in_(sa.select(ImageProperty.image_id).where(ImageProperty.name == name, ImageProperty.value == value))
              for name, value in wanted.properties.items()]
    return found


def _properties_of(tx: orm.Session, ids: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = collections.defaultdict(dict)
    query = sa.select(ImageProperty.image_id, ImageProperty.name, ImageProperty.value).where(ImageProperty.image_id.in_(ids))
    for image_id, name, value in tx.execute(query.order_by(ImageProperty.name)) if ids else ():
        found[image_id][name] = value
    return found


def _tags_of(tx: orm.Session, ids: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = collections.defaultdict(list)
    query = sa.select(ImageTag.image_id, ImageTag.tag).where(ImageTag.image_id.in_(ids)).order_by(ImageTag.tag)
    for image_id, tag in tx.execute(query) if ids else ():
        found[image_id].append(tag)
    return found


# ---- changing --------------------------------------------------------------------------------------------------------------
def add(tx: orm.Session, image: Image, properties: dict[str, str], tags: list[str]) -> None:
    """Insert an image. Raises Conflict when its id is or was in use."""
    tx.add(image)
    try:
        tx.flush()
    except sa.exc.IntegrityError as error:
        if engine.is_duplicate(error):
            raise exception.Conflict(f"Image ID {image.id} already exists!") from error
        raise
    tx.add_all(ImageProperty(image_id=image.id, name=name, value=value) for name, value in properties.items())
    tx.add_all(ImageTag(image_id=image.id, tag=tag) for tag in tags)


def change(tx: orm.Session, image_id: str, columns: dict[str, Any], properties: dict[str, str | None] | None = None,
           tags: list[str] | None = None) -> None:
    """Set columns, properties (None removes one) and, unless None, all tags. Raises ImageNotFound."""
    values = {**columns, "updated_at": clock.now()}
    if not tx.execute(sa.update(Image).where(Image.id == image_id, Image.deleted_at.is_(None)).values(values)).rowcount:
        raise exception.ImageNotFound(image_id=image_id)
    for name, value in (properties or {}).items():
        if value is None:
            tx.execute(sa.delete(ImageProperty).where(ImageProperty.image_id == image_id, ImageProperty.name == name))
        else:
            tx.merge(ImageProperty(image_id=image_id, name=name, value=value))
    if tags is not None:
        tx.execute(sa.delete(ImageTag).where(ImageTag.image_id == image_id))
        tx.add_all(ImageTag(image_id=image_id, tag=tag) for tag in tags)


def remove_tag(tx: orm.Session, image_id: str, tag: str) -> bool:
    """Whether the image had the tag."""
    return tx.execute(sa.delete(ImageTag).where(ImageTag.image_id == image_id, ImageTag.tag == tag)).rowcount == 1


def set_status(tx: orm.Session, image_id: str, before: tuple[str, ...], after: str) -> bool:
    """Compare-and-set; whether the image was in one of the states ``before``."""
    return tx.execute(sa.update(Image).where(Image.id == image_id, Image.status.in_(before))
                      .values(status=after, updated_at=clock.now())).rowcount == 1


def delete(tx: orm.Session, image_id: str) -> bool:
    """Delete an image that is not protected; whether this call did. Its file is the caller's to remove."""
    now = clock.now()
    gone = tx.execute(
        sa.update(Image).where(Image.id == image_id, Image.deleted_at.is_(None), Image.protected.is_(False))
        .values(status="deleted", deleted_at=now, updated_at=now, location=None, upload_id=None)).rowcount == 1
    if gone:
        for model in (ImageProperty, ImageTag, ImageMember):
            tx.execute(sa.delete(model).where(model.image_id == image_id))
    return gone


# ---- uploads ---------------------------------------------------------------------------------------------------------------
def begin_upload(tx: orm.Session, image_id: str, upload_id: str, store_id: str) -> bool:
    """queued → saving; whether this upload won."""
    return tx.execute(sa.update(Image).where(Image.id == image_id, Image.status == "queued")
                      .values(status="saving", upload_id=upload_id, store_id=store_id, updated_at=clock.now())).rowcount == 1


def finish_upload(tx: orm.Session, image_id: str, upload_id: str, values: dict[str, Any]) -> bool:
    """saving → active with the data's facts (location, size, checksum ...); whether the upload was still the image's."""
    return tx.execute(sa.update(Image).where(Image.id == image_id, Image.status == "saving", Image.upload_id == upload_id)
                      .values(status="active", upload_id=None, updated_at=clock.now(), **values)).rowcount == 1


def abandon_upload(tx: orm.Session, image_id: str, upload_id: str) -> bool:
    """saving → queued; whether the upload was still the image's."""
    return tx.execute(sa.update(Image).where(Image.id == image_id, Image.status == "saving", Image.upload_id == upload_id)
                      .values(status="queued", upload_id=None, store_id=None, updated_at=clock.now())).rowcount == 1


def list_uploads(tx: orm.Session, store_id: str) -> list[tuple[str, str]]:
    """(image id, upload id) of each image that is being saved into a store."""
    query = sa.select(Image.id, Image.upload_id).where(Image.status == "saving", Image.store_id == store_id)
    return [tuple(row) for row in tx.execute(query)]


def has_location(tx: orm.Session, image_id: str, location: str) -> bool:
    """Whether this file is an image's."""
    return tx.execute(sa.select(Image.id).where(Image.id == image_id, Image.location == location)).first() is not None


def deleted_at(tx: orm.Session, image_id: str) -> datetime.datetime | None:
    """When an image was deleted; None for one that is there, or never was."""
    return tx.scalar(sa.select(Image.deleted_at).where(Image.id == image_id))


# ---- members ---------------------------------------------------------------------------------------------------------------
def list_members(tx: orm.Session, image_id: str) -> list[ImageMember]:
    """With whom an image is shared."""
    return list(tx.scalars(sa.select(ImageMember).where(ImageMember.image_id == image_id).order_by(ImageMember.created_at, ImageMember.member)))


def get_member(tx: orm.Session, image_id: str, member: str) -> ImageMember | None:
    """The share of one project."""
    return tx.get(ImageMember, (image_id, member))


def add_member(tx: orm.Session, image_id: str, member: str) -> ImageMember:
    """Share an image. Raises Conflict when it is shared with this project already."""
    row = ImageMember(image_id=image_id, member=member, created_at=clock.now(), updated_at=clock.now())
    tx.add(row)
    try:
        tx.flush()
    except sa.exc.IntegrityError as error:
        if engine.is_duplicate(error):
            raise exception.Conflict(f"Member {member} is duplicated for image {image_id}") from error
        raise
    return row


def set_member_status(tx: orm.Session, member: ImageMember, status: str, now: datetime.datetime) -> None:
    """Accept, reject or put off a share."""
    member.status, member.updated_at = status, now


def remove_member(tx: orm.Session, image_id: str, member: str) -> bool:
    """Whether the image was shared with the project."""
    return tx.execute(sa.delete(ImageMember).where(ImageMember.image_id == image_id, ImageMember.member == member)).rowcount == 1
