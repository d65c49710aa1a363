"""api.identity: the Identity API v3 as tables, one module a noun, over ``identity.actions``.

``application`` puts the tables together; ``PUBLIC`` names what a caller without a token may ask (for ``middleware.auth.TokenAuth``).
"""
from nova_lite import exception
from nova_lite.api import faults, resource
from nova_lite.api.identity import catalog, domains, grants, projects, roles, tokens, users, versions
from nova_lite.identity.deps import Deps

TABLES = (versions.ROUTES, tokens.ROUTES, users.ROUTES, projects.ROUTES, roles.ROUTES, grants.ROUTES, domains.ROUTES, catalog.ROUTES)

PUBLIC = (("POST", "/v3/auth/tokens"), ("GET", "/"), ("GET", "/v3"), ("GET", "/v3/"), ("HEAD", "/"), ("HEAD", "/v3"), ("HEAD", "/v3/"))


def _fault(realm: str | None) -> faults.Fault:
    def fault(status: int, message: str, error: BaseException | None = None):
        if isinstance(error, exception.PolicyNotAuthorized):
            message = f"You are not authorized to perform the requested action: {error.details.get('action')}."
        response = faults.identity(status, message, error)
        if status == 401 and realm:
            response.headers["WWW-Authenticate"] = f'Keystone uri="{realm}"'
        return response
    return fault


def application(deps: Deps, policy, public_url: str | None) -> resource.Application:
    """The Identity API. ``public_url``: its URL as clients reach it (``http://host:8774/identity``); from each request where None."""
    table = [route for rows in TABLES for route in rows]
    return resource.Application("identity", table, deps, policy, _fault(public_url), public_url=public_url)
