"""Tokens: log in, show, check, revoke; and what the caller's own token reaches."""
import json

import webob

from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.identity import collection, domains, projects
from nova_lite.api.resource import Request, Route
from nova_lite.identity import tokens as texts
from nova_lite.identity.actions import tokens, users

STRING = {"type": "string"}
NAMED = {"id": STRING, "name": STRING}
REFERENCE = {"type": "object", "properties": {**NAMED, "domain": {"type": "object", "properties": NAMED}}}
AUTH = Body("auth", (
    Param("identity", {
        "type": "object", "required": ["methods"],
        "properties": {"methods": {"type": "array", "items": STRING},
                       "password": {"type": "object", "properties": {
                           "user": {**REFERENCE, "properties": {**REFERENCE["properties"], "password": STRING}}}},
                       "token": {"type": "object", "properties": {"id": STRING}}}}, required=True),
    Param("scope", {"anyOf": [{"enum": ["unscoped", None]}, {"type": "object", "properties": {
        "project": REFERENCE, "domain": REFERENCE, "system": {"type": "object", "properties": {"all": {"type": "boolean"}}}}}]})))


def _answer(request: Request, status: int, token: str, standing: tokens.Standing) -> webob.Response:
    body = {"token": tokens.describe(request.deps, standing, with_catalog="nocatalog" not in request.query)}
    response = webob.Response(status=status, body=json.dumps(body).encode(), content_type="application/json", vary="X-Auth-Token")
    response.headers["X-Subject-Token"] = token
    return response


def issue(request: Request) -> webob.Response:
    return _answer(request, 201, *tokens.issue(request.deps, request.body["auth"]))


def _subject(request: Request, rule: str) -> tuple[str, tokens.Standing]:
    """The token that the request is about. Raises NotFound when it does not hold, PolicyNotAuthorized when it is not the caller's to look at."""
    token = request.http.headers.get("X-Subject-Token")
    if not token:
        raise exception.Invalid("The header X-Subject-Token is missing.")
    try:
        standing = tokens.inspect(request.deps, token)
    except exception.Unauthorized as error:
        raise exception.NotFound("Could not find token.") from error
    request.authorize(rule, {"user_id": standing.payload.user_id, "project_id": None})
    return token, standing


def show(request: Request) -> webob.Response:
    return _answer(request, 200, *_subject(request, "identity:validate_token"))


def revoke(request: Request) -> None:
    _, standing = _subject(request, "identity:revoke_token")
    tokens.revoke(request.deps, standing.payload)


def _own(request: Request) -> str:
    if request.ctx.user_id is None:
        raise exception.Unauthorized(texts.INVALID)
    return request.ctx.user_id


def show_catalog(request: Request) -> dict:
    _own(request)
    return {"catalog": request.deps.catalog.render(request.ctx.project_id), "links": {"self": f"{request.base_url}/v3/auth/catalog"}}


def list_projects(request: Request) -> dict:
    filters = {"enabled": True, **collection.filters_of(request, ("name", "domain_id"))}
    found = users.list_projects(request.deps, _own(request), filters, collection.page_of(request))
    return collection.render(request, "projects", "/v3/auth/projects", found, projects.view)


def list_domains(request: Request) -> dict:
    _own(request)
    return domains.render_list(request, "/v3/auth/domains", visible="admin" in request.ctx.roles)


def list_system(request: Request) -> dict:
    _own(request)
    return {"system": [{"all": True}] if request.ctx.is_admin else [], "links": {"self": f"{request.base_url}/v3/auth/system"}}


ROUTES = (
    Route("POST", "/v3/auth/tokens", issue, None, 201, AUTH),
    Route("GET", "/v3/auth/tokens", show),
    Route("DELETE", "/v3/auth/tokens", revoke, None, 204),
    Route("GET", "/v3/auth/catalog", show_catalog),
    Route("GET", "/v3/auth/projects", list_projects),
    Route("GET", "/v3/auth/domains", list_domains),
    Route("GET", "/v3/auth/system", list_system),
)
