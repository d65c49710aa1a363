"""What all lists of the Identity API share: filters from the query string, pages, and the ``links`` of a list."""
from collections.abc import Callable, Iterable

from nova_lite.api import paging
from nova_lite.api.resource import Request
from nova_lite.db import identity as db

MOST = 10000
"""Items on one page where no limit is asked: clients of this API do not follow pages by themselves."""


def is_true(text: str) -> bool:
    """How the API reads a flag in a query string: all but a clear no is a yes."""
    return text.strip().lower() not in ("0", "false", "no", "off")


def filters_of(request: Request, names: Iterable[str]) -> dict:
    """The equality filters among ``names`` that the query asks for."""
    found = {}
    for name in names:
        text = request.param(name)
        if text is not None:
            found[name] = is_true(text) if name == "enabled" else text
    return found


def page_of(request: Request) -> db.Page:
    """The page that the query asks for. Raises Invalid."""
    return db.Page(paging.limit_of(request, MOST), request.param("marker"))


def render(request: Request, name: str, path: str, rows: list, view: Callable[[object, Request], dict]) -> dict:
    """``{name: [...], "links": {...}}``. ``path``: below the service's URL, with a slash in front."""
    full = bool(request.param("limit")) and len(rows) == page_of(request).limit
    return {name: [view(row, request) for row in rows],
            "links": {"self": f"{request.base_url}{path}", "previous": None,
                      "next": paging.next_link(request, path, rows[-1].id) if full and rows else None}}


def extra_of(values: dict, known: Iterable[str]) -> dict:
    """The free attributes of a body: all that are not ``known``."""
    return {key: value for key, value in values.items() if key not in known}
