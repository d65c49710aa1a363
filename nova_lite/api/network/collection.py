"""What all nouns of the Network API share: filters, sorting, pages and ``fields`` of lists, one or many in a body, owners."""
from collections.abc import Callable, Iterable
from typing import Any

from nova_lite import exception
from nova_lite.api import paging
from nova_lite.api.body import Body
from nova_lite.api.resource import Request
from nova_lite.db.filtering import Page
from nova_lite.network import errors

NAME = {"type": "string", "maxLength": 255}
FLAG = {"type": "boolean"}
UUID = {"type": "string", "format": "uuid"}
CONTROL = ("fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir")

# filter and sort key of every noun | column | how the text is read
COMMON = {"id": ("id", str), "name": ("name", str), "description": ("description", str), "project_id": ("project_id", str),
          "tenant_id": ("project_id", str), "revision_number": ("revision", int)}


def flag(text: str) -> bool:
    """A boolean in a query string. Raises InvalidInput."""
    lowered = text.strip().lower()
    if lowered in ("true", "1", "yes", "on"):
        return True
    if lowered in ("false", "0", "no", "off"):
        return False
    raise errors.InvalidInput(f"Invalid input for operation: '{text}' cannot be converted to boolean.")


def optional(text: str) -> str | None:
    """Text where an empty one stands for NULL."""
    return text or None


def page_of(request: Request, columns: dict[str, tuple[str, Callable]], beside: Iterable[str] = ()) -> Page:
    """The part of the list that the query asks for; ``beside``: parameters that the noun reads itself. Raises Invalid, InvalidInput."""
    filters: dict[str, list] = {}
    for name, texts in request.query.items():
        if name in CONTROL or name in beside:
            continue
        if name not in columns:
            raise exception.Invalid(f"[{name!r}] is invalid attribute for filtering")
        column, read = columns[name]
        try:
            filters.setdefault(column, []).extend(read(text) for text in texts)
        except ValueError:
            raise errors.InvalidInput(f"Invalid input for operation: {texts} is no value of {name}.")
    keys, directions = request.query.get("sort_key", []), request.query.get("sort_dir", [])
    if directions and len(directions) != len(keys):
        raise exception.Invalid("The number of sort_keys and sort_dirs must be same")
    for key in keys:
        if key not in columns:
            raise exception.Invalid(f"[{key!r}] is invalid attribute for sorting")
    if set(directions) - {"asc", "desc"}:
        raise exception.Invalid("The value of sort_dir must be asc or desc.")
    sorts = tuple(zip((columns[key][0] for key in keys), directions or ["asc"] * len(keys), strict=True))
    return Page(filters, sorts, paging.limit_of(request, request.deps.max_limit) if request.param("limit") else None, request.param("marker"),
                flag(request.param("page_reverse", "false")))


def is_empty(request: Request, name: str, constant: str) -> bool:
    """Whether a filter on an attribute that is the same for all things asks for another value."""
    return name in request.query and constant not in request.query[name]


def chosen(request: Request, shown: dict) -> dict:
    """The keys that ``fields`` asks for; all where it does not."""
    wanted = request.query.get("fields")
    return shown if not wanted else {key: value for key, value in shown.items() if key in wanted}


def render(request: Request, plural: str, path: str, page: Page, rows: list, shown: list[dict]) -> dict:
    """``{plural: [...]}``, with links to the pages around where a limit is asked."""
    result: dict[str, Any] = {plural: [chosen(request, one) for one in shown]}
    if page.limit is None or not rows:
        return result
    links = []
    if len(rows) >= page.limit or page.reverse:
        links.append({"rel": "next", "href": paging.next_link(request, path, rows[-1].id)})
    if page.marker is not None:
        links.append({"rel": "previous", "href": f"{paging.next_link(request, path, rows[0].id)}&page_reverse=True"})
    return {**result, f"{plural}_links": links} if links else result


def entries(request: Request, table: Body, plural: str) -> tuple[list[dict], bool]:
    """(what the body asks to create, whether it is a list of them), each checked against ``table``. Raises Invalid."""
    body = request.body
    if isinstance(body, dict) and list(body) == [plural] and isinstance(body[plural], list) and body[plural]:
        found, many = body[plural], True
    elif isinstance(body, dict) and list(body) == [table.root]:
        found, many = [body[table.root]], False
    else:
        raise exception.Invalid(f"Unable to find '{table.root}' in request body")
    return [checked(table, entry) for entry in found], many


def checked(table: Body, entry: Any) -> dict:
    """One thing's attributes. Raises Invalid, naming the unknown, missing or wrong one."""
    if isinstance(entry, dict):
        unknown = sorted(set(entry) - {param.name for param in table.params})
        if unknown:
            raise exception.Invalid(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
        missing = [param.name for param in table.params if param.required and param.name not in entry]
        if missing:
            raise exception.Invalid(f"Failed to parse request. Required attribute '{missing[0]}' not specified")
    table.validate({table.root: entry}, None)
    return entry


def change(request: Request, table: Body) -> dict:
    """What the body of a PUT asks to change. Raises Invalid."""
    if not isinstance(request.body, dict) or list(request.body) != [table.root]:
        raise exception.Invalid(f"Unable to find '{table.root}' in request body")
    return checked(table, request.body[table.root])


def owner_of(request: Request, entry: dict, rule: str) -> str:
    """The project that a new thing shall belong to; another than the caller's needs the right. Raises Invalid, PolicyNotAuthorized."""
    asked = entry.get("project_id", entry.get("tenant_id"))
    if asked is None and request.ctx.project_id is None:
        raise exception.Invalid("The token is not scoped to a project: say which one with project_id.")
    if asked not in (None, request.ctx.project_id):
        request.authorize(rule, {"project_id": asked, "user_id": None})
    return asked or request.ctx.project_id


def guard(request: Request, rule: str) -> Callable[..., None]:
    """A check that the caller may do ``rule`` on a thing (by its ``project_id``), or on what lies on a network of the caller's."""
    def authorize(thing, network=None) -> None:
        if network is not None and network.project_id == request.ctx.project_id:
            request.authorize(rule)
        else:
            request.authorize(rule, {"project_id": thing.project_id, "user_id": None})
    return authorize


def columns_of(values: dict, names: dict[str, str]) -> dict:
    """The attributes of a body by the column that each is kept in; those without a column are left out."""
    return {names[name]: value for name, value in values.items() if name in names}
