"""Domains: there is one, to be listed and shown; making others is refused."""
from nova_lite import exception
from nova_lite.api.identity import collection
from nova_lite.api.identity.projects import domains_refusal
from nova_lite.api.resource import Request, Route
from nova_lite.identity import domains


def _view(request: Request) -> dict:
    return {"id": domains.DEFAULT_ID, "name": domains.DEFAULT_NAME, "description": "The default domain", "enabled": True, "tags": [],
            "options": {}, "links": {"self": f"{request.base_url}/v3/domains/{domains.DEFAULT_ID}"}}


def render_list(request: Request, path: str, visible: bool = True) -> dict:
    """The list of domains that the query asks for; empty where not ``visible``."""
    asked = collection.filters_of(request, ("name", "enabled", "id"))
    fits = visible and asked.get("name", domains.DEFAULT_NAME) == domains.DEFAULT_NAME and asked.get("enabled", True) \
        and asked.get("id", domains.DEFAULT_ID) == domains.DEFAULT_ID
    return {"domains": [_view(request)] if fits else [],
            "links": {"self": f"{request.base_url}{path}", "previous": None, "next": None}}


def list_all(request: Request) -> dict:
    return render_list(request, "/v3/domains")


def show(request: Request, domain_id: str) -> dict:
    domains.require(domain_id)
    return {"domain": _view(request)}


def refuse(request: Request, domain_id: str | None = None) -> None:
    if domain_id is not None:
        domains.require(domain_id)
    raise exception.Forbidden(domains_refusal())


ROUTES = (
    Route("GET", "/v3/domains", list_all, "identity:list_domains"),
    Route("POST", "/v3/domains", refuse, "identity:create_domain", 201),
    Route("GET", "/v3/domains/{domain_id}", show, "identity:get_domain"),
    Route("PATCH", "/v3/domains/{domain_id}", refuse, "identity:update_domain"),
    Route("DELETE", "/v3/domains/{domain_id}", refuse, "identity:delete_domain", 204),
)
