"""Discovery: the versions of the Image API. 2.9 is the last whose features are all here (2.10 to 2.13 are of multiple stores)."""
import json

import webob

from nova_lite.api.resource import Request, Route

CURRENT = "2.9"
SUPPORTED = ("2.7", "2.6", "2.5", "2.4", "2.3", "2.2", "2.1", "2.0")


def _document(request: Request) -> dict:
    links = [{"rel": "self", "href": f"{request.base_url}/v2/"}]
    rows = [(CURRENT, "CURRENT"), *((version, "SUPPORTED") for version in SUPPORTED)]
    return {"versions": [{"id": f"v{version}", "status": status, "links": links} for version, status in rows]}


def choose_version(request: Request) -> webob.Response:
    return webob.Response(status=300, body=json.dumps(_document(request)).encode(), content_type="application/json")


def list_versions(request: Request) -> dict:
    return _document(request)


ROUTES = (
    Route("GET", "/", choose_version),
    Route("GET", "/v2", choose_version),
    Route("GET", "/versions", list_versions),
)
