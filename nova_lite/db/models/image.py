"""Tables of the image room: images with their free properties and tags, and with whom they are shared."""
import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from nova_lite.db.models.base import Base, Moment, Name, Uuid, created_at, updated_at

__all__ = ["Image", "ImageMember", "ImageProperty", "ImageTag"]


class Image(Base):
    """An image. ``location``: its file in the store ``store_id``, NULL until it is whole; ``upload_id``: the upload under way.

    ``size`` is 0 until there is a location. A deleted image keeps its row, so that its id is never used again.
    """

    __tablename__ = "images"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str | None] = mapped_column(Name)
    owner: Mapped[str | None] = mapped_column(Name)
    visibility: Mapped[str] = mapped_column(sa.String(16), default="shared")
    status: Mapped[str] = mapped_column(sa.String(16), default="queued")
    protected: Mapped[bool] = mapped_column(default=False)
    os_hidden: Mapped[bool] = mapped_column(default=False)
    disk_format: Mapped[str | None] = mapped_column(sa.String(20))
    container_format: Mapped[str | None] = mapped_column(sa.String(20))
    min_disk: Mapped[int] = mapped_column(default=0)
    min_ram: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    virtual_size: Mapped[int | None] = mapped_column(sa.BigInteger)
    checksum: Mapped[str | None] = mapped_column(sa.String(32))
    os_hash_algo: Mapped[str | None] = mapped_column(sa.String(64))
    os_hash_value: Mapped[str | None] = mapped_column(sa.String(128))
    location: Mapped[str | None] = mapped_column(Name)
    store_id: Mapped[str | None] = mapped_column(Uuid)
    upload_id: Mapped[str | None] = mapped_column(Uuid)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime] = mapped_column(Moment)
    deleted_at: Mapped[datetime.datetime | None] = mapped_column(Moment)
    __table_args__ = (
        sa.Index("ix_images_created", "deleted_at", "created_at", "id"),
        sa.Index("ix_images_owner", "owner"),
        Base.__table_args__,
    )


class ImageProperty(Base):
    """A free property of an image, shown beside its attributes."""

    __tablename__ = "image_properties"
    image_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    value: Mapped[str] = mapped_column(sa.Text)


class ImageTag(Base):
    """A tag of an image."""

    __tablename__ = "image_tags"
    image_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(Name, primary_key=True)


class ImageMember(Base):
    """A project with which an image is shared. ``status``: pending, accepted, rejected."""

    __tablename__ = "image_members"
    image_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    member: Mapped[str] = mapped_column(Name, primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="pending")
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()
