"""SQL of the identity room: users, projects, roles, assignments, revocations. Called by ``identity.actions``."""
import datetime
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import exception
from nova_lite.db import engine, unless_taken
from nova_lite.db.models.identity import Project, Role, RoleAssignment, TokenRevocation, User

Entity = User | Project | Role


@dataclass(frozen=True)
class Page:
    """A page of a list ordered by id: at most ``limit`` rows (None: all) after the id ``marker``."""

    limit: int | None = None
    marker: str | None = None


# ---- users, projects and roles: three tables of the same shape -------------------------------------------------------------
def add(tx: orm.Session, row: Entity, taken: str) -> None:
    """Insert ``row``. Raises Conflict with the text ``taken`` when its name or id exists."""
    tx.add(row)
    _flush(tx, taken)


def _flush(tx: orm.Session, taken: str) -> None:
    try:
        tx.flush()
    except sa.exc.IntegrityError as error:
        if engine.is_duplicate(error):
            raise exception.Conflict(taken) from error
        raise


def get(tx: orm.Session, model: type[Entity], id_: str) -> Entity | None:
    """The row with this id, or None."""
    return tx.get(model, id_)


def find(tx: orm.Session, model: type[Entity], **columns: Any) -> Entity | None:
    """The row with these column values, or None."""
    return tx.scalars(sa.select(model).filter_by(**columns)).first()


def list_all(tx: orm.Session, model: type[Entity], filters: dict[str, Any], page: Page = Page()) -> list[Entity]:  # noqa: B008
    """The rows whose columns equal ``filters``, in the order of their ids."""
    query = sa.select(model).filter_by(**filters).order_by(model.id)
    if page.marker is not None:
        query = query.where(model.id > page.marker)
    return list(tx.scalars(query.limit(page.limit)))


def update(tx: orm.Session, row: Entity, values: dict[str, Any], taken: str) -> None:
    """Set columns of ``row``. Raises Conflict with the text ``taken`` when the new name exists."""
    for name, value in values.items():
        setattr(row, name, value)
    _flush(tx, taken)


def delete_user(tx: orm.Session, user_id: str) -> bool:
    """Remove a user and the user's roles; whether there was one."""
    tx.execute(sa.delete(RoleAssignment).where(RoleAssignment.user_id == user_id))
    return tx.execute(sa.delete(User).where(User.id == user_id)).rowcount == 1


def delete_project(tx: orm.Session, project_id: str) -> bool:
    """Remove a project and the roles on it; whether there was one."""
    tx.execute(sa.delete(RoleAssignment).where(RoleAssignment.target_kind == "project", RoleAssignment.target_id == project_id))
    tx.execute(sa.update(User).where(User.default_project_id == project_id).values(default_project_id=None))
    return tx.execute(sa.delete(Project).where(Project.id == project_id)).rowcount == 1


def delete_role(tx: orm.Session, role_id: str) -> bool:
    """Remove a role and all its assignments; whether there was one."""
    tx.execute(sa.delete(RoleAssignment).where(RoleAssignment.role_id == role_id))
    return tx.execute(sa.delete(Role).where(Role.id == role_id)).rowcount == 1


def list_projects_of_user(tx: orm.Session, user_id: str, filters: dict[str, Any], page: Page = Page()) -> list[Project]:  # noqa: B008
    """The projects on which a user has a role, in the order of their ids."""
    mine = sa.select(RoleAssignment.target_id).where(RoleAssignment.user_id == user_id, RoleAssignment.target_kind == "project")
    query = sa.select(Project).filter_by(**filters).where(Project.id.in_(mine)).order_by(Project.id)
    if page.marker is not None:
        query = query.where(Project.id > page.marker)
    return list(tx.scalars(query.limit(page.limit)))


# ---- assignments -----------------------------------------------------------------------------------------------------------
def grant(tx: orm.Session, user_id: str, kind: str, target_id: str, role_id: str) -> None:
    """Give a role on a target; nothing happens when the user has it."""
    unless_taken.insert_unless_taken(tx, RoleAssignment, [
        {"user_id": user_id, "target_kind": kind, "target_id": target_id, "role_id": role_id}])


