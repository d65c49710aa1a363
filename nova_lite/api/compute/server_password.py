"""Passwords of servers: ``changePassword``, and /servers/{id}/os-server-password, what the guest has told of its own."""
from nova_lite.api.body import Body, Param
from nova_lite.api.compute import values
from nova_lite.api.compute.server_actions import PATH
from nova_lite.api.compute.servers import ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import passwords

TOLD = "/v2.1/servers/{server_id}/os-server-password"
POLICY = "os_compute_api:os-server-password:"


def change(request, id):
    """By the agent in the guest."""
    passwords.change(request.deps, request.ctx, id, request.body["changePassword"]["adminPass"], ignores_lock(request))


def show(request, server_id):
    """Encrypted with the key that the server was made with; empty where the guest has told none."""
    return {"password": passwords.told(request.deps, request.ctx, server_id)}


def clear(request, server_id):
    """Forget it; the guest's password stays."""
    passwords.forget(request.deps, request.ctx, server_id)


ROUTES = (
    Route("POST", PATH, change, "os_compute_api:os-admin-password", 202, action="changePassword", body=Body("changePassword", (
        Param("adminPass", values.TEXT, required=True),))),
    Route("GET", TOLD, show, POLICY + "show"),
    Route("DELETE", TOLD, clear, POLICY + "clear", success=204),
)
