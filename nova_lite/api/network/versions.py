"""Discovery: which versions of the Network API there are, and which collections v2.0 has."""
from nova_lite.api.resource import Request, Route

COLLECTIONS = (("network", "networks"), ("subnet", "subnets"), ("port", "ports"), ("security-group", "security-groups"),
               ("security-group-rule", "security-group-rules"), ("extension", "extensions"), ("quota", "quotas"))


def list_versions(request: Request) -> dict:
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": f"{request.base_url}/v2.0/"}]}]}


def show_version(request: Request) -> dict:
    return {"resources": [{"name": name, "collection": plural, "links": [{"rel": "self", "href": f"{request.base_url}/v2.0/{plural}"}]}
                          for name, plural in COLLECTIONS]}


ROUTES = (
    Route("GET", "/", list_versions),
    Route("GET", "/v2.0", show_version, "get_extensions"),
)
