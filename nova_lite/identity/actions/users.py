"""Users: create, show, list, change, delete, change password."""
import uuid

from nova_lite import clock, exception
from nova_lite.db import identity as db
from nova_lite.db.models.identity import Project, User
from nova_lite.identity import domains
from nova_lite.identity.deps import Deps

TAKEN = "Conflict occurred attempting to store user - Duplicate entry found with name {name} at domain ID {domain_id}."


def create(deps: Deps, name: str, password: str | None = None, domain_id: str = domains.DEFAULT_ID, **attributes) -> User:
    """Make a user. ``attributes``: enabled, default_project_id, extra. Raises Conflict when the name is taken, NotFound for a wrong domain."""
    domains.require(domain_id)
    hashed = deps.passwords.hash(password) if password is not None else None
    user = User(id=uuid.uuid4().hex, domain_id=domain_id, name=name, password_hash=hashed, **attributes)
    with deps.write() as tx:
        db.add(tx, user, TAKEN.format(name=name, domain_id=domain_id))
    return user


def show(deps: Deps, user_id: str) -> User:
    """Raises NotFound."""
    with deps.db.read() as tx:
        return _get(tx, user_id)


def _get(tx, user_id: str) -> User:
    user = db.get(tx, User, user_id)
    if user is None:
        raise exception.NotFound(f"Could not find user: {user_id}.")
    return user


def list_all(deps: Deps, filters: dict, page: db.Page) -> list[User]:
    """Users whose columns equal ``filters``."""
    with deps.db.read() as tx:
        return db.list_all(tx, User, filters, page)


def update(deps: Deps, user_id: str, password: str | None = None, extra: dict | None = None, **columns) -> User:
    """Change a user. ``extra``: free attributes to set, None values to remove. A new password or disabling voids the user's tokens.

    Raises NotFound; Conflict when the new name is taken.
    """
    if password is not None:
        columns["password_hash"] = deps.passwords.hash(password)
    if password is not None or columns.get("enabled") is False:
        columns["tokens_valid_after"] = clock.now()
    with deps.write() as tx:
        user = _get(tx, user_id)
        if extra:
            columns["extra"] = {key: value for key, value in {**user.extra, **extra}.items() if value is not None}
        db.update(tx, user, columns, TAKEN.format(name=columns.get("name"), domain_id=user.domain_id))
        return user


def change_password(deps: Deps, user_id: str, original: str, password: str) -> None:
    """A user's own change of password; voids the user's tokens. Raises Unauthorized when ``original`` is wrong or the user unknown."""
    with deps.db.read() as tx:
        user = db.get(tx, User, user_id)
        stored = user.password_hash if user is not None else None
    if not deps.passwords.verify(stored, original):
        raise exception.Unauthorized()
    update(deps, user_id, password=password)


def delete(deps: Deps, user_id: str) -> None:
    """Remove a user with all roles; the user's tokens are void from then on. Raises NotFound."""
    with deps.write() as tx:
        if not db.delete_user(tx, user_id):
            raise exception.NotFound(f"Could not find user: {user_id}.")


def list_projects(deps: Deps, user_id: str, filters: dict, page: db.Page) -> list[Project]:
    """The projects on which a user has a role. Raises NotFound."""
    with deps.db.read() as tx:
        _get(tx, user_id)
        return db.list_projects_of_user(tx, user_id, filters, page)
