"""Projects: create, show, list, change, delete."""
import uuid

from nova_lite import clock, exception
from nova_lite.db import identity as db
from nova_lite.db.models.identity import Project
from nova_lite.identity import domains
from nova_lite.identity.deps import Deps

TAKEN = ("Conflict occurred attempting to store project - it is not permitted to have two projects with the same name in the same "
         "domain: {name}.")


def create(deps: Deps, name: str, domain_id: str = domains.DEFAULT_ID, **attributes) -> Project:
    """Make a project. ``attributes``: description, enabled, tags, extra. Raises Conflict when the name is taken, NotFound for a wrong domain."""
    domains.require(domain_id)
    project = Project(id=uuid.uuid4().hex, domain_id=domain_id, name=name, **attributes)
    with deps.write() as tx:
        db.add(tx, project, TAKEN.format(name=name))
    return project


def show(deps: Deps, project_id: str) -> Project:
    """Raises NotFound."""
    with deps.db.read() as tx:
        return _get(tx, project_id)


def _get(tx, project_id: str) -> Project:
    project = db.get(tx, Project, project_id)
    if project is None:
        raise exception.NotFound(f"Could not find project: {project_id}.")
    return project


def list_all(deps: Deps, filters: dict, page: db.Page) -> list[Project]:
    """Projects whose columns equal ``filters``."""
    with deps.db.read() as tx:
        return db.list_all(tx, Project, filters, page)


def update(deps: Deps, project_id: str, extra: dict | None = None, **columns) -> Project:
    """Change a project; disabling it voids the tokens scoped to it. Raises NotFound; Conflict when the new name is taken."""
    if columns.get("enabled") is False:
        columns["tokens_valid_after"] = clock.now()
    with deps.write() as tx:
        project = _get(tx, project_id)
        if extra:
            columns["extra"] = {key: value for key, value in {**project.extra, **extra}.items() if value is not None}
        db.update(tx, project, columns, TAKEN.format(name=columns.get("name")))
        return project


def delete(deps: Deps, project_id: str) -> None:
    """Remove a project and the roles on it; tokens scoped to it are void from then on. Raises NotFound."""
    with deps.write() as tx:
        if not db.delete_project(tx, project_id):
            raise exception.NotFound(f"Could not find project: {project_id}.")
