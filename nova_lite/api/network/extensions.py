"""Extensions: which parts of the Network API beyond its core are really there."""
from nova_lite import exception
from nova_lite.api.resource import Request, Route

# alias | name | description | date of its definition
EXTENSIONS = (
    ("binding", "Port Binding", "Expose port bindings of a virtual port to external application", "2014-02-03T10:00:00-00:00"),
    ("external-net", "Neutron external network", "Adds external network attribute to network resource.", "2013-01-14T10:00:00-00:00"),
    ("filter-validation", "Filter parameters validation", "Provides validation on filter parameters.", "2018-03-21T10:00:00-00:00"),
    ("ip-substring-filtering", "IP address substring filtering", "Provides IP address substring filtering when listing ports",
     "2017-11-28T09:00:00-00:00"),
    ("net-mtu", "Network MTU", "Provides MTU attribute for a network resource.", "2015-03-25T10:00:00-00:00"),
    ("net-mtu-writable", "Network MTU (writable)", "Provides a writable MTU attribute for a network resource.", "2017-07-12T00:00:00-00:00"),
    ("pagination", "Pagination support", "Extension that indicates that pagination is enabled.", "2016-06-12T00:00:00-00:00"),
    ("project-id", "project_id field enabled", "Extension that indicates that project_id field is enabled.", "2016-09-09T09:09:09-09:09"),
    ("provider", "Provider Network", "Expose mapping of virtual networks to physical networks", "2012-09-07T10:00:00-00:00"),
    ("quotas", "Quota management support", "Expose functions for quotas management per project", "2012-07-29T10:00:00-00:00"),
    ("quota_details", "Quota details management support", "Expose functions for quotas usage statistics per project",
     "2017-02-10T10:00:00-00:00"),
    ("security-group", "security-group", "The security groups extension.", "2012-10-05T10:00:00-00:00"),
    ("sorting", "Sorting support", "Extension that indicates that sorting is enabled.", "2016-06-12T00:00:00-00:00"),
    ("standard-attr-description", "standard-attr-description", "Extension to add descriptions to standard attributes", "2016-02-10T10:00:00-00:00"),
    ("standard-attr-revisions", "Resource revision numbers", "This extension will display the revision number of neutron resources.",
     "2016-04-11T10:00:00-00:00"),
    ("standard-attr-timestamp", "Resource timestamps", "Adds created_at and updated_at fields to all Neutron resources that have "
     "Neutron standard attributes.", "2016-09-12T10:00:00-00:00"),
)


def _view(row: tuple) -> dict:
    alias, name, description, updated = row
    return {"alias": alias, "name": name, "description": description, "updated": updated, "links": []}


def list_all(request: Request) -> dict:
    return {"extensions": [_view(row) for row in EXTENSIONS]}


def show(request: Request, alias: str) -> dict:
    for row in EXTENSIONS:
        if row[0] == alias:
            return {"extension": _view(row)}
    raise exception.NotFound(f"Extension with alias {alias} does not exist")


ROUTES = (
    Route("GET", "/v2.0/extensions", list_all, "get_extensions"),
    Route("GET", "/v2.0/extensions/{alias}", show, "get_extensions"),
)
