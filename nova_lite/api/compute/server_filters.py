"""The query string of a server list made into the database's filters: who may use which, and what the words mean."""
import dataclasses

from nova_lite import clock, exception
from nova_lite.api.compute import values
from nova_lite.compute import states
from nova_lite.db import server_lists

FOR_ALL = (("reservation_id", "2.1"), ("name", "2.1"), ("status", "2.1"), ("image", "2.1"), ("flavor", "2.1"), ("ip", "2.1"),
           ("changes-since", "2.1"), ("all_tenants", "2.1"), ("ip6", "2.5"), ("tags", "2.26"), ("tags-any", "2.26"), ("not-tags", "2.26"),
           ("not-tags-any", "2.26"), ("changes-before", "2.66"), ("locked", "2.73"), ("availability_zone", "2.83"), ("config_drive", "2.83"),
           ("key_name", "2.83"), ("created_at", "2.83"), ("launched_at", "2.83"), ("terminated_at", "2.83"), ("power_state", "2.83"),
           ("task_state", "2.83"), ("vm_state", "2.83"), ("progress", "2.83"), ("user_id", "2.83"))
"""Filters that users without the right to all may use, from which microversion on. Others are left out without a word, as upstream does."""
TAG_FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")
ALIASES = {"image_ref": "image", "tenant_id": "project_id"}
NUMBERS = ("launch_index", "power_state", "progress")
ADMIN_SORT_KEYS = frozenset({"host", "node"})


@dataclasses.dataclass(frozen=True)
class Asked:
    """What db.server_lists.find takes."""

    filters: dict
    sort: list[tuple[str, bool]]
    project_id: str | None


def read(request, collection: str) -> Asked | None:
    """The list that the request asks for; None when nothing can match. Raises Invalid and PolicyNotAuthorized."""
    given = {name: request.param(name) for name in request.query}
    if any(name.startswith("_") for name in given):
        raise exception.Invalid(f"Invalid filter field: {next(name for name in given if name.startswith('_'))}.")
    if not request.can("os_compute_api:servers:allow_all_filters"):
        allowed = {name for name, since in FOR_ALL if request.at_least(since)}
        given = {name: value for name, value in given.items() if name in allowed}
    project_id = _project(request, collection, given)
    filters = _values({ALIASES.get(name, name): value for name, value in given.items()})
    if "status" in request.query and not _states(request, filters):
        return None
    _moments(given, filters)
    _deleted(request, given, filters)
    return Asked(filters, _sort(request), project_id)


def _project(request, collection: str, given: dict) -> str | None:
    everybody = given.pop("all_tenants", None)
    if everybody is not None and _truth_of_all(everybody):
        rule = "detail" if collection.endswith("detail") else "index"
        request.authorize(f"os_compute_api:servers:{rule}:get_all_tenants")
        return None
    given.pop("tenant_id", None)
    given.pop("project_id", None)
    return request.ctx.project_id


def _truth_of_all(text: str) -> bool:
    # The empty value (?all_tenants) means yes.
    if text == "":
        return True
    if text not in (*values.TRUTHS, *values.FALSEHOODS):
        raise exception.Invalid(f"Unrecognized value '{text}' for all_tenants")
    return values.truth(text)


def _values(given: dict) -> dict:
    filters: dict = {}
    for name, value in given.items():
        if name in NUMBERS:
            if not value.lstrip("-").isdigit():
                raise exception.Invalid(f"Invalid input for query parameters {name}. Value: {value}. It must be an integer.")
            filters[name] = int(value)
        elif name in ("locked", "config_drive"):
            filters[name] = values.truth(value)
        elif name in TAG_FILTERS:
            filters[name] = value.split(",")
        elif name in ("ip", "ip6") or name in server_lists.EXACT or name in server_lists.PATTERNS:
            filters[name] = value
    return filters


def _states(request, filters: dict) -> bool:
    words = [word.upper() for word in request.query["status"]]
    pairs = [pair for word in words for pair in states.states_of(word)]
    if not pairs:
        if request.at_least("2.38"):
            raise exception.Invalid("Invalid status value")
        return False
    if words == ["DELETED"] and not request.ctx.is_admin:
        raise exception.Forbidden("Only administrators may list deleted instances")
    by_state: dict[str, list] = {}
    for vm_state, task_state in pairs:
        by_state.setdefault(vm_state, []).append(task_state)
    filters["states"] = []
    for vm_state, tasks in by_state.items():
        named = [name for name in tasks if name is not None]
        if named:
            filters["states"].append((vm_state, True, named))
        if None in tasks:
            filters["states"].append((vm_state, False, states.special_tasks(vm_state)))
    if "DELETED" in words:
        filters["deleted"] = None
    return True


def _moments(given: dict, filters: dict) -> None:
    for name in ("changes-since", "changes-before"):
        if name in given:
            filters[name] = clock.parse(given[name])
    if "changes-since" in filters and "changes-before" in filters and filters["changes-before"] < filters["changes-since"]:
        raise exception.Invalid("The value of changes-since must be less than or equal to changes-before.")


def _deleted(request, given: dict, filters: dict) -> None:
    if "soft_deleted" in given:
        filters["soft_deleted"] = values.truth(given["soft_deleted"])
    elif any(state[0] == states.SOFT_DELETED for state in filters.get("states", ())):
        filters["soft_deleted"] = True
    if "deleted" in given:
        filters["deleted"] = values.truth(given["deleted"])
    elif "changes-since" in given or "changes-before" in given:
        filters["deleted"] = None


def _sort(request) -> list[tuple[str, bool]]:
    keys = request.query.get("sort_key", [])
    directions = request.query.get("sort_dir", [])
    if any(word not in ("asc", "desc") for word in directions):
        raise exception.Invalid(f"Unknown sort direction, must be one of: asc, desc, not {directions[-1]}")
    found = []
    for position, key in enumerate(keys):
        if key in ADMIN_SORT_KEYS and not request.ctx.is_admin:
            raise exception.Forbidden(f"Only administrators can sort servers by {key}")
        if key in server_lists.SORT_KEYS:
            found.append((key, (directions[position] if position < len(directions) else "desc") == "desc"))
    return found
