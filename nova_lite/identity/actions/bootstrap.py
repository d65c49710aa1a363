"""The first start: the roles, the admin project and the admin user that every cloud begins with. Called by all-in-one and nova-lite-manage."""
import uuid

from nova_lite.db import identity as db
from nova_lite.db.models.identity import Project, Role, User
from nova_lite.identity import domains
from nova_lite.identity.actions import tokens
from nova_lite.identity.deps import Deps

ROLES = ("admin", "manager", "member", "reader", "service")
ADMIN = "admin"


def is_bootstrapped(deps: Deps) -> bool:
    """Whether there is a user called admin."""
    with deps.db.read() as tx:
        return db.find(tx, User, domain_id=domains.DEFAULT_ID, name=ADMIN) is not None


def bootstrap(deps: Deps, admin_password: str) -> tuple[str, bool]:
    """Make what is missing: roles, project admin, user admin with the role admin on the project and the system.

    Returns the admin user's id, and whether it was made now; an existing admin keeps its password.
    """
    # Hashed before the transaction: no green thread yields inside one.
    hashed = None if is_bootstrapped(deps) else deps.passwords.hash(admin_password)
    with deps.write() as tx:
        roles = {name: _ensure(tx, Role, name=name) for name in ROLES}
        project = _ensure(tx, Project, domain_id=domains.DEFAULT_ID, name=ADMIN)
        user = db.find(tx, User, domain_id=domains.DEFAULT_ID, name=ADMIN)
        created = user is None
        if created:
            user = User(id=uuid.uuid4().hex, domain_id=domains.DEFAULT_ID, name=ADMIN, password_hash=hashed, default_project_id=project.id)
            db.add(tx, user, "The user admin was made by another process at the same moment.")
        db.grant(tx, user.id, "project", project.id, roles["admin"].id)
        db.grant(tx, user.id, "system", tokens.SYSTEM_TARGET, roles["admin"].id)
        return user.id, created


def _ensure(tx, model, **columns):
    row = db.find(tx, model, **columns)
    if row is None:
        row = model(id=uuid.uuid4().hex, **columns)
        db.add(tx, row, f"{columns['name']} was made by another process at the same moment.")
    return row
