"""api.network: the Network API v2.0 as tables, one module a noun, over ``network.actions`` and reads of the database.

``application`` puts the tables together; ``PUBLIC`` names what a caller without a token may ask (for ``middleware.auth.TokenAuth``).
"""
from nova_lite import exception
from nova_lite.api import faults, resource
from nova_lite.api.network import extensions, networks, ports, quotas, security_groups, subnets, versions
from nova_lite.network.actions.deps import Deps

MODULES = (versions, extensions, networks, subnets, ports, security_groups, quotas)
ROUTES = tuple(route for module in MODULES for route in module.ROUTES)
PUBLIC = (("GET", "/"), ("HEAD", "/"))
TYPES = {"Invalid": "HTTPBadRequest", "NotFound": "HTTPNotFound", "Conflict": "HTTPConflict", "Forbidden": "HTTPForbidden",
         "NoMoreAddresses": "IpAddressGenerationFailure"}
"""Error classes whose upstream type name differs from ours."""


def fault(status: int, message: str, error: BaseException | None = None):
    """``{"NeutronError": {"type", "message", "detail"}}`` with upstream's type names."""
    if isinstance(error, exception.PolicyNotAuthorized):
        message = f"(rule:{error.details.get('action')}) is disallowed by policy"
    kind = TYPES.get(type(error).__name__)
    if kind is not None:
        error.neutron_type = kind
    return faults.network(status, message, error)


def application(deps: Deps, policy, public_url: str | None) -> resource.Application:
    """The Network API. ``public_url``: its URL as clients reach it (``http://host:8774/network``); from each request where None."""
    return resource.Application("network", ROUTES, deps, policy, fault, public_url=public_url)
