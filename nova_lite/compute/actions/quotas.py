"""What administrators may ask about quotas: set and reset the limits of a project, of a user in it, and of a class."""
from nova_lite import exception
from nova_lite.compute import quota
from nova_lite.db import quotas

CLASS = "class:"
LONGEST_SCOPE = 128


def update(deps, project_id: str, user_id: str | None, changes: dict[str, int], defaults: dict[str, int], *, force: bool) -> None:
    """Set limits of a project, or with ``user_id`` of a user in it. -1 is unlimited.

    Raises Invalid, unless ``force``, for one below what is used or below what the project's users were promised, and for a user's above the
    project's.
    """
    scope = project_id if user_id is None else quota.user_scope(project_id, user_id)
    if len(scope) > LONGEST_SCOPE:
        raise exception.Invalid(f"Project ID {project_id} is not a valid project.")
    with deps.db.write() as tx:
        if not force:
            _check(tx, project_id, user_id, changes, defaults)
        for resource, limit in changes.items():
            quotas.set_limit(tx, scope, resource, limit)


def _check(tx, project_id: str, user_id: str | None, changes: dict[str, int], defaults: dict[str, int]) -> None:
    used = quota.used(tx, project_id, user_id)
    promised = quotas.sum_user_limits(tx, project_id) if user_id is None else {}
    highest = quota.limits(tx, project_id, None, defaults).of_project if user_id is not None else {}
    for resource, limit in changes.items():
        lowest, most = max(used.get(resource, 0), promised.get(resource, 0)), highest.get(resource, -1)
        if 0 <= limit < lowest:
            raise exception.Invalid(f"Quota limit {limit} for {resource} must be greater than or equal to already used and reserved {lowest}.")
        if most >= 0 and (limit < 0 or limit > most):
            raise exception.Invalid(f"Quota limit {limit} for {resource} must be less than or equal to {most}.")


def reset(deps, project_id: str, user_id: str | None) -> None:
    """Back to what holds for everybody: a user's own limits, or all of a project and its users."""
    with deps.db.write() as tx:
        quotas.delete_limits(tx, project_id if user_id is None else quota.user_scope(project_id, user_id))


def update_class(deps, name: str, changes: dict[str, int]) -> None:
    """Set limits of a class; those of the class ``default`` hold for every project without its own."""
    with deps.db.write() as tx:
        for resource, limit in changes.items():
            quotas.set_limit(tx, CLASS + name, resource, limit)
