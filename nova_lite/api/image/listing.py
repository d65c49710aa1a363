"""The query string of GET /v2/images: filters, order and page."""
import csv
from typing import Any

from nova_lite import clock, exception
from nova_lite.api import paging
from nova_lite.api.resource import Request
from nova_lite.db import filtering
from nova_lite.db import images as db

SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
DIRECTIONS = ("asc", "desc")
VISIBILITIES = ("community", "public", "private", "shared", "all")
MEMBER_STATUSES = ("pending", "accepted", "rejected", "all")
TEXTS = ("name", "status", "container_format", "disk_format", "id", "owner", "checksum", "os_hash_algo", "os_hash_value")
LISTS = ("name", "status", "container_format", "disk_format", "id")
"""Columns that take ``in:a,b``."""
FLAGS = ("protected", "os_hidden")
NUMBERS = {"size_min": ("size", "gte"), "size_max": ("size", "lte"), "min_ram": ("min_ram", "eq"), "min_disk": ("min_disk", "eq")}
TIMES = ("created_at", "updated_at")
OTHERS = ("limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "member_status", "tag")


def wanted_of(request: Request) -> db.Wanted:
    """The filters that the query asks for. Raises Invalid."""
    if request.param("changes-since"):
        raise exception.Invalid('The "changes-since" filter is no longer available on v2.')
    columns: dict[str, list] = {"os_hidden": [False]}
    compare, properties = [], {}
    for name in request.query:
        text = request.param(name) or ""
        if name in TEXTS:
            columns[name] = _values(name, text)
        elif name in FLAGS:
            columns[name] = [_flag(name, text)]
        elif name in NUMBERS:
            compare.append((*NUMBERS[name], _number(name, text)))
        elif name in TIMES:
            compare.append((name, *_moment(name, text)))
        elif name not in OTHERS:
            properties[name] = text
    return db.Wanted(columns, tuple(compare), tuple(request.query.get("tag", ())), properties,
                     _one_of(request, "visibility", VISIBILITIES, None), _one_of(request, "member_status", MEMBER_STATUSES, "accepted"))


def _one_of(request: Request, name: str, values: tuple[str, ...], default: str | None) -> str | None:
    text = request.param(name) or default
    if text is not None and text not in values:
        raise exception.Invalid(f"Invalid {name.removeprefix('member_')} value: {text}")
    return text


def _values(name: str, text: str) -> list[str]:
    if name not in LISTS or not text.startswith("in:"):
        return [text]
    rows = list(csv.reader([text[3:]], skipinitialspace=True))
    if not rows or not any(rows[0]):
        raise exception.Invalid(f"Invalid filter value {text}: a comma-separated list must follow in:")
    return rows[0]


def _flag(name: str, text: str) -> bool:
    words = {"true": True, "false": False, "1": True, "0": False}
    if text.lower() not in words:
        raise exception.Invalid(f"Invalid value '{text}' for '{name}' filter: it must be true or false.")
    return words[text.lower()]


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise exception.Invalid(f"Invalid value '{text}' for '{name}' filter: it must be zero or a positive integer.")
    return int(text)


def _moment(name: str, text: str) -> tuple[str, Any]:
    operator, colon, rest = text.partition(":")
    if not colon or operator not in db.COMPARE:
        operator, rest = "eq", text
    try:
        return operator, clock.parse(rest)
    except ValueError as error:
        raise exception.Invalid(f"Invalid time format for {name}: {rest}") from error


def page_of(request: Request, maximum: int) -> filtering.Page:
    """The order and page that the query asks for. Raises Invalid."""
    sorts = _sorts(request)
    default = "desc" if len({direction for _, direction in sorts}) != 1 else sorts[0][1]
    for name in ("created_at", "id"):
        if name not in dict(sorts):
            sorts.append((name, default))
    # What follows a unique key orders nothing.
    return filtering.Page(sorts=sorts[:[name for name, _ in sorts].index("id") + 1], limit=paging.limit_of(request, maximum),
                          marker=request.param("marker"))


def _sorts(request: Request) -> list[tuple[str, str]]:
    keys, directions = request.query.get("sort_key", []), request.query.get("sort_dir", [])
    if request.param("sort"):
        if keys or directions:
            raise exception.Invalid("Old and new sorting syntax cannot be combined")
        pairs = [part.strip().partition(":") for part in request.param("sort").split(",")]
        sorts = [(key.strip(), direction.strip() or "desc") for key, _, direction in pairs]
    else:
        keys = keys or ["created_at"]
        directions = directions * len(keys) if len(directions) == 1 else directions or ["desc"] * len(keys)
        if len(directions) != len(keys):
            raise exception.Invalid("Number of sort dirs does not match the number of sort keys")
        sorts = list(zip(keys, directions, strict=True))
    for key, direction in sorts:
        if key not in SORT_KEYS:
            raise exception.Invalid(f"Invalid sort key: {key}. It must be one of the following: {', '.join(SORT_KEYS)}.")
        if direction not in DIRECTIONS:
            raise exception.Invalid(f"Invalid sort direction: {direction}")
    unique: dict[str, str] = {}
    for key, direction in sorts:
        unique.setdefault(key, direction)
    return list(unique.items())
