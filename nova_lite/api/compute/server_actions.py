"""``POST /servers/{id}/action``: one row an action."""
from nova_lite.api.body import Body, Param
from nova_lite.api.compute.servers import ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import console, delete, details, power

ANYTHING: dict = {}
PATH = "/v2.1/servers/{id}/action"
LENGTH = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1}


def reboot(request, id):
    """SOFT asks the guest, HARD cuts its power."""
    kind = request.body["reboot"]["type"].upper()
    power.reboot(request.deps, request.ctx, id, kind, ignores_lock(request))


def plain(key: str, action: str, policy: str, since: str | None = None) -> Route:
    """The row of an action of compute.states that has no arguments."""
    def handler(request, id):
        power.ask(request.deps, request.ctx, id, action, ignores_lock(request))
    return Route("POST", PATH, handler, f"os_compute_api:{policy}", 202, action=key, since=since, body=Body(key, schema=ANYTHING))


def console_output(request, id):
    """``os-getConsoleOutput``."""
    length = request.body["os-getConsoleOutput"].get("length")
    return {"output": console.console_output(request.deps, request.ctx, id, None if length is None else int(length))}


def force_delete(request, id):
    """``forceDelete``: as DELETE, at once."""
    delete.delete(request.deps, request.ctx, id, ignore_lock=ignores_lock(request), at_once=True)


def restore(request, id):
    """``restore`` of a server that is marked as deleted."""
    delete.restore(request.deps, request.ctx, id, ignore_lock=ignores_lock(request))


def lock(request, id):
    """``lock``, with a reason from 2.73 on."""
    details.lock(request.deps, request.ctx, id, (request.body["lock"] or {}).get("locked_reason") if request.at_least("2.73") else None)


def unlock(request, id):
    """``unlock``."""
    details.unlock(request.deps, request.ctx, id)


def reset_state(request, id):
    """``os-resetState``."""
    details.reset_state(request.deps, request.ctx, id, request.body["os-resetState"]["state"])


LOCK_REASON = {"type": ["object", "null"], "properties": {"locked_reason": {"type": "string", "minLength": 1, "maxLength": 255}},
               "additionalProperties": False}

ROUTES = (
    Route("POST", PATH, reboot, "os_compute_api:servers:reboot", 202, action="reboot", body=Body("reboot", (
        Param("type", {"type": "string", "enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}, required=True),))),
    plain("os-start", "start", "servers:start"),
    plain("os-stop", "stop", "servers:stop"),
    plain("pause", "pause", "os-pause-server:pause"),
    plain("unpause", "unpause", "os-pause-server:unpause"),
    plain("suspend", "suspend", "os-suspend-server:suspend"),
    plain("resume", "resume", "os-suspend-server:resume"),
    plain("trigger_crash_dump", "trigger_crash_dump", "servers:trigger_crash_dump", since="2.17"),
    Route("POST", PATH, console_output, "os_compute_api:os-console-output", 200, action="os-getConsoleOutput",
          body=Body("os-getConsoleOutput", (Param("length", LENGTH),))),
    Route("POST", PATH, force_delete, "os_compute_api:os-deferred-delete:force", 202, action="forceDelete",
          body=Body("forceDelete", schema=ANYTHING)),
    Route("POST", PATH, restore, "os_compute_api:os-deferred-delete:restore", 202, action="restore", body=Body("restore", schema=ANYTHING)),
    Route("POST", PATH, lock, "os_compute_api:os-lock-server:lock", 202, action="lock", until="2.72", body=Body("lock", schema=ANYTHING)),
    Route("POST", PATH, lock, "os_compute_api:os-lock-server:lock", 202, action="lock", since="2.73", body=Body("lock", schema=LOCK_REASON)),
    Route("POST", PATH, unlock, "os_compute_api:os-lock-server:unlock", 202, action="unlock", body=Body("unlock", schema=ANYTHING)),
    Route("POST", PATH, reset_state, "os_compute_api:os-admin-actions:reset_state", 202, action="os-resetState", body=Body("os-resetState", (
        Param("state", {"type": "string", "enum": ["active", "error"]}, required=True),))),
)
