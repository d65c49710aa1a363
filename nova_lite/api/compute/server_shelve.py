"""``POST /servers/{id}/action``: shelve, shelveOffload, unshelve."""
from nova_lite.api.body import Body
from nova_lite.api.compute import values
from nova_lite.api.compute.server_actions import ANYTHING, PATH
from nova_lite.api.compute.servers import ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import shelve as shelve_

POLICY = "os_compute_api:os-shelve:"


def shelve(request, id):
    """Put the server by."""
    shelve_.shelve(request.deps, request.ctx, id, ignores_lock(request))


def offload(request, id):
    """Have a shelved server leave its host."""
    shelve_.offload(request.deps, request.ctx, id, ignores_lock(request))


def unshelve(request, id):
    """Bring the server back, from 2.77 on to a zone and from 2.91 on to a host."""
    asked = (request.body["unshelve"] or {}) if request.at_least("2.77") else {}
    if asked.get("host"):
        request.authorize(POLICY + "unshelve_to_host")
    shelve_.unshelve(request.deps, request.ctx, id, asked.get("availability_zone", shelve_.UNSAID), asked.get("host"), ignores_lock(request))


TO_ZONE = {"type": ["object", "null"], "properties": {"availability_zone": values.NAME}, "required": ["availability_zone"],
           "additionalProperties": False}
TO_PLACE = {"type": ["object", "null"], "properties": {"availability_zone": {"type": ["string", "null"]}, "host": {"type": "string"}},
            "additionalProperties": False}


def _unshelve(schema: dict, since: str | None = None, until: str | None = None) -> Route:
    return Route("POST", PATH, unshelve, POLICY + "unshelve", 202, action="unshelve", since=since, until=until, body=Body("unshelve", schema=schema))


ROUTES = (
    Route("POST", PATH, shelve, POLICY + "shelve", 202, action="shelve", body=Body("shelve", schema=ANYTHING)),
    Route("POST", PATH, offload, POLICY + "shelve_offload", 202, action="shelveOffload", body=Body("shelveOffload", schema=ANYTHING)),
    _unshelve(ANYTHING, until="2.76"),
    _unshelve(TO_ZONE, since="2.77", until="2.90"),
    _unshelve(TO_PLACE, since="2.91"),
)
