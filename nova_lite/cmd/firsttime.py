"""What a cloud needs before its first request: tables of the present version, the first users. Repeating it changes nothing."""
import os
import secrets

from nova_lite import log
from nova_lite.cmd import apis
from nova_lite.cmd.wiring import Site
from nova_lite.db import migrate

LOG = log.get(__name__)


def prepare(here: Site) -> None:
    """Migrate the database and make the administrator. A password made up here is written to ``<state_path>/admin-password``, mode 0600."""
    migrate.upgrade_apart(here.db)
    if here.conf.api.auth_strategy == "builtin":
        bootstrap(here, here.conf.identity.admin_password)


def bootstrap(here: Site, password: str | None) -> bool:
    """Make roles, project and user ``admin``; whether the user was made now. ``password`` None: a random one, kept in a file."""
    from nova_lite.identity.actions import bootstrap as bootstrap_
    deps = apis.identity_deps(here)
    if bootstrap_.is_bootstrapped(deps):
        return False
    made_up = password is None
    password = password or secrets.token_urlsafe(18)
    _, created = bootstrap_.bootstrap(deps, password)
    if created and made_up:
        path = os.path.join(here.conf.state_path, "admin-password")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
            handle.write(password + "\n")
        LOG.warning("the user admin was made; its password is in %s", path)
    return created
