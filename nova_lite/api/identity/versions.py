"""Discovery: which versions of the Identity API there are, in the form that keystoneauth expects."""
import json

import webob

from nova_lite.api.resource import Request, Route

VERSION = "v3.14"
UPDATED = "2020-04-07T00:00:00Z"


def _version(request: Request) -> dict:
    return {"id": VERSION, "status": "stable", "updated": UPDATED,
            "links": [{"rel": "self", "href": f"{request.base_url}/v3/"}],
            "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}]}


def list_versions(request: Request) -> webob.Response:
    content = json.dumps({"versions": {"values": [_version(request)]}}).encode()
    return webob.Response(status=300, body=content, content_type="application/json", vary="X-Auth-Token")


def show_version(request: Request) -> dict:
    return {"version": _version(request)}


ROUTES = (
    Route("GET", "/", list_versions),
    Route("GET", "/v3", show_version),
)
