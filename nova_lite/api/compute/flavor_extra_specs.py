"""A flavor's extra specs: what its servers want of hosts and hypervisor beyond size."""
from nova_lite import exception
from nova_lite.api import body, resource
from nova_lite.api.compute import values
from nova_lite.compute import extra_specs
from nova_lite.compute.actions import flavors as actions
from nova_lite.db import flavors

CHECKED_SINCE = "2.86"
LONGEST = 255
SPECS = {"type": "object", "patternProperties": {values.METADATA_KEY: {"type": ["string", "number"], "maxLength": LONGEST}},
         "additionalProperties": False}
CREATE = body.Body("extra_specs", schema=SPECS)
UPDATE = body.Body(None, schema={**SPECS, "minProperties": 1, "maxProperties": 1})


def _checked(request, specs: dict) -> dict[str, str]:
    texts = {name: str(value) for name, value in specs.items()}
    for name, text in texts.items():
        if len(text) > LONGEST:
            raise exception.Invalid(f"Invalid input received: extra_specs value has {len(text)} characters, more than {LONGEST}.")
        if request.at_least(CHECKED_SINCE):
            extra_specs.check(name, text)
    return texts


def _specs(request, flavor_id: str) -> dict:
    with request.deps.db.read() as tx:
        return flavors.get(tx, request.ctx, flavor_id).extra_specs


def index(request, flavor_id: str) -> dict:
    """All extra specs."""
    return {"extra_specs": _specs(request, flavor_id)}


def show(request, flavor_id: str, key: str) -> dict:
    """One extra spec."""
    specs = _specs(request, flavor_id)
    if key not in specs:
        raise actions.missing_extra_spec(flavor_id, key)
    return {key: specs[key]}


def create(request, flavor_id: str) -> dict:
    """Add or replace extra specs."""
    actions.set_extra_specs(request.deps, flavor_id, _checked(request, request.body["extra_specs"]))
    return request.body


def update(request, flavor_id: str, key: str) -> dict:
    """Set one extra spec."""
    specs = _checked(request, request.body)
    if key not in specs:
        raise exception.Invalid("Request body and URI mismatch")
    actions.set_extra_specs(request.deps, flavor_id, specs)
    return request.body


def delete(request, flavor_id: str, key: str) -> None:
    """Remove one extra spec."""
    actions.delete_extra_spec(request.deps, flavor_id, key)


ALL, ONE = "/v2.1/flavors/{flavor_id}/os-extra_specs", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}"
ROUTES = (
    resource.Route("GET", ALL, index, "os_compute_api:os-flavor-extra-specs:index"),
    resource.Route("POST", ALL, create, "os_compute_api:os-flavor-extra-specs:create", body=CREATE),
    resource.Route("GET", ONE, show, "os_compute_api:os-flavor-extra-specs:show"),
    resource.Route("PUT", ONE, update, "os_compute_api:os-flavor-extra-specs:update", body=UPDATE),
    resource.Route("DELETE", ONE, delete, "os_compute_api:os-flavor-extra-specs:delete"),
)
