"""Quota class sets: limits under a name; those of ``default`` hold for every project without limits of its own."""
from nova_lite import exception
from nova_lite.api import body, resource
from nova_lite.api.compute import quota_fields
from nova_lite.api.view import View
from nova_lite.compute import quota
from nova_lite.compute.actions import quotas as actions

POLICY = "os_compute_api:os-quota-class-sets:"
LONGEST_NAME = 122
UPDATE = body.Body("quota_class_set", quota_fields.CLASS_PARAMS)
SET = View(*quota_fields.CLASS_FIELDS)


def _render(request, name: str) -> dict:
    with request.deps.db.read() as tx:
        return SET.render(quota.class_limits(tx, name, quota_fields.defaults(request)), request)


def show(request, name: str) -> dict:
    """The limits of a class."""
    return {"quota_class_set": {"id": name, **_render(request, name)}}


def update(request, name: str) -> dict:
    """Set limits of a class."""
    if len(name) > LONGEST_NAME:
        raise exception.Invalid(f"Invalid input received: quota_class_name has {len(name)} characters, more than {LONGEST_NAME}.")
    actions.update_class(request.deps, name, quota_fields.changes(request.body["quota_class_set"]))
    return {"quota_class_set": _render(request, name)}


ROUTES = (
    resource.Route("GET", "/v2.1/os-quota-class-sets/{name}", show, POLICY + "show"),
    resource.Route("PUT", "/v2.1/os-quota-class-sets/{name}", update, POLICY + "update", body=UPDATE),
)
