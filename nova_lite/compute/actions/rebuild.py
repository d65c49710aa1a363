"""Asking for a server to be made anew, from another image or the same; and for one to be rescued: booted from another disk than its own."""
import dataclasses
from typing import Any

from nova_lite import exception
from nova_lite.compute import local_disks, task
from nova_lite.compute.actions import passwords, references
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server
from nova_lite.numa import wanted as topologies


@dataclasses.dataclass
class Wanted:
    """A rebuild after the API's checks of form. ``changes``: columns of the server; ``key_name`` is among them where it is to change."""

    image_id: str
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    metadata: dict = dataclasses.field(default_factory=dict)
    personality: list = dataclasses.field(default_factory=list)
    admin_pass: str | None = None
    preserve_ephemeral: bool = False


def rebuild(deps: Deps, ctx: RequestContext, server_id: str, wanted: Wanted, ignore_lock: bool = False) -> tuple[Server, str]:
    """The server as it will be, and its new password. The row changes when the rebuild has succeeded, not before.

    Raises ServerNotFound, Conflict, Invalid (image, key), QuotaExceeded.
    """
    password = wanted.admin_pass or passwords.make_up()
    with deps.db.write() as tx:
        server = _launched(tx, ctx, server_id, "rebuild")
        references.check_limits(deps.quota_defaults, wanted)
        changes = {**wanted.changes, **_of_image(tx, ctx, server, wanted.image_id)}
        if "key_name" in changes:
            changes["key_data"] = references.check_key(tx, ctx, changes["key_name"])
        if wanted.personality:
            changes["config_drive"] = True
        detail = {"changes": changes, "admin_pass": password, "personality": wanted.personality, "preserve_ephemeral": wanted.preserve_ephemeral}
        token = task.begin(tx, ctx, server, "rebuild", detail, ignore_lock)
        shown = servers_.with_task(tx, server_id, token)
    ring(deps.compute.run_task, ctx, shown.host, server_id=server_id, token=token)
    for name, value in changes.items():
        setattr(shown, name, value)
    return shown, password


def _of_image(tx, ctx: RequestContext, server: Server, image_id: str) -> dict:
    try:
        image = references.check_image(tx, ctx, image_id, server.flavor)
    except exception.Invalid as error:
        if str(error) == references.NO_IMAGE:
            raise exception.Invalid("Cannot find image for rebuild")
        raise
    if topologies.read(server.flavor, image["properties"]) != topologies.read(server.flavor, server.image.get("properties") or {}):
        raise exception.Invalid("An instance's NUMA topology cannot be changed as part of a rebuild. The image provided is invalid for this "
                                "instance.")
    return {"image_id": image["id"], "image": image, "root_device": references.root_device(image, server.disks)}


def rescue(deps: Deps, ctx: RequestContext, server_id: str, image_id: str | None, admin_pass: str | None, ignore_lock: bool = False) -> str:
    """Boot the server from a disk made of ``image_id`` (None: its own image), its own root disk being the second; the rescue password.

    Raises ServerNotFound, Conflict, Invalid.
    """
    password = admin_pass or passwords.make_up()
    with deps.db.write() as tx:
        server = _launched(tx, ctx, server_id, "rescue")
        image = server.image
        if image_id is not None:
            try:
                # The flavor's disk limits what a server is made of, not what it is rescued with.
                image = references.check_image(tx, ctx, image_id, {**server.flavor, "root_gb": 0}, references.RUNNABLE | {"iso"})
            except exception.Invalid as error:
                raise exception.Invalid(f"Requested rescue image '{image_id}' is not supported: {error}")
        _check_rescue_place(image["properties"])
        token = task.begin(tx, ctx, server, "rescue", {"image": image, "admin_pass": password}, ignore_lock)
        host = server.host
    ring(deps.compute.run_task, ctx, host, server_id=server_id, token=token)
    return password


def _check_rescue_place(properties: dict) -> None:
    device, bus = properties.get("hw_rescue_device") or "disk", properties.get("hw_rescue_bus")
    if device not in ("disk", "cdrom"):
        raise exception.Invalid(f"Requested rescue device '{device}' is not supported; use disk or cdrom (hw_rescue_device)")
    buses = [name for name in local_disks.BUSES if device == "disk" or name != "virtio"]
    if bus and bus not in buses:
        raise exception.Invalid(f"Requested rescue bus '{bus}' is not supported for a {device}; use {', '.join(buses)} (hw_rescue_bus)")


def _launched(tx, ctx: RequestContext, server_id: str, action: str) -> Server:
    server = servers_.get(tx, ctx, server_id)
    if server.host is None or server.launched_at is None:
        raise exception.Conflict(f"Instance {server_id} is in an invalid state for '{action}'")
    return server
