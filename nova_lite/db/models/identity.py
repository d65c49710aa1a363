"""Tables of the identity room: users, projects, roles, who has which role where, and revoked tokens."""
import datetime

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Mapped, mapped_column

from nova_lite.db.models.base import Base, Json, Moment, Name, Uuid, created_at, updated_at

__all__ = ["Project", "Role", "RoleAssignment", "TokenRevocation", "User"]


def _tokens_valid_after() -> Mapped[datetime.datetime | None]:
    """Tokens issued at or before this moment are void; NULL voids none."""
    return orm.mapped_column(Moment)


class User(Base):
    """A user. ``password_hash`` NULL: cannot log in by password. ``extra``: free attributes (email, description ...)."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    domain_id: Mapped[str] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(Name)
    password_hash: Mapped[str | None] = mapped_column(Name)
    enabled: Mapped[bool] = mapped_column(default=True)
    default_project_id: Mapped[str | None] = mapped_column(Uuid)
    extra: Mapped[dict] = mapped_column(Json, default=dict)
    tokens_valid_after: Mapped[datetime.datetime | None] = _tokens_valid_after()
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()
    __table_args__ = (sa.UniqueConstraint("domain_id", "name"), Base.__table_args__)


class Project(Base):
    """A project: who owns servers, networks and images."""

    __tablename__ = "projects"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    domain_id: Mapped[str] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(sa.String(64))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    tags: Mapped[list] = mapped_column(Json, default=list)
    extra: Mapped[dict] = mapped_column(Json, default=dict)
    tokens_valid_after: Mapped[datetime.datetime | None] = _tokens_valid_after()
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()
    __table_args__ = (sa.UniqueConstraint("domain_id", "name"), Base.__table_args__)


class Role(Base):
    """A role; policies speak of it by name."""

    __tablename__ = "roles"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    description: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[datetime.datetime] = created_at()


class RoleAssignment(Base):
    """A user's role on a target. ``target_kind``: project, domain or system (whose ``target_id`` is ``all``)."""

    __tablename__ = "role_assignments"
    user_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    target_kind: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    target_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    role_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True)
    __table_args__ = (sa.Index("ix_role_assignments_target", "target_kind", "target_id"), Base.__table_args__)


class TokenRevocation(Base):
    """A token that was revoked before it expired, by its audit id."""

    __tablename__ = "token_revocations"
    audit_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    expires_at: Mapped[datetime.datetime] = mapped_column(Moment, index=True)
