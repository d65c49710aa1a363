"""Lists of servers: the documented filters and sort keys, keyset paging, a fixed number of statements."""
import collections
import re

import sqlalchemy as sa

from nova_lite import exception
from nova_lite.db import server_ports
from nova_lite.db.models import Server, ServerTag

SORT_KEYS = {
    "access_ip_v4": Server.access_ip_v4, "access_ip_v6": Server.access_ip_v6, "auto_disk_config": Server.disk_config,
    "availability_zone": Server.availability_zone, "config_drive": Server.config_drive, "created_at": Server.created_at,
    "display_description": Server.description, "display_name": Server.name, "host": Server.host, "hostname": Server.hostname,
    "image_ref": Server.image_id, "instance_type_id": Server.flavorid, "key_name": Server.key_name, "launch_index": Server.launch_index,
    "launched_at": Server.launched_at, "locked": Server.locked, "locked_by": Server.locked, "node": Server.node, "power_state": Server.power_state,
    "progress": Server.progress, "project_id": Server.project_id, "ramdisk_id": Server.image_id, "kernel_id": Server.image_id,
    "root_device_name": Server.root_device, "task_state": Server.task_state, "terminated_at": Server.terminated_at,
    "updated_at": Server.updated_at, "user_id": Server.user_id, "uuid": Server.id, "vm_state": Server.vm_state,
}
"""The API's sort keys and the columns behind them."""

EXACT = {
    "access_ip_v4": Server.access_ip_v4, "access_ip_v6": Server.access_ip_v6, "auto_disk_config": Server.disk_config,
    "availability_zone": Server.availability_zone, "flavor": Server.flavorid, "host": Server.host, "node": Server.node,
    "image": Server.image_id, "key_name": Server.key_name, "launch_index": Server.launch_index, "power_state": Server.power_state,
    "progress": Server.progress, "project_id": Server.project_id, "reservation_id": Server.reservation_id,
    "root_device_name": Server.root_device, "task_state": Server.task_state, "user_id": Server.user_id, "uuid": Server.id,
    "vm_state": Server.vm_state, "config_drive": Server.config_drive, "locked": Server.locked,
}
"""Filters that ask for equality; a list of values asks for any of them."""

PATTERNS = {"name": Server.name, "hostname": Server.hostname, "description": Server.description, "display_name": Server.name,
            "display_description": Server.description}
"""Filters that are regular expressions on text."""


LONG = ("key_data", "told_password", "decision", "disks")
"""Columns that no list shows."""
SHOWN = [column for column in Server.__table__.c if column.name not in LONG and not column.name.startswith("task_")]
SHOWN.append(Server.__table__.c.task_state)
Listed = collections.namedtuple("Listed", [column.key for column in SHOWN])
"""A server of a list. Its attributes are read some forty times each, which takes SQLAlchemy's own rows ten times as long."""


def find(tx, filters: dict, sort: list[tuple[str, bool]], limit: int, marker: str | None, project_id: str | None) -> list[Listed]:
    """A page of servers with the columns SHOWN: a list of a thousand need not become a thousand objects that a session watches.

    ``filters``: EXACT and PATTERNS by name, ``states`` (list of (vm_state, include, tasks)), ``deleted`` (None: both),
    ``changes-since``/``changes-before`` (datetimes), ``tags`` and its kin (lists), ``ip`` and ``ip6``. ``sort``: (key, descending) pairs.

    Raises Invalid for a pattern that is no regular expression and for an unknown marker.
    """
    query = _filtered(tx, sa.select(*SHOWN), filters)
    if project_id is not None:
        query = query.where(Server.project_id == project_id)
    order = [(SORT_KEYS[key], descending) for key, descending in sort]
    for column, descending in ((Server.created_at, True), (Server.id, True)):
        if not any(column is chosen for chosen, _ in order):
            order.append((column, order[-1][1] if order and column is Server.id else descending))
    if marker is not None:
        query = query.where(_after(tx, marker, order, project_id))
    query = query.order_by(*[part for column, descending in order for part in _ordered(column, descending)]).limit(limit)
    return list(map(Listed._make, tx.execute(query)))


