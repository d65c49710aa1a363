"""Flavors: list, show, create, describe, delete."""
from nova_lite import exception
from nova_lite.api import body, resource
from nova_lite.api.body import Param
from nova_lite.api.compute import links, values
from nova_lite.api.view import Field, View
from nova_lite.compute.actions import flavors as actions
from nova_lite.db import flavors

EXTRA_SPECS = "os_compute_api:os-flavor-extra-specs:index"

# sort_key | column
SORT_KEYS = {key: key for key in ("created_at", "description", "disabled", "ephemeral_gb", "flavorid", "id", "is_public", "memory_mb", "name",
                                  "root_gb", "rxtx_factor", "swap", "updated_at", "vcpus")} | {"vcpu_weight": "id"}
DESCRIPTION = {"type": ["string", "null"], "maxLength": 65535, "format": "printable"}

CREATE = body.Body("flavor", (
    Param("name", values.NAME, required=True),
    Param("id", {"type": ["string", "number", "null"], "minLength": 1, "maxLength": 255, "pattern": "^(?! )[a-zA-Z0-9. _-]+(?<! )$"}),
    Param("ram", values.POSITIVE, required=True),
    Param("vcpus", values.POSITIVE, required=True),
    Param("disk", values.NOT_NEGATIVE, required=True),
    Param("OS-FLV-EXT-DATA:ephemeral", values.NOT_NEGATIVE),
    Param("swap", values.NOT_NEGATIVE),
    Param("rxtx_factor", {"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]+)?$", "minimum": 0, "maximum": actions.LARGEST_FLOAT}),
    Param("os-flavor-access:is_public", values.BOOLEAN),
    Param("description", DESCRIPTION, since="2.55"),
))
UPDATE = body.Body("flavor", (Param("description", DESCRIPTION, required=True),))
LIST = body.Query((
    Param("limit", values.PAGE_SIZE),
    Param("marker", values.TEXT),
    Param("is_public", values.TEXT),
    Param("minRam", values.TEXT),
    Param("minDisk", values.TEXT),
    Param("sort_key", {"type": "string", "enum": list(SORT_KEYS)}),
    Param("sort_dir", {"type": "string", "enum": ["asc", "desc"]}),
), strict_since="2.75")


def _links(flavor, request):
    return links.of(request, "flavors", flavor.flavorid)


BRIEF = View(
    Field("id", "flavorid"),
    Field("name", "name"),
    Field("links", _links),
    Field("description", "description", since="2.55"),
)
FULL = View(
    Field("id", "flavorid"),
    Field("name", "name"),
    Field("ram", "memory_mb"),
    Field("disk", "root_gb"),
    Field("swap", lambda flavor, _: flavor.swap or "", until="2.74"),
    Field("swap", "swap", since="2.75"),
    Field("OS-FLV-EXT-DATA:ephemeral", "ephemeral_gb"),
    Field("OS-FLV-DISABLED:disabled", "disabled"),
    Field("vcpus", "vcpus"),
    Field("os-flavor-access:is_public", "is_public"),
    Field("rxtx_factor", "rxtx_factor"),
    Field("links", _links),
    Field("description", "description", since="2.55"),
    Field("extra_specs", "extra_specs", since="2.61", policy=EXTRA_SPECS),
)


def _list(request, collection: str, view: View) -> dict:
    limit, marker = links.page(request)
    found = _find(request, limit, marker)
    return {"flavors": [view.render(flavor, request) for flavor in found],
            **links.following(request, collection, found, limit, "flavorid")}


def _find(request, limit: int, marker: str | None) -> list:
    # Only administrators may ask for flavors that are not public; what others ask about that is ignored.
    is_public = _is_public(request.param("is_public")) if request.ctx.is_admin else True
    minimums = {"min_ram": _minimum(request, "minRam"), "min_disk": _minimum(request, "minDisk")}
    with request.deps.db.read() as tx:
        return flavors.find(tx, request.ctx, is_public=is_public, enabled_only=not request.ctx.is_admin, **minimums, limit=limit, marker=marker,
                            sort_key=SORT_KEYS[request.param("sort_key", "flavorid")], descending=request.param("sort_dir") == "desc")


def _minimum(request, name: str) -> int | None:
    text = request.param(name)
    try:
        return None if text is None else int(text)
    except ValueError:
        raise exception.Invalid(f"Invalid {name} filter [{text}]")


def _is_public(text: str | None) -> bool | None:
    known = {"t": True, "true": True, "on": True, "y": True, "yes": True, "1": True,
             "f": False, "false": False, "off": False, "n": False, "no": False, "0": False, "none": None}
    if text is None:
        return True
    if text.strip().lower() not in known:
        raise exception.Invalid(f"Invalid is_public filter [{text}]")
    return known[text.strip().lower()]


def index(request) -> dict:
    """Flavors in brief."""
    return _list(request, "flavors", BRIEF)


def detail(request) -> dict:
    """Flavors in full."""
    return _list(request, "flavors/detail", FULL)


def show(request, flavor_id: str) -> dict:
    """One flavor."""
    with request.deps.db.read() as tx:
        return {"flavor": FULL.render(flavors.get(tx, request.ctx, flavor_id), request)}


def create(request) -> dict:
    """A new flavor."""
    wanted = request.body["flavor"]
    flavor = actions.create(
        request.deps, name=wanted["name"], flavorid=None if wanted.get("id") is None else str(wanted["id"]),
        ram=int(wanted["ram"]), vcpus=int(wanted["vcpus"]), disk=int(wanted["disk"]), ephemeral=int(wanted.get("OS-FLV-EXT-DATA:ephemeral", 0)),
        swap=int(wanted.get("swap", 0)), rxtx_factor=wanted.get("rxtx_factor", 1.0),
        is_public=values.truth(wanted.get("os-flavor-access:is_public", True)), description=wanted.get("description"))
    return {"flavor": FULL.render(flavor, request)}


def update(request, flavor_id: str) -> dict:
    """Change the description."""
    flavor = actions.describe(request.deps, flavor_id, request.body["flavor"]["description"])
    return {"flavor": FULL.render(flavor, request)}


def delete(request, flavor_id: str) -> None:
    """Delete a flavor."""
    actions.delete(request.deps, flavor_id)


ROUTES = (
    resource.Route("GET", "/v2.1/flavors", index, query=LIST),
    resource.Route("POST", "/v2.1/flavors", create, "os_compute_api:os-flavor-manage:create", body=CREATE),
    resource.Route("GET", "/v2.1/flavors/detail", detail, query=LIST),
    resource.Route("GET", "/v2.1/flavors/{flavor_id}", show),
    resource.Route("PUT", "/v2.1/flavors/{flavor_id}", update, "os_compute_api:os-flavor-manage:update", body=UPDATE, since="2.55"),
    resource.Route("DELETE", "/v2.1/flavors/{flavor_id}", delete, "os_compute_api:os-flavor-manage:delete", 202),
)
