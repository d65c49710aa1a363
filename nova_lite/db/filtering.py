"""Filtered, sorted, keyset-paged SELECTs of one table, as the lists of the Network API need them."""
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import exception


@dataclass(frozen=True)
class Page:
    """What part of a list is wanted. ``filters``: column name to the values admitted; ``sorts``: (column name, "asc" or "desc").

    ``marker``: id of the last row of the page before; ``limit`` None is all; ``reverse`` goes backwards from the marker.
    """

    filters: dict[str, list] = field(default_factory=dict)
    sorts: Sequence[tuple[str, str]] = ()
    limit: int | None = None
    marker: str | None = None
    reverse: bool = False


def select_page(tx: orm.Session, model, page: Page, *conditions) -> list:
    """The rows of ``model`` that fulfil the conditions and filters, in order, with ``id`` as the last sort key.

    Raises Invalid where the marker is no row of this list.
    """
    query = sa.select(model).where(*conditions)
    for name, values in page.filters.items():
        query = query.where(_among(getattr(model, name), values))
    keys = [(_sortable(model, name), (direction == "asc") != page.reverse) for name, direction in page.sorts if name != "id"]
    keys.append((model.id, dict(page.sorts).get("id", "asc") == "asc" and not page.reverse))
    if page.marker is not None:
        row = tx.execute(sa.select(*[key for key, _ in keys]).where(model.id == page.marker, *conditions)).first()
        if row is None:
            raise exception.Invalid(f"Invalid input for operation: marker {page.marker} is not in this list.")
        query = query.where(_after(keys, row))
    query = query.order_by(*[key.asc() if ascending else key.desc() for key, ascending in keys]).limit(page.limit)
    rows = list(tx.scalars(query))
    return rows[::-1] if page.reverse else rows


def _among(column, values: list):
    wanted = [value for value in values if value is not None]
    clauses = [column.in_(wanted)] if wanted or None not in values else []
    return sa.or_(*clauses, *([column.is_(None)] if None in values else []))


def _sortable(model, name: str):
    column = getattr(model, name)
    # NULLs sort differently in each database and compare with nothing; as empty text they have a place.
    return sa.func.coalesce(column, "") if column.nullable and isinstance(column.type, sa.String) else column


def _after(keys, row):
    clauses = []
    for index, (key, ascending) in enumerate(keys):
        same = [earlier == value for (earlier, _), value in zip(keys[:index], row[:index], strict=True)]
        clauses.append(sa.and_(*same, key > row[index] if ascending else key < row[index]))
    return sa.or_(*clauses)
