"""Version documents: what an anonymous client reads to find out which versions there are."""
from nova_lite.api import resource

MINIMUM = "2.1"
MAXIMUM = "2.96"
DOCUMENTATION = {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}

# id | path | status | maximum and minimum microversion | updated
VERSIONS = (
    ("v2.0", "v2", "DEPRECATED", "", "", "2011-01-21T11:33:21Z"),
    ("v2.1", "v2.1", "CURRENT", MAXIMUM, MINIMUM, "2013-07-23T11:33:21Z"),
)


def _summary(request, row: tuple) -> dict:
    ident, path, status, maximum, minimum, updated = row
    return {"id": ident, "status": status, "version": maximum, "min_version": minimum, "updated": updated,
            "links": [{"rel": "self", "href": f"{request.base_url}/{path}/"}]}


def index(request) -> dict:
    """All versions."""
    return {"versions": [_summary(request, row) for row in VERSIONS]}


def _show(row: tuple):
    def show(request) -> dict:
        document = _summary(request, row)
        document["links"].append(DOCUMENTATION)
        number = row[0].removeprefix("v").removesuffix(".0")
        document["media-types"] = [{"base": "application/json", "type": f"application/vnd.openstack.compute+json;version={number}"}]
        return {"version": document}
    return show


ROUTES = (
    resource.Route("GET", "/", index),
    *(resource.Route("GET", f"/{row[1]}", _show(row)) for row in VERSIONS),
)
