"""Users for people without the Identity API at hand; used by ``nova-lite-manage user create``."""
from nova_lite import exception
from nova_lite.cmd import apis
from nova_lite.cmd.wiring import Site
from nova_lite.db import identity as identity_
from nova_lite.db.models.identity import Project, Role, User
from nova_lite.identity import domains
from nova_lite.identity.actions import projects, roles, users


def create(here: Site, name: str, password: str, project_name: str, role_name: str) -> dict:
    """A user with ``role_name`` on ``project_name``; ids of both. The project is made when missing, the user's password set in any case.

    Raises NotFound for an unknown role.
    """
    deps = apis.identity_deps(here)
    with here.db.read() as tx:
        role = identity_.find(tx, Role, name=role_name)
        project = identity_.find(tx, Project, domain_id=domains.DEFAULT_ID, name=project_name)
        user = identity_.find(tx, User, domain_id=domains.DEFAULT_ID, name=name)
    if role is None:
        raise exception.NotFound(f"There is no role {role_name}.")
    if project is None:
        project = projects.create(deps, project_name)
    user = users.create(deps, name, password) if user is None else users.update(deps, user.id, password=password)
    roles.grant(deps, user.id, "project", project.id, role.id)
    return {"user_id": user.id, "project_id": project.id}
