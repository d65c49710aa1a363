"""Which projects may use a flavor that is not public."""
from nova_lite import exception
from nova_lite.api import body, resource
from nova_lite.compute.actions import flavors as actions
from nova_lite.db import flavors

ONLY_PRIVATE_FLAVORS_SINCE = "2.7"
PROJECT = (body.Param("tenant", {"type": "string", "minLength": 1, "maxLength": 255}, required=True),)
ADD = body.Body("addTenantAccess", PROJECT)
REMOVE = body.Body("removeTenantAccess", PROJECT)


def _access(flavor_id: str, projects: list[str]) -> dict:
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in projects]}


def index(request, flavor_id: str) -> dict:
    """The projects that may use it."""
    with request.deps.db.read() as tx:
        flavor = flavors.get(tx, request.ctx, flavor_id)
        if flavor.is_public:
            raise exception.NotFound("Access list not available for public flavors.")
        return _access(flavor_id, flavors.list_access(tx, flavor))


def add(request, flavor_id: str) -> dict:
    """Let a project use it."""
    return _access(flavor_id, actions.share(request.deps, request.ctx, flavor_id, request.body["addTenantAccess"]["tenant"],
                                            only_private=request.at_least(ONLY_PRIVATE_FLAVORS_SINCE)))


def remove(request, flavor_id: str) -> dict:
    """No longer let a project use it."""
    return _access(flavor_id, actions.unshare(request.deps, request.ctx, flavor_id, request.body["removeTenantAccess"]["tenant"]))


ROUTES = (
    resource.Route("GET", "/v2.1/flavors/{flavor_id}/os-flavor-access", index, "os_compute_api:os-flavor-access"),
    resource.Route("POST", "/v2.1/flavors/{flavor_id}/action", add, "os_compute_api:os-flavor-access:add_tenant_access", body=ADD,
                   action="addTenantAccess"),
    resource.Route("POST", "/v2.1/flavors/{flavor_id}/action", remove, "os_compute_api:os-flavor-access:remove_tenant_access", body=REMOVE,
                   action="removeTenantAccess"),
)
