"""``POST /servers/{id}/action``: resize, migrate, confirmResize, revertResize."""
from nova_lite.api.body import Body, Param
from nova_lite.api.compute import values
from nova_lite.api.compute.server_actions import ANYTHING, PATH
from nova_lite.api.compute.server_body import DISK_CONFIG
from nova_lite.api.compute.servers import ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import power
from nova_lite.compute.actions import resize as resize_

POLICY = "os_compute_api:servers:"
MIGRATE = "os_compute_api:os-migrate-server:migrate"
NAMES_HOST = "2.56"
DESTINATION = {"type": ["object", "null"], "properties": {"host": {**values.HOST_NAME, "type": ["string", "null"]}}, "additionalProperties": False}


def resize(request, id):
    """Another flavor."""
    asked = request.body["resize"]
    flavor_id = str(asked["flavorRef"]).rstrip("/").rsplit("/", 1)[-1]
    resize_.resize(request.deps, request.ctx, id, flavor_id, asked.get("OS-DCF:diskConfig"), ignores_lock(request))


def confirm(request, id):
    """The new flavor stays."""
    power.ask(request.deps, request.ctx, id, "confirm_resize", ignores_lock(request))


def revert(request, id):
    """Back to the flavor and the host before."""
    resize_.revert(request.deps, request.ctx, id, ignores_lock(request))


def migrate(request, id):
    """Another host, from 2.56 on one that the caller may name."""
    asked = request.body["migrate"] if request.at_least(NAMES_HOST) else None
    host = (asked or {}).get("host")
    request.authorize(MIGRATE + ":host" if host else MIGRATE)
    resize_.migrate(request.deps, request.ctx, id, host, ignores_lock(request))


ROUTES = (
    Route("POST", PATH, resize, POLICY + "resize", 202, action="resize", body=Body("resize", (
        Param("flavorRef", {"type": ["string", "integer"], "minLength": 1}, required=True),
        Param("OS-DCF:diskConfig", DISK_CONFIG)))),
    Route("POST", PATH, confirm, POLICY + "confirm_resize", 204, action="confirmResize", body=Body("confirmResize", schema=ANYTHING)),
    Route("POST", PATH, revert, POLICY + "revert_resize", 202, action="revertResize", body=Body("revertResize", schema=ANYTHING)),
    Route("POST", PATH, migrate, None, 202, action="migrate", until="2.55", body=Body("migrate", schema=ANYTHING)),
    Route("POST", PATH, migrate, None, 202, action="migrate", since=NAMES_HOST, body=Body("migrate", schema=DESTINATION)),
)
