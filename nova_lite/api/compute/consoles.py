"""``/servers/{id}/remote-consoles``, the actions before it, and ``/os-console-auth-tokens``: what a token opens, for proxies of other makes."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.resource import Route
from nova_lite.compute.actions import console

POLICY = "os_compute_api:os-remote-consoles"
TOKEN_POLICY = "os_compute_api:os-console-auth-tokens"
ACTION_PATH = "/v2.1/servers/{id}/action"
TOKEN_PATH = "/v2.1/os-console-auth-tokens/{token}"

PROTOCOLS = ["vnc", "spice", "serial", "rdp"]
TYPES = ["novnc", "xvpvnc", "spice-html5", "serial", "rdp-html5"]
CREATE = Body("remote_console", (
    Param("protocol", {"type": "string", "enum": PROTOCOLS}, until="2.7", required=True),
    Param("type", {"type": "string", "enum": TYPES}, until="2.7", required=True),
    Param("protocol", {"type": "string", "enum": [*PROTOCOLS, "mks"]}, since="2.8", required=True),
    Param("type", {"type": "string", "enum": [*TYPES, "webmks"]}, since="2.8", required=True),
))


class _Gone(exception.NovaLiteError):
    status = 410
    message = "RDP consoles were those of Hyper-V hosts, which there are no more."


def create(request, id) -> dict:
    """A URL that opens a console."""
    asked = request.body["remote_console"]
    url = console.open_console(request.deps, request.ctx, id, asked["protocol"], asked["type"])
    return {"remote_console": {"protocol": asked["protocol"], "type": asked["type"], "url": url}}


def _action(key: str, protocol: str, types: list[str]) -> Route:
    """The row of an action that did the same for one protocol until 2.5."""
    def handler(request, id):
        name = request.body[key]["type"]
        return {"console": {"type": name, "url": console.open_console(request.deps, request.ctx, id, protocol, name)}}
    return Route("POST", ACTION_PATH, handler, POLICY, action=key, until="2.5",
                 body=Body(key, (Param("type", {"type": "string", "enum": types}, required=True),)))


def rdp(request, id):
    """``os-getRDPConsole``."""
    raise _Gone()


def show(request, token: str) -> dict:
    """Where the console of a token is."""
    claim, found = console.find_console(request.deps, request.ctx, token)
    return {"console": {"instance_uuid": claim.server_id, **{name: found[name] for name in ("host", "port", "internal_access_path")}}}


def too_early(request, token: str):
    """Before 2.31 there were tokens of RDP consoles only."""
    raise exception.Invalid()


ROUTES = (
    Route("POST", "/v2.1/servers/{id}/remote-consoles", create, POLICY, since="2.6", body=CREATE),
    _action("os-getVNCConsole", "vnc", ["novnc", "xvpvnc"]),
    _action("os-getSPICEConsole", "spice", ["spice-html5"]),
    _action("os-getSerialConsole", "serial", ["serial"]),
    Route("POST", ACTION_PATH, rdp, action="os-getRDPConsole", until="2.5"),
    Route("GET", TOKEN_PATH, too_early, TOKEN_POLICY, until="2.30"),
    Route("GET", TOKEN_PATH, show, TOKEN_POLICY, since="2.31"),
)
