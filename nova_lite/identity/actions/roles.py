"""Roles, and who has which role where (grants on projects, the domain and the system)."""
import uuid

from nova_lite import exception
from nova_lite.db import identity as db
from nova_lite.db.models.identity import Project, Role, User
from nova_lite.identity import domains
from nova_lite.identity.deps import Deps

TAKEN = "Conflict occurred attempting to store role - Duplicate entry found with name {name}."


def create(deps: Deps, name: str, description: str | None = None) -> Role:
    """Make a role. Raises Conflict when the name is taken."""
    role = Role(id=uuid.uuid4().hex, name=name, description=description)
    with deps.write() as tx:
        db.add(tx, role, TAKEN.format(name=name))
    return role


def show(deps: Deps, role_id: str) -> Role:
    """Raises NotFound."""
    with deps.db.read() as tx:
        return _get(tx, role_id)


def _get(tx, role_id: str) -> Role:
    role = db.get(tx, Role, role_id)
    if role is None:
        raise exception.NotFound(f"Could not find role: {role_id}.")
    return role


def list_all(deps: Deps, filters: dict, page: db.Page) -> list[Role]:
    """Roles whose columns equal ``filters``."""
    with deps.db.read() as tx:
        return db.list_all(tx, Role, filters, page)


def update(deps: Deps, role_id: str, **columns) -> Role:
    """Change name or description. Raises NotFound; Conflict when the new name is taken."""
    with deps.write() as tx:
        role = _get(tx, role_id)
        db.update(tx, role, columns, TAKEN.format(name=columns.get("name")))
        return role


def delete(deps: Deps, role_id: str) -> None:
    """Remove a role and take it from everybody. Raises NotFound."""
    with deps.write() as tx:
        if not db.delete_role(tx, role_id):
            raise exception.NotFound(f"Could not find role: {role_id}.")


# ---- grants ----------------------------------------------------------------------------------------------------------------
def _check_references(tx, user_id: str, kind: str, target_id: str) -> None:
    if kind == "project" and db.get(tx, Project, target_id) is None:
        raise exception.NotFound(f"Could not find project: {target_id}.")
    if kind == "domain":
        domains.require(target_id)
    if db.get(tx, User, user_id) is None:
        raise exception.NotFound(f"Could not find user: {user_id}.")


def grant(deps: Deps, user_id: str, kind: str, target_id: str, role_id: str) -> None:
    """Give a user a role on a target (``kind``: project, domain, system). Raises NotFound."""
    with deps.write() as tx:
        _check_references(tx, user_id, kind, target_id)
        _get(tx, role_id)
        db.grant(tx, user_id, kind, target_id, role_id)


def check_grant(deps: Deps, user_id: str, kind: str, target_id: str, role_id: str) -> None:
    """Raises NotFound unless the user was given this very role there."""
    with deps.db.read() as tx:
        _check_references(tx, user_id, kind, target_id)
        _get(tx, role_id)
        if not db.has_grant(tx, user_id, kind, target_id, role_id):
            raise _no_grant(user_id, kind, target_id, role_id)


def revoke_grant(deps: Deps, user_id: str, kind: str, target_id: str, role_id: str) -> None:
    """Take a role; tokens lose it at once. Raises NotFound."""
    with deps.write() as tx:
        if not db.revoke_grant(tx, user_id, kind, target_id, role_id):
            raise _no_grant(user_id, kind, target_id, role_id)


def _no_grant(user_id: str, kind: str, target_id: str, role_id: str) -> exception.NotFound:
    return exception.NotFound(f"Could not find role assignment with role: {role_id}, user or group: {user_id}, {kind}: {target_id}.")


def list_grants(deps: Deps, user_id: str, kind: str, target_id: str) -> list[Role]:
    """The roles that a user was given on a target. Raises NotFound."""
    with deps.db.read() as tx:
        _check_references(tx, user_id, kind, target_id)
        return db.list_roles_on(tx, user_id, kind, target_id)


def list_assignments(deps: Deps, filters: dict[str, str]) -> list:
    """Rows of ``db.identity.list_assignments``."""
    with deps.db.read() as tx:
        return db.list_assignments(tx, filters)
