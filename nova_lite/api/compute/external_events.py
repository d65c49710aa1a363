"""/os-server-external-events: for other services."""
from nova_lite.api.body import Body, Param
from nova_lite.api.resource import Route
from nova_lite.compute.actions import external_events

NETWORK = ("network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted")
# first version | last | names that it adds
NAMES = ((None, "2.50", ()), ("2.51", "2.75", ("volume-extended",)), ("2.76", "2.81", ("power-update",)),
         ("2.82", "2.92", ("accelerator-request-bound",)), ("2.93", None, ("volume-reimaged",)))


def create(request):
    """Each event with what became of it; 207 where not all were accepted."""
    events = request.body["events"]
    verdicts = external_events.accept(request.deps, request.ctx, events)
    if set(verdicts) != {external_events.ACCEPTED}:
        request.status = 207
    return {"events": [{**event, "status": "completed" if code == external_events.ACCEPTED else "failed", "code": code}
                       for event, code in zip(events, verdicts, strict=True)]}


def _events(names: tuple[str, ...]) -> dict:
    return {"type": "array", "minItems": 1, "items": {
        "type": "object", "required": ["name", "server_uuid"], "additionalProperties": False, "properties": {
            "name": {"type": "string", "enum": list(names)}, "server_uuid": {"type": "string", "format": "uuid"},
            "status": {"type": "string", "enum": ["failed", "completed", "in-progress"]}, "tag": {"type": "string", "maxLength": 255}}}}


def _params():
    known = NETWORK
    for since, until, added in NAMES:
        known = (*known, *added)
        yield Param("events", _events(known), since=since, until=until, required=True)


ROUTES = (Route("POST", "/v2.1/os-server-external-events", create, "os_compute_api:os-server-external-events:create",
                body=Body(None, tuple(_params()))),)
