"""The Compute API put together: every module's ROUTES, in the order in which paths are matched."""
from nova_lite import exception
from nova_lite.api import faults, microversions, resource
from nova_lite.api.compute import (
    aggregates,
    availability_zones,
    consoles,
    diagnostics,
    extensions,
    external_events,
    flavor_access,
    flavor_extra_specs,
    flavors,
    history,
    hosts,
    hypervisors,
    images,
    interfaces,
    keypairs,
    limits,
    migrations,
    quota_classes,
    quotas,
    server_actions,
    server_addresses,
    server_evacuate,
    server_groups,
    server_images,
    server_ips,
    server_live_migration,
    server_metadata,
    server_password,
    server_rebuild,
    server_resize,
    server_shelve,
    server_tags,
    server_topology,
    servers,
    services,
    usage,
    usage_audits,
    versions,
)
from nova_lite.api.compute.versions import MAXIMUM, MINIMUM

MODULES = (versions, extensions, flavors, flavor_access, flavor_extra_specs, keypairs, limits, quotas, quota_classes, servers, server_actions,
           server_rebuild, server_evacuate, server_resize, server_live_migration, server_shelve, server_images, server_password, server_addresses,
           server_metadata, server_tags, server_ips, server_topology, history, migrations, diagnostics, interfaces, consoles,
           availability_zones, services, hosts, hypervisors, aggregates, server_groups, usage, usage_audits, external_events, images)
ROUTES = tuple(route for module in MODULES for route in module.ROUTES)
VERSION_HEADERS = ("HTTP_OPENSTACK_API_VERSION", "HTTP_X_OPENSTACK_NOVA_API_VERSION")
PUBLIC = (("GET", "/"), ("GET", "/v2"), ("GET", "/v2/"), ("GET", "/v2.1"), ("GET", "/v2.1/"))
"""(method, path) pairs, below the prefix, that need no token."""


class ComputeApplication(resource.Application):
    """Serves ``/v2`` too: the same routes without microversions."""

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "")
        if path.startswith("/v2/") and path != "/v2/":
            environ = {key: value for key, value in environ.items() if key not in VERSION_HEADERS}
            environ["PATH_INFO"] = "/v2.1" + path[len("/v2"):]
        if path.endswith("/") and self._is_below_a_version(path.rstrip("/").split("/")):
            return self.fault(404, exception.NotFound.message, None)(environ, start_response)
        return super().__call__(environ, start_response)

    def _is_below_a_version(self, parts: list[str]) -> bool:
        # A slash at the end of one of these is an id that somebody left empty: upstream does not take it for the list.
        return len(parts) > 3 or len(parts) == 3 and parts[2] in self._collections


def application(deps, policy, *, public_url: str | None = None, max_body: int = 1 << 20) -> resource.Application:
    """The WSGI application to mount at ``/compute``. ``deps``: compute.actions.deps.Deps; ``public_url``: with the prefix; ``max_body`` in bytes."""
    negotiator = microversions.Negotiator("compute", MINIMUM, MAXIMUM, legacy_header="X-OpenStack-Nova-API-Version")
    return ComputeApplication("compute", ROUTES, deps, policy, faults.compute, public_url=public_url, negotiator=negotiator, project_prefix="v2.1",
                              max_body=max_body)
