"""Asking for servers: every reference checked, quota taken and rows written in one transaction, then the schedulers' bell."""
import dataclasses
import re
import secrets
import string
import uuid
from typing import Any

from nova_lite import clock
from nova_lite.compute import quota, states, task
from nova_lite.compute.actions import passwords, references
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_


@dataclasses.dataclass
class Wanted:
    """A create request after the API's own checks of form. ``networks``: a list of dicts, ``auto``, ``none`` or None (not said)."""

    name: str
    flavor_id: str
    image_id: str | None
    min_count: int = 1
    max_count: int = 1
    networks: Any = None
    key_name: str | None = None
    user_data: str | None = None
    metadata: dict = dataclasses.field(default_factory=dict)
    zone: str | None = None
    force_host: str | None = None
    force_node: str | None = None
    destination: dict = dataclasses.field(default_factory=dict)
    config_drive: bool = False
    personality: list = dataclasses.field(default_factory=list)
    tags: list = dataclasses.field(default_factory=list)
    hints: dict = dataclasses.field(default_factory=dict)
    description: str | None = None
    hostname: str | None = None
    disk_config: str | None = None
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    admin_pass: str | None = None
    security_groups: list | None = None
    trusted_certs: list | None = None
    disks: list = dataclasses.field(default_factory=list)
    """Rows of compute.local_disks."""


@dataclasses.dataclass(frozen=True)
class Created:
    """``server_ids`` in launch order; ``admin_pass`` as set or made up."""

    server_ids: list[str]
    reservation_id: str
    admin_pass: str
    disk_config: str


def create(deps: Deps, ctx: RequestContext, wanted: Wanted) -> Created:
    """Accept between ``min_count`` and ``max_count`` servers: as many as the quota allows.

    Raises Invalid (naming the reference that is wrong), Conflict (ambiguous network, port in use), QuotaExceeded; then nothing is written.
    """
    wanted.admin_pass = wanted.admin_pass or passwords.make_up()
    reservation_id = "r-" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    with deps.db.write() as tx:
        found = references.check(tx, ctx, deps, wanted)
        flavor = found.flavor
        each = {"instances": 1, "cores": flavor["vcpus"], "ram": flavor["memory_mb"]}
        count = quota.take_between(tx, ctx.project_id, ctx.user_id, each, wanted.min_count, wanted.max_count, deps.quota_defaults)
        if found.group is not None:
            limit = quota.limits(tx, ctx.project_id, ctx.user_id, deps.quota_defaults).effective["server_group_members"]
            references.check_members(tx, ctx, found.group, count, limit)
        rows = [_row(ctx, wanted, found, reservation_id, index, count) for index in range(count)]
        servers_.insert(tx, rows, sorted(set(wanted.tags)))
        ids = [row["id"] for row in rows]
        servers_.add_actions(tx, ids, "create", ctx, rows[0]["created_at"])
    ring(deps.scheduler.place_servers, ctx, server_ids=ids, tokens=[row["task_id"] for row in rows])
    return Created(ids, reservation_id, wanted.admin_pass, rows[0]["disk_config"])


def _row(ctx: RequestContext, wanted: Wanted, found: references.Found, reservation_id: str, index: int, count: int) -> dict:
    now = clock.now()
    server_id = str(uuid.uuid4())
    name = wanted.name if count == 1 else f"{wanted.name}-{index + 1}"
    hostname = wanted.hostname or sanitize_hostname(name, server_id)
    if wanted.hostname and count > 1:
        hostname = f"{wanted.hostname}-{index + 1}"
    request = {"availability_zone": wanted.zone, "force_host": wanted.force_host, "force_node": wanted.force_node,
               "destination": wanted.destination, "hints": wanted.hints, "networks": found.networks, "personality": wanted.personality,
               "admin_pass": wanted.admin_pass, "attempts": 0, "excluded": [],
               "count": count, "min_count": wanted.min_count}
    return {
        "id": server_id, "project_id": ctx.project_id, "user_id": ctx.user_id, "reservation_id": reservation_id, "launch_index": index,
        "name": name, "hostname": hostname, "description": wanted.description, "created_at": now, "updated_at": now, "changed_at": now,
        "vm_state": states.BUILDING, "task_state": states.SCHEDULING, "image_id": found.image["id"], "image": found.image,
        "flavor": found.flavor, "flavorid": found.flavor["flavorid"], "key_name": wanted.key_name, "key_data": found.key_data,
        "user_data": wanted.user_data, "availability_zone": None,
        # Nothing else carries files: the metadata service has no room for them.
        "config_drive": wanted.config_drive or found.config_drive or bool(wanted.personality),
        "disk_config": wanted.disk_config or "MANUAL", "access_ip_v4": wanted.access_ip_v4, "access_ip_v6": wanted.access_ip_v6,
        "root_device": found.root_device, "disks": wanted.disks, "meta": wanted.metadata, "trusted_certs": wanted.trusted_certs, "request": request,
        "group_id": found.group.id if found.group is not None else None,
        "task_id": task.new_token(), "task_action": "create", "task_started_at": now, "task_deadline": task.deadline("create", now),
        "task_request_id": ctx.request_id, "task_detail": None,
    }


def sanitize_hostname(name: str, server_id: str) -> str:
    """A host name made of a server's name, as Nova makes it: what RFC 1123 forbids left out or replaced, at most 63 characters."""
    text = re.sub(r"[ _.]", "-", name.encode("latin-1", "ignore").decode("latin-1"))
    text = re.sub(r"[^\w.-]+", "", text, flags=re.ASCII).lower().strip(".-")
    return text[:63].rstrip(".-") or f"server-{server_id}"[:63]
