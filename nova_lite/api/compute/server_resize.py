"""``POST /servers/{id}/action``: resize, confirmResize, revertResize."""
from nova_lite.api.body import Body, Param
from nova_lite.api.compute.server_actions import ANYTHING, PATH, plain
from nova_lite.api.compute.server_body import DISK_CONFIG
from nova_lite.api.compute.servers import ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import power
from nova_lite.compute.actions import resize as resize_

POLICY = "os_compute_api:servers:"


def resize(request, id):
    """Another flavor."""
    asked = request.body["resize"]
    flavor_id = str(asked["flavorRef"]).rstrip("/").rsplit("/", 1)[-1]
    resize_.resize(request.deps, request.ctx, id, flavor_id, asked.get("OS-DCF:diskConfig"), ignores_lock(request))


def confirm(request, id):
    """The new flavor stays."""
    power.ask(request.deps, request.ctx, id, "confirm_resize", ignores_lock(request))


ROUTES = (
    Route("POST", PATH, resize, POLICY + "resize", 202, action="resize", body=Body("resize", (
        Param("flavorRef", {"type": ["string", "integer"], "minLength": 1}, required=True),
        Param("OS-DCF:diskConfig", DISK_CONFIG)))),
    Route("POST", PATH, confirm, POLICY + "confirm_resize", 204, action="confirmResize", body=Body("confirmResize", schema=ANYTHING)),
    plain("revertResize", "revert_resize", "servers:revert_resize"),
)
