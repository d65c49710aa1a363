"""The table of moves: a row for each migrate, resize, live migration and evacuation of a server, kept for the audit after it has ended."""
import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from nova_lite.db.models.base import Base, Json, Moment, Name, Owner, Uuid, created_at, updated_at


class Move(Base):
    """One move of one server; the API's word for it is migration.

    ``open`` until it has ended well or badly: while it is, both hosts keep what they have of the server. ``progress``: what the hypervisor
    says of a live migration (bytes of memory and disk); ``detail``: what a revert must know.
    """

    __tablename__ = "moves"
    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(Uuid, unique=True)
    server_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("servers.id"))
    type: Mapped[str] = mapped_column(sa.String(16))
    status: Mapped[str] = mapped_column(sa.String(32))
    open: Mapped[bool] = mapped_column(default=True)
    source_host: Mapped[str | None] = mapped_column(Name)
    source_node: Mapped[str | None] = mapped_column(Name)
    dest_host: Mapped[str | None] = mapped_column(Name)
    dest_node: Mapped[str | None] = mapped_column(Name)
    dest_address: Mapped[str | None] = mapped_column(Name)
    old_flavor_id: Mapped[int | None]
    new_flavor_id: Mapped[int | None]
    user_id: Mapped[str | None] = mapped_column(Owner)
    project_id: Mapped[str | None] = mapped_column(Owner)
    progress: Mapped[dict] = mapped_column(Json, default=dict)
    detail: Mapped[dict] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()
    ended_at: Mapped[datetime.datetime | None] = mapped_column(Moment)
    __table_args__ = (
        sa.Index("ix_moves_server", "server_id", "open"),
        sa.Index("ix_moves_created", "created_at", "id"),
        sa.Index("ix_moves_destination", "dest_host", "open"),
        Base.__table_args__,
    )
