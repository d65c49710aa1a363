"""Links in the Compute API's answers: a thing's own, and the next page of a list."""
from collections.abc import Callable
from typing import Any

from nova_lite.api import paging

VERSION = "/v2.1"


def of(request, collection: str, ident: str) -> list[dict]:
    """The ``self`` and ``bookmark`` links of a thing; ``collection`` is ``flavors`` or the like."""
    return [{"rel": "self", "href": f"{request.base_url}{VERSION}/{collection}/{ident}"},
            {"rel": "bookmark", "href": f"{request.base_url}/{collection}/{ident}"}]


def bookmark(request, collection: str, ident: str) -> list[dict]:
    """The ``bookmark`` link alone, as things have it that are named inside others."""
    return [{"rel": "bookmark", "href": f"{request.base_url}/{collection}/{ident}"}]


def page(request) -> tuple[int, str | None]:
    """The limit and the marker that a list request asks for. Raises Invalid."""
    return paging.limit_of(request, request.deps.max_limit, zero_is_all=False), request.param("marker")


def following(request, collection: str, things: list, limit: int, marker: str | Callable[[Any], str]) -> dict:
    """``{"flavors_links": [...]}`` with the next page where the page of ``things`` is full, else {}. ``marker``: attribute or function."""
    if not things or len(things) < limit:
        return {}
    last = marker(things[-1]) if callable(marker) else getattr(things[-1], marker)
    href = paging.next_link(request, f"{VERSION}/{collection}", last)
    return {f"{collection.split('/')[0].removeprefix('os-')}_links": [{"rel": "next", "href": href}]}
