"""Key pairs: list, show, import, make (until 2.91), delete. They belong to a user, not to a project."""
from nova_lite import clock
from nova_lite.api import body, resource
from nova_lite.api.body import Param
from nova_lite.api.compute import links, values
from nova_lite.api.view import Field, View
from nova_lite.compute.actions import keypairs as actions
from nova_lite.db import keypairs

POLICY = "os_compute_api:os-keypairs:"
PAGED_SINCE = "2.35"
PLAIN_NAME = {"allOf": [values.NAME, {"pattern": r"^[_\- a-zA-Z0-9]+$"}]}
NAME_WITH_AT_AND_DOT = {"allOf": [values.NAME, {"pattern": r"^[_\-\@\. a-zA-Z0-9]+$"}]}

CREATE = body.Body("keypair", (
    Param("name", PLAIN_NAME, until="2.91", required=True),
    Param("name", NAME_WITH_AT_AND_DOT, since="2.92", required=True),
    Param("public_key", values.TEXT, until="2.91"),
    Param("public_key", values.TEXT, since="2.92", required=True),
    Param("type", {"type": "string", "enum": ["ssh", "x509"]}, since="2.2"),
    Param("user_id", values.TEXT, since="2.10"),
))
OWNER = Param("user_id", values.TEXT, since="2.10")
LIST = body.Query((OWNER, Param("limit", values.PAGE_SIZE, since="2.35"), Param("marker", values.TEXT, since="2.35")), strict_since="2.75")
ONE = body.Query((OWNER,), strict_since="2.75")

LISTED = (
    Field("name", "name"),
    Field("public_key", "public_key"),
    Field("fingerprint", "fingerprint"),
    Field("type", "type", since="2.2"),
)
CREATED = (*LISTED, Field("user_id", "user_id"))
BRIEF, NEW = View(*LISTED), View(*CREATED)
FULL = View(
    *CREATED,
    Field("id", "id"),
    Field("created_at", lambda key_pair, _: clock.isoformat_micro(key_pair.created_at)),
    Field("updated_at", lambda *_: None),
    Field("deleted", lambda *_: False),
    Field("deleted_at", lambda *_: None),
)


def _owner(request, verb: str, asked: str | None) -> str:
    """Whose key pairs the request is about; somebody else's only where policy says so."""
    if not asked or asked == request.ctx.user_id:
        return request.ctx.user_id
    request.authorize(POLICY + verb, {"user_id": asked, "project_id": request.ctx.project_id})
    return asked


def index(request) -> dict:
    """A user's key pairs."""
    user_id = _owner(request, "index", request.param("user_id"))
    paged = request.at_least(PAGED_SINCE)
    limit, marker = links.page(request) if paged else (None, None)
    with request.deps.db.read() as tx:
        found = keypairs.find(tx, user_id, limit, marker)
    return {"keypairs": [{"keypair": BRIEF.render(key_pair, request)} for key_pair in found],
            **(links.following(request, "os-keypairs", found, limit, "name") if paged else {})}


def show(request, name: str) -> dict:
    """One key pair."""
    user_id = _owner(request, "show", request.param("user_id"))
    with request.deps.db.read() as tx:
        return {"keypair": FULL.render(keypairs.get(tx, user_id, name), request)}


def create(request) -> dict:
    """Import a public key, or make a pair and answer its private key."""
    wanted = request.body["keypair"]
    user_id, kind = _owner(request, "create", wanted.get("user_id")), wanted.get("type", "ssh")
    if "public_key" in wanted:
        key_pair = actions.add(request.deps, request.ctx, user_id, wanted["name"], kind, wanted["public_key"])
        return {"keypair": NEW.render(key_pair, request)}
    key_pair, private_key = actions.generate(request.deps, request.ctx, user_id, wanted["name"], kind)
    return {"keypair": {**NEW.render(key_pair, request), "private_key": private_key}}


def delete(request, name: str) -> None:
    """Delete a key pair."""
    actions.delete(request.deps, _owner(request, "delete", request.param("user_id")), name)


ROUTES = (
    resource.Route("GET", "/v2.1/os-keypairs", index, POLICY + "index", query=LIST),
    resource.Route("POST", "/v2.1/os-keypairs", create, POLICY + "create", 200, CREATE, until="2.1"),
    resource.Route("POST", "/v2.1/os-keypairs", create, POLICY + "create", 201, CREATE, since="2.2"),
    resource.Route("GET", "/v2.1/os-keypairs/{name}", show, POLICY + "show", query=ONE),
    resource.Route("DELETE", "/v2.1/os-keypairs/{name}", delete, POLICY + "delete", 202, query=ONE, until="2.1"),
    resource.Route("DELETE", "/v2.1/os-keypairs/{name}", delete, POLICY + "delete", 204, query=ONE, since="2.2"),
)
