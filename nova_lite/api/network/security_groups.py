"""Security groups and their rules: each project's default group is listed, shown and deleted; its rules are listed and shown."""
from nova_lite.api.network import collection
from nova_lite.api.network.collection import COMMON, optional
from nova_lite.api.network.stamps import OWNER, STAMPS
from nova_lite.api.resource import Request, Route
from nova_lite.api.view import Field, View
from nova_lite.network.actions import security_groups

RULE_COMMON = {name: entry for name, entry in COMMON.items() if name != "name"}


def port_number(text: str) -> int | None:
    """A port in a query string, empty for any. Raises ValueError."""
    return int(text) if text else None


RULE_FILTERS = {**RULE_COMMON, "security_group_id": ("security_group_id", str), "direction": ("direction", str), "ethertype": ("ethertype", str),
                "protocol": ("protocol", optional), "remote_group_id": ("remote_group_id", optional),
                "remote_ip_prefix": ("remote_ip_prefix", optional), "port_range_min": ("port_range_min", port_number),
                "port_range_max": ("port_range_max", port_number)}
VIEW = View(Field("id", "id"), Field("name", "name"), *OWNER, *STAMPS)
RULE_VIEW = View(Field("id", "id"), *OWNER, Field("security_group_id", "security_group_id"), Field("direction", "direction"),
                 Field("ethertype", "ethertype"), Field("protocol", "protocol"), Field("port_range_min", "port_range_min"),
                 Field("port_range_max", "port_range_max"), Field("remote_ip_prefix", "remote_ip_prefix"),
                 Field("remote_group_id", "remote_group_id"), *STAMPS)


def _view(request: Request, group, rules: list) -> dict:
    return {**VIEW.render(group, request), "security_group_rules": [RULE_VIEW.render(rule, request) for rule in rules]}


def list_all(request: Request) -> dict:
    page = collection.page_of(request, COMMON)
    groups, rules = security_groups.list_all(request.deps, request.ctx, page)
    return collection.render(request, "security_groups", "/v2.0/security-groups", page, groups,
                             [_view(request, group, rules.get(group.id, [])) for group in groups])


def show(request: Request, group_id: str) -> dict:
    return {"security_group": collection.chosen(request, _view(request, *security_groups.show(request.deps, request.ctx, group_id)))}


def delete(request: Request, group_id: str) -> None:
    security_groups.delete(request.deps, request.ctx, group_id)


def list_rules(request: Request) -> dict:
    page = collection.page_of(request, RULE_FILTERS)
    rows = security_groups.list_rules(request.deps, request.ctx, page)
    return collection.render(request, "security_group_rules", "/v2.0/security-group-rules", page, rows,
                             [RULE_VIEW.render(row, request) for row in rows])


def show_rule(request: Request, rule_id: str) -> dict:
    rule = security_groups.show_rule(request.deps, request.ctx, rule_id)
    return {"security_group_rule": collection.chosen(request, RULE_VIEW.render(rule, request))}


ROUTES = (
    Route("GET", "/v2.0/security-groups", list_all, "get_security_group"),
    Route("GET", "/v2.0/security-groups/{group_id}", show, "get_security_group"),
    Route("DELETE", "/v2.0/security-groups/{group_id}", delete, "delete_security_group", 204),
    Route("GET", "/v2.0/security-group-rules", list_rules, "get_security_group_rule"),
    Route("GET", "/v2.0/security-group-rules/{rule_id}", show_rule, "get_security_group_rule"),
)
