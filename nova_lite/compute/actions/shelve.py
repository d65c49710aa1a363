"""Asking for a server to be shelved: put by as an image, then without a host; and to be brought back, here or elsewhere."""
from nova_lite import exception
from nova_lite.compute import moves, shelving, states, task
from nova_lite.compute.actions import power, references, snapshot
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_

SUFFIX, LONGEST_NAME = "-shelved", 255
UNSAID = "unsaid"
"""As a zone: the caller has not named one, not even none."""


def shelve(deps: Deps, ctx: RequestContext, server_id: str, ignore_lock: bool = False) -> None:
    """Put the server by: its root disk becomes an image, then it leaves its host as the options say.

    Raises ServerNotFound, Conflict, Invalid (it has a TPM).
    """
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        if server.flavor["extra_specs"].get("hw:tpm_version") or server.image.get("properties", {}).get("hw_tpm_version"):
            # No image holds what its TPM knows.
            raise exception.Invalid(f"Operation 'shelve' not supported for vTPM-enabled instance ({server_id}).")
        token = task.begin(tx, ctx, server, "shelve", ignore_lock=ignore_lock)
        # Read anew: whoever had the server until now may have written.
        server = servers_.with_task(tx, server_id, token)
        # An earlier shelving may have failed where nobody could take its image away.
        shelving.forget(tx, server)
        name = server.name[:LONGEST_NAME - len(SUFFIX)] + SUFFIX
        image_id = snapshot.record(tx, ctx, server, name, {"image_type": "snapshot"})
        servers_.update_task(tx, server_id, token, request=shelving.remembering(server, image_id))
        host = server.host
    ring(deps.compute.run_task, ctx, host, server_id=server_id, token=token)


def offload(deps: Deps, ctx: RequestContext, server_id: str, ignore_lock: bool = False) -> None:
    """Have a shelved server leave its host now. Raises ServerNotFound, Conflict."""
    power.ask(deps, ctx, server_id, "shelve_offload", ignore_lock)


def unshelve(deps: Deps, ctx: RequestContext, server_id: str, zone: str | None = UNSAID, host: str | None = None, ignore_lock: bool = False) -> None:
    """Bring the server back: where it is, or where a scheduler finds room when it has left its host.

    ``zone`` and ``host`` (which the caller must be allowed to name) are for the latter; the zone None ends its tie to one. The scheduler judges
    the host as any other. Raises ServerNotFound, Conflict, Invalid.
    """
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        offloaded = server.vm_state == states.SHELVED_OFFLOADED
        if offloaded:
            pinned = server.request.get("availability_zone") if zone == UNSAID else zone
            _check_place(tx, deps, pinned if zone != UNSAID else None, pinned, host)
            token = moves.begin(tx, ctx, server, "unshelve", destination=host, ignore_lock=ignore_lock)
            servers_.update_task(tx, server_id, token, request={**server.request, "availability_zone": pinned})
        else:
            if (zone != UNSAID or host) and server.vm_state == states.SHELVED:
                raise exception.Conflict(f'Specifying an availability zone or a host when unshelving server "{server_id}" with status '
                                         f'"{server.vm_state}" is not supported. The server status must be SHELVED_OFFLOADED.')
            token = task.begin(tx, ctx, server, "unshelve", ignore_lock=ignore_lock)
    if offloaded:
        ring(deps.scheduler.place_moves, ctx, server_ids=[server_id], tokens=[token])
    else:
        ring(deps.compute.run_task, ctx, server.host, server_id=server_id, token=token)


def _check_place(tx, deps: Deps, asked_zone: str | None, zone: str | None, host: str | None) -> None:
    zones = references.check_zone(tx, deps, asked_zone) if asked_zone or host else {}
    if host is None:
        return
    if host not in zones:
        raise exception.Invalid(f"Compute host {host} could not be found.")
    if zone is not None and zones[host] != zone:
        raise exception.Conflict(f'Host "{host}" is not in the availability zone "{zone}".')