def has_grant(tx: orm.Session, user_id: str, kind: str, target_id: str, role_id: str) -> bool:
    """Whether the user has exactly this role there (implied ones not counted)."""
    return tx.get(RoleAssignment, (user_id, kind, target_id, role_id)) is not None


def revoke_grant(tx: orm.Session, user_id: str, kind: str, target_id: str, role_id: str) -> bool:
    """Take a role from a target; whether the user had it."""
    return tx.execute(sa.delete(RoleAssignment).filter_by(user_id=user_id, target_kind=kind, target_id=target_id,
                                                          role_id=role_id)).rowcount == 1


def list_roles_on(tx: orm.Session, user_id: str, kind: str, target_id: str) -> list[Role]:
    """The roles that a user was given on a target, by name."""
    query = sa.select(Role).join(RoleAssignment, RoleAssignment.role_id == Role.id)
    return list(tx.scalars(query.where(RoleAssignment.user_id == user_id, RoleAssignment.target_kind == kind,
                                       RoleAssignment.target_id == target_id).order_by(Role.name)))


def list_assignments(tx: orm.Session, filters: dict[str, str]) -> list[sa.Row]:
    """(RoleAssignment, user name, user's domain, role name, project name or None, project's domain or None) rows.

    ``filters``: columns of RoleAssignment and their values.
    """
    query = (sa.select(RoleAssignment, User.name, User.domain_id, Role.name, Project.name, Project.domain_id)
             .join(User, User.id == RoleAssignment.user_id).join(Role, Role.id == RoleAssignment.role_id)
             .join(Project, sa.and_(Project.id == RoleAssignment.target_id, RoleAssignment.target_kind == "project"), isouter=True))
    return list(tx.execute(query.filter_by(**filters).order_by(User.name, RoleAssignment.target_kind, Project.name, Role.name)))


# ---- tokens ----------------------------------------------------------------------------------------------------------------
# Built once: putting the statement together costs more than running it, and every request of every API runs it.
_STANDING = (
    sa.select(User.name.label("user_name"), User.domain_id.label("user_domain_id"), User.enabled.label("user_enabled"),
              User.tokens_valid_after.label("user_after"), Project.name.label("project_name"), Project.domain_id.label("project_domain_id"),
              Project.enabled.label("project_enabled"), Project.tokens_valid_after.label("project_after"), Role.name.label("role"),
              sa.select(sa.func.max(TokenRevocation.audit_id)).where(TokenRevocation.audit_id.in_(sa.bindparam("audit_ids", expanding=True)))
              .scalar_subquery().label("revoked"))
    .select_from(User)
    .join(Project, Project.id == sa.bindparam("project_id", type_=sa.String), isouter=True)
    .join(RoleAssignment, sa.and_(RoleAssignment.user_id == User.id, RoleAssignment.target_kind == sa.bindparam("kind", type_=sa.String),
                                  RoleAssignment.target_id == sa.bindparam("target_id", type_=sa.String)), isouter=True)
    .join(Role, Role.id == RoleAssignment.role_id, isouter=True)
    .where(User.id == sa.bindparam("user_id")))


def read_standing(tx: orm.Session, user_id: str, kind: str | None, target_id: str | None, audit_ids: tuple[str, ...]) -> list[sa.Row]:
    """All that decides whether a token holds, in one statement: a row for each role on the target (one with ``role`` None where there is none).

    Empty when the user is gone. ``revoked`` is an audit id of the token that was revoked, else None.
    """
    values = {"user_id": user_id, "kind": kind, "target_id": target_id, "project_id": target_id if kind == "project" else None,
              "audit_ids": list(audit_ids)}
    return list(tx.execute(_STANDING, values))


def revoke_token(tx: orm.Session, audit_id: str, expires_at: datetime.datetime) -> None:
    """Void one token. Revoking it again changes nothing."""
    if tx.get(TokenRevocation, audit_id) is None:
        tx.add(TokenRevocation(audit_id=audit_id, expires_at=expires_at))


def purge_revocations(tx: orm.Session, now: datetime.datetime) -> int:
    """Forget revocations of tokens that have expired anyway; how many."""
    return tx.execute(sa.delete(TokenRevocation).where(TokenRevocation.expires_at < now)).rowcount
