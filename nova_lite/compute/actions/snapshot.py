"""Asking for images made of servers: the record now, its data by the worker."""
from nova_lite import exception
from nova_lite.compute import task
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server
from nova_lite.image import attributes
from nova_lite.image.actions import images

NOT_INHERITED = frozenset({"cache_in_nova", "bittorrent", "cinder_encryption_key_id", "cinder_encryption_key_deletion_policy", "img_signature",
                           "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid"})
"""Image properties that say something of the image's own bytes or handling, and nothing of an image made from its server."""


def snapshot(deps: Deps, ctx: RequestContext, server_id: str, name: str, metadata: dict[str, str]) -> str:
    """Begin an image of the server as it is now; the image's id. Raises ServerNotFound, Conflict, Invalid."""
    return _begin(deps, ctx, server_id, "snapshot", name, {"image_type": "snapshot", **metadata}, {})


def backup(deps: Deps, ctx: RequestContext, server_id: str, name: str, backup_type: str, rotation: int, metadata: dict[str, str]) -> str:
    """The same as a backup: of its type the newest ``rotation`` are kept. As snapshot."""
    properties = {"image_type": "backup", **metadata, "backup_type": backup_type}
    return _begin(deps, ctx, server_id, "backup", name, properties, {"backup_type": backup_type, "rotation": rotation})


def check_quota(deps: Deps, metadata: dict[str, str]) -> None:
    """What versions before 2.39 ask of an image's properties. Raises QuotaExceeded."""
    limit = deps.quota_defaults["metadata_items"]
    if 0 <= limit < len(metadata):
        raise exception.QuotaExceeded("Image metadata limit exceeded")


def _begin(deps: Deps, ctx: RequestContext, server_id: str, action: str, name: str, properties: dict[str, str], detail: dict) -> str:
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        if server.host is None:
            raise exception.Conflict(f"Instance {server_id} is in an invalid state for '{action}'")
        image_id = record(tx, ctx, server, name, properties)
        token = task.begin(tx, ctx, server, action, {"image_id": image_id, **detail})
        host = server.host
    ring(deps.compute.run_task, ctx, host, server_id=server_id, token=token)
    return image_id


def record(tx, ctx: RequestContext, server: Server, name: str, properties: dict[str, str]) -> str:
    """The record of an image of the server's root disk, which a worker will upload; its id. Raises Invalid, LimitExceeded."""
    return images.create_of_server(tx, ctx, _columns(server, name), _properties(ctx, server, properties), server.project_id)


def _columns(server: Server, name: str) -> dict:
    ami = server.image.get("disk_format") == "ami"
    return {"name": name, "disk_format": "ami" if ami else "qcow2", "container_format": "ami" if ami else "bare",
            "min_ram": server.image.get("min_ram") or 0, "min_disk": server.flavor["root_gb"] or server.image.get("min_disk") or 0}


def _properties(ctx: RequestContext, server: Server, properties: dict[str, str]) -> dict[str, str]:
    inherited = {key: value for key, value in server.image.get("properties", {}).items() if key not in NOT_INHERITED}
    made = {**inherited, "base_image_ref": server.image_id or "", "instance_uuid": server.id, "user_id": str(ctx.user_id), **properties}
    if ctx.project_id != server.project_id:
        made["instance_owner"] = server.project_id
    for key in made:
        if attributes.is_reserved(key) or key in attributes.BY_NAME:
            raise exception.Invalid(f"Image metadata {key} is reserved")
    return made
