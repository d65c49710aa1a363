"""What administrators may ask about network quotas: set and reset the limits of a project."""
from nova_lite import exception
from nova_lite.db import networks as db_networks
from nova_lite.db import quotas
from nova_lite.network.actions.deps import QUOTA_SCOPE

LONGEST_PROJECT_ID = 64


def update(deps, project_id: str, changes: list[tuple[str, int, type]], *, check: bool) -> None:
    """Set limits: (resource, limit, the model that is counted); -1 is unlimited.

    One below what is used keeps more from being made; with ``check`` it is refused. Raises Invalid.
    """
    if len(project_id) > LONGEST_PROJECT_ID:
        raise exception.Invalid(f"Project ID {project_id} is not a valid project.")
    with deps.db.write() as tx:
        for resource, limit, model in changes:
            used = db_networks.count(tx, model, project_id) if check and limit >= 0 else 0
            if 0 <= limit < used:
                raise exception.Invalid(f"Quota limit {limit} for {resource} is below what is used, {used}.")
            quotas.set_limit(tx, QUOTA_SCOPE + project_id, resource, limit)


def reset(deps, project_id: str) -> None:
    """Back to what the configuration gives."""
    with deps.db.write() as tx:
        quotas.delete_limits(tx, QUOTA_SCOPE + project_id)
