"""``POST /servers/{id}/action``: evacuate."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.compute import values
from nova_lite.api.compute.server_actions import PATH
from nova_lite.api.resource import Route
from nova_lite.compute.actions import evacuate as evacuate_
from nova_lite.compute.actions import passwords

TELLS_STORAGE_UNTIL = "2.13"
"""The last version in which the caller says whether the storage is shared, and is told the new password."""


def _wanted(request) -> evacuate_.Wanted:
    asked = request.body["evacuate"]
    host = asked.get("host")
    forced = values.truth(asked["force"]) if "force" in asked else host is not None and not request.at_least("2.29")
    if forced and host is None:
        raise exception.Invalid("Can't force to a non-provided destination")
    shared = values.truth(asked["onSharedStorage"]) if "onSharedStorage" in asked else None
    password = asked.get("adminPass")
    if shared and password is not None:
        raise exception.Invalid("admin password can't be changed on existing disk")
    return evacuate_.Wanted(host=host, forced=forced, admin_pass=password if password is not None or shared else passwords.make_up(),
                            shared=shared, stays_off=request.at_least("2.95"))


def evacuate(request, id):
    """Make the server anew on another host than its own, which is dead."""
    wanted = _wanted(request)
    try:
        evacuate_.evacuate(request.deps, request.ctx, id, wanted)
    except exception.HostNotFound as error:
        raise exception.NotFound(f"Compute host {error.details['host']} not found.")
    return {"adminPass": wanted.admin_pass} if wanted.shared is not None else None


ROUTES = (
    Route("POST", PATH, evacuate, "os_compute_api:os-evacuate", 200, action="evacuate", body=Body("evacuate", (
        Param("host", values.HOST_NAME),
        Param("onSharedStorage", values.BOOLEAN, required=True, until=TELLS_STORAGE_UNTIL),
        Param("adminPass", values.TEXT),
        Param("force", values.BOOLEAN, since="2.29", until="2.67")))),
)