def _ordered(column, descending: bool) -> list:
    # PostgreSQL sorts NULL last and the others first: say it, so that a page continues the same way everywhere.
    if not column.nullable:
        return [column.desc() if descending else column.asc()]
    rank = sa.case((column.is_(None), 0), else_=1)
    return [rank.desc(), column.desc()] if descending else [rank.asc(), column.asc()]


def _after(tx, marker: str, order: list, project_id: str | None):
    query = sa.select(Server).where(Server.id == marker)
    if project_id is not None:
        query = query.where(Server.project_id == project_id)
    last = tx.execute(query).scalar_one_or_none()
    if last is None:
        raise exception.Invalid(f"marker [{marker}] not found")
    clauses, equal = [], []
    for column, descending in order:
        value = getattr(last, column.key)
        beyond = _beyond(column, value, descending)
        if beyond is not None:
            clauses.append(sa.and_(*equal, beyond))
        equal.append(column.is_(None) if value is None else column == value)
    return sa.or_(*clauses)


def _beyond(column, value, descending: bool):
    if value is None:
        return None if descending else column.is_not(None)
    if descending:
        return sa.or_(column < value, column.is_(None)) if column.nullable else column < value
    return column > value


def _filtered(tx, query, filters: dict):
    query = _living(query, filters.get("deleted", False), filters.get("soft_deleted"))
    for name, column in EXACT.items():
        if name in filters:
            value = filters[name]
            query = query.where(column.in_(value) if isinstance(value, list) else column.is_(None) if value is None else column == value)
    for name, column in PATTERNS.items():
        if name in filters:
            query = query.where(_matches(query, column, name, filters[name]))
    if "states" in filters:
        query = query.where(sa.or_(sa.false(), *[_in_state(*state) for state in filters["states"]]))
    if filters.get("changes-since") is not None:
        query = query.where(Server.changed_at >= filters["changes-since"])
    if filters.get("changes-before") is not None:
        query = query.where(Server.changed_at <= filters["changes-before"])
    for name, version in (("ip", 4), ("ip6", 6)):
        if name in filters:
            query = query.where(Server.id.in_(server_ports.servers_with_address(tx, _like(filters[name]), version)))
    return _tagged(query, filters)


def _living(query, deleted: bool | None, marked: bool | None):
    """Those that are deleted, or that are not (None: both). ``marked``: whether those that can be restored are among them (None: as usual)."""
    soft = Server.vm_state == "soft-delete"
    if deleted is None:
        return query
    if deleted:
        return query.where(sa.or_(Server.deleted.is_(True), soft) if marked in (None, True) else Server.deleted.is_(True))
    return query.where(Server.deleted.is_(False), *(() if marked else (~soft,)))


def _like(pattern: str) -> str:
    """An address pattern (a regular expression matched from the start, as upstream's) as an SQL LIKE pattern."""
    anchored = pattern.endswith("$")
    text = pattern.removeprefix("^").removesuffix("$").replace("\\.", ".").replace(".*", "%")
    return text if anchored else text + "%"


def _in_state(vm_state: str, include: bool, tasks: list[str]):
    if include:
        return sa.and_(Server.vm_state == vm_state, Server.task_state.in_(tasks))
    return sa.and_(Server.vm_state == vm_state, sa.or_(Server.task_state.is_(None), Server.task_state.not_in(tasks)))


def _matches(query, column, name: str, pattern: str):
    try:
        re.compile(pattern)
    except re.error:
        raise exception.Invalid(f"Invalid filter field: {name}.")
    if re.escape(pattern).replace("\\-", "-").replace("\\ ", " ") == pattern:
        return column.contains(pattern, autoescape=True)
    return column.regexp_match(pattern)


def _tagged(query, filters: dict):
    def has(tag: str):
        return sa.exists().where(ServerTag.server_id == Server.id, ServerTag.tag == tag)
    for tag in filters.get("tags", ()):
        query = query.where(has(tag))
    if filters.get("tags-any"):
        query = query.where(sa.or_(*[has(tag) for tag in filters["tags-any"]]))
    if filters.get("not-tags"):
        query = query.where(sa.not_(sa.and_(*[has(tag) for tag in filters["not-tags"]])))
    for tag in filters.get("not-tags-any", ()):
        query = query.where(sa.not_(has(tag)))
    return query
