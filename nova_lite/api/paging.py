"""Paging: ``limit`` and ``marker`` checked once, and the link to the next page."""
import urllib.parse

from nova_lite import exception


def limit_of(request, maximum: int, name: str = "limit", zero_is_all: bool = True) -> int:
    """The page size asked for, at most ``maximum``; ``maximum`` where none, or 0 with ``zero_is_all``, is asked. Raises Invalid."""
    text = request.param(name)
    if text is None or text == "":
        return maximum
    try:
        limit = int(text)
    except ValueError:
        raise exception.Invalid(f"Invalid input for query parameters {name}. Value: {text}. It must be an integer.")
    if limit < 0:
        raise exception.Invalid(f"{name} must be zero or a positive integer, not {text}")
    return maximum if limit == 0 and zero_is_all else min(limit, maximum)


def next_link(request, path: str, marker: str) -> str:
    """The URL of the next page: the same query from ``marker`` on. ``path`` starts with a slash, below the service's URL."""
    query = [(key, value) for key, values in request.query.items() if key != "marker" for value in values]
    return f"{request.base_url}{path}?{urllib.parse.urlencode([*query, ('marker', marker)])}"
