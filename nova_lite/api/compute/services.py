"""Services: the daemons and whether they are up; enabling, disabling and forcing down those that run guests."""
from nova_lite import clock, exception
from nova_lite.api import body, resource
from nova_lite.api.body import Param
from nova_lite.api.compute import values
from nova_lite.api.view import Field, View
from nova_lite.compute import services
from nova_lite.compute.actions import services as actions

POLICY = "os_compute_api:os-services:"
UUIDS_SINCE = "2.53"
REASON = {"type": "string", "minLength": 1, "maxLength": 255}
BY_HOST = body.Body(None, (
    Param("host", values.HOST_NAME, required=True),
    Param("binary", {"type": "string", "minLength": 1, "maxLength": 255}, required=True),
    Param("disabled_reason", REASON),
    Param("forced_down", values.BOOLEAN, since="2.11"),
))
BY_UUID = body.Body(None, (
    Param("status", {"type": "string", "enum": ["enabled", "disabled"]}),
    Param("disabled_reason", REASON),
    Param("forced_down", values.BOOLEAN),
))
LIST = body.Query((Param("host", values.TEXT), Param("binary", values.TEXT)), strict_since="2.75")

FULL = View(
    Field("id", lambda item, _: item.service.id, until="2.52"),
    Field("id", lambda item, _: item.service.uuid, since="2.53"),
    Field("binary", lambda item, _: item.service.binary),
    Field("host", lambda item, _: item.service.host),
    Field("zone", lambda item, _: item.zone),
    Field("status", lambda item, _: "disabled" if item.service.disabled else "enabled"),
    Field("state", lambda item, _: "up" if item.is_up else "down"),
    Field("updated_at", lambda item, _: clock.isoformat_micro(item.service.last_seen_at)),
    Field("disabled_reason", lambda item, _: item.service.disabled_reason),
    Field("forced_down", lambda item, _: item.service.forced_down, since="2.11"),
)


def index(request) -> dict:
    """Services, by host and binary."""
    with request.deps.db.read() as tx:
        found = services.find(tx, request.deps, host=request.param("host") or None, binary=request.param("binary") or None)
    return {"services": [FULL.render(item, request) for item in found]}


# ---- until 2.52: PUT /os-services/<what to do>, the service named in the body


def _enable(request, wanted: dict) -> dict:
    actions.update(request.deps, request.ctx, wanted["binary"], wanted["host"], disabled=False)
    return {"status": "enabled"}


def _disable(request, wanted: dict) -> dict:
    actions.update(request.deps, request.ctx, wanted["binary"], wanted["host"], disabled=True)
    return {"status": "disabled"}


def _disable_with_reason(request, wanted: dict) -> dict:
    if "disabled_reason" not in wanted:
        raise exception.Invalid("Missing disabled reason field")
    actions.update(request.deps, request.ctx, wanted["binary"], wanted["host"], disabled=True, reason=wanted["disabled_reason"])
    return {"status": "disabled", "disabled_reason": wanted["disabled_reason"]}


def _force_down(request, wanted: dict) -> dict:
    if "forced_down" not in wanted:
        raise exception.Invalid("Missing forced_down field")
    forced_down = values.truth(wanted["forced_down"])
    actions.update(request.deps, request.ctx, wanted["binary"], wanted["host"], forced_down=forced_down)
    return {"forced_down": forced_down}


# the path's last part | what it does | the first version that has it
VERBS = {
    "enable": (_enable, "2.1"),
    "disable": (_disable, "2.1"),
    "disable-log-reason": (_disable_with_reason, "2.1"),
    "force-down": (_force_down, "2.11"),
}


def update_by_host(request, verb: str) -> dict:
    """Enable, disable or force down the service that the body names."""
    if verb not in VERBS or not request.at_least(VERBS[verb][1]):
        raise exception.NotFound("Unknown action")
    wanted = request.body
    return {"service": {"host": wanted["host"], "binary": wanted["binary"], **VERBS[verb][0](request, wanted)}}


# ---- since 2.53: PUT /os-services/<uuid>


def _find(request, service_id: str):
    with request.deps.db.read() as tx:
        found = services.find(tx, request.deps, service_id=service_id)
    if not found:
        raise exception.NotFound(f"Service {service_id} could not be found.")
    return found[0]


def update(request, verb: str) -> dict:
    """Enable, disable or force down a service. (``verb``, the path's variable, holds its UUID.)"""
    if not values.is_uuid(verb):
        raise exception.Invalid(f"Invalid uuid {verb}")
    service = _find(request, verb).service
    actions.check_binary(service.binary)
    wanted = request.body
    if wanted.get("status") == "enabled" and wanted.get("disabled_reason"):
        raise exception.Invalid("Specifying 'disabled_reason' with status 'enabled' is invalid.")
    if not {"status", "forced_down"} & set(wanted):
        raise exception.Invalid("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    actions.update(request.deps, request.ctx, service.binary, service.host,
                   disabled=wanted["status"] == "disabled" if "status" in wanted else None, reason=wanted.get("disabled_reason"),
                   forced_down=values.truth(wanted["forced_down"]) if "forced_down" in wanted else None)
    return {"service": FULL.render(_find(request, verb), request)}


def delete(request, verb: str) -> None:
    """Forget a service. (``verb`` holds its id: a number until 2.52, then a UUID.)"""
    if not request.at_least(UUIDS_SINCE):
        actions.delete(request.deps, request.ctx, values.number(verb, "id"))
        return
    if not values.is_uuid(verb):
        raise exception.Invalid(f"Invalid uuid {verb}")
    actions.delete(request.deps, request.ctx, verb)


ONE = "/v2.1/os-services/{verb}"
ROUTES = (
    resource.Route("GET", "/v2.1/os-services", index, POLICY + "list", query=LIST),
    resource.Route("PUT", ONE, update_by_host, POLICY + "update", body=BY_HOST, until="2.52"),
    resource.Route("PUT", ONE, update, POLICY + "update", body=BY_UUID, since="2.53"),
    resource.Route("DELETE", ONE, delete, POLICY + "delete", 204),
)
