"""``os-migrateLive``, and what may be asked of a live migration that is under way."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.compute import values
from nova_lite.api.compute.server_actions import PATH
from nova_lite.api.compute.servers import ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import live_migration

POLICY = "os_compute_api:os-migrate-server:migrate_live"
ONE = "/v2.1/servers/{server_id}/migrations/{id}"
ONE_POLICY = "os_compute_api:servers:migrations:"
HOST = {**values.HOST_NAME, "type": ["string", "null"]}
BLOCK = {**values.BOOLEAN, "enum": [*values.BOOLEAN["enum"], "auto"]}
DOES_NOT_WAIT = "2.34"
ABORTS_WAITING_ONES = "2.65"


def migrate(request, id):
    """Before 2.34 the answer waits for the checks, and their refusal is a 400."""
    asked = request.body["os-migrateLive"]
    host = asked["host"]
    request.authorize(POLICY + ":host" if host else POLICY)
    forced = values.truth(asked.get("force", False))
    if forced and not host:
        raise exception.Invalid("Can't force to a non-provided destination")
    wanted = live_migration.Wanted(
        # Until 2.29 a host that the caller names was not judged by the scheduler.
        host=host, forced=forced if request.at_least("2.30") else bool(host),
        block=None if asked["block_migration"] == "auto" else values.truth(asked["block_migration"]),
        over_commit=values.truth(asked.get("disk_over_commit", False)))
    live_migration.migrate(request.deps, request.ctx, id, wanted, ignores_lock(request), wait=not request.at_least(DOES_NOT_WAIT))


def force_complete(request, server_id, id):
    """``force_complete``."""
    live_migration.force_complete(request.deps, request.ctx, server_id, _number(id), ignores_lock(request))


def abort(request, server_id, id):
    """``DELETE``: from 2.65 on also of one that waits."""
    waiting_too = request.at_least(ABORTS_WAITING_ONES)
    live_migration.abort(request.deps, request.ctx, server_id, _number(id), waiting_too, ignores_lock(request))


def _number(text: str) -> int:
    return int(text) if text.isdigit() and int(text) <= values.MAX_INT else -1


ROUTES = (
    Route("POST", PATH, migrate, None, 202, action="os-migrateLive", body=Body("os-migrateLive", (
        Param("block_migration", values.BOOLEAN, until="2.24", required=True),
        Param("block_migration", BLOCK, since="2.25", required=True),
        Param("disk_over_commit", values.BOOLEAN, until="2.24", required=True),
        Param("host", HOST, required=True),
        Param("force", values.BOOLEAN, since="2.30", until="2.67")))),
    Route("POST", ONE + "/action", force_complete, ONE_POLICY + "force_complete", 202, action="force_complete", since="2.22",
          body=Body("force_complete", schema={"type": "null"})),
    Route("DELETE", ONE, abort, ONE_POLICY + "delete", 202, since="2.24"),
)
