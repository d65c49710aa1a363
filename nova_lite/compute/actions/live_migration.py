"""Asking for a server to move to another host while it runs, to hurry, and to stay."""
import dataclasses

from nova_lite import clock, concurrency, exception
from nova_lite.compute import moves, states
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import hosts as hosts_
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.db.models import Move, Server
from nova_lite.pci import aliases

CHECK_SECONDS = 90.0
"""How long a request waits for the verdict of the destination, where it waits for it."""
POLL_SECONDS = 0.1
MIGRATING = states.ACTIONS["live_migrate"].task_state


@dataclasses.dataclass(frozen=True)
class Wanted:
    """``host``: the only one in question, judged by the filters unless ``forced``. ``block``: copy the disks; None: where that is needed.

    ``over_commit``: the destination need not have room for what the disks may grow to.
    """

    host: str | None = None
    forced: bool = False
    block: bool | None = None
    over_commit: bool = False


def migrate(deps: Deps, ctx: RequestContext, server_id: str, wanted: Wanted, ignore_lock: bool = False, wait: bool = False) -> None:
    """Move the server while it runs. ``wait``: until destination and both hosts' checks are known, and raise their refusal.

    Raises ServerNotFound, Conflict (the server's state), Invalid (the host; with ``wait``: no host can take it).
    """
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        if aliases.SPEC in server.flavor["extra_specs"]:
            raise exception.Invalid("Migration pre-check error: a server with PCI devices of its host cannot move while it runs.")
        if wanted.host is not None:
            _check_host(tx, server, wanted.host)
        token = moves.begin(
            tx, ctx, server, "live_migrate", moves_.LIVE, runs_at_source=True, leaves_nothing=True, destination=wanted.host, forced=wanted.forced,
            detail={"block": wanted.block, "over_commit": wanted.over_commit}, ignore_lock=ignore_lock)
        number = moves_.open_of(tx, server_id).id
    ring(deps.scheduler.place_moves, ctx, server_ids=[server_id], tokens=[token])
    if wait:
        _wait_for_verdict(deps, server_id, number)


def _check_host(tx, server: Server, host: str) -> None:
    try:
        hosts_.get(tx, host)
    except exception.HostNotFound as error:
        raise exception.Invalid(str(error))
    if host == server.host:
        raise exception.Invalid(f"Unable to migrate instance ({server.id}) to current host ({host}).")


def _wait_for_verdict(deps: Deps, server_id: str, number: int) -> None:
    deadline = clock.monotonic() + CHECK_SECONDS
    while clock.monotonic() < deadline:
        with deps.db.read() as tx:
            move = moves_.get(tx, number)
            fault = servers_.faults(tx, [server_id]).get(server_id) if move.status == "error" else None
        if fault is not None:
            raise exception.Invalid(fault.message)
        if move.status != moves_.ACCEPTED:
            return
        concurrency.sleep(POLL_SECONDS)


def force_complete(deps: Deps, ctx: RequestContext, server_id: str, number: int, ignore_lock: bool = False) -> None:
    """Have a migration that runs come to its end at the price of a longer silence. Raises ServerNotFound, Conflict, Invalid."""
    with deps.db.write() as tx:
        server = _moving(tx, ctx, server_id, "force_complete", (states.ACTIVE,), ignore_lock)
        move = _move(tx, server, number, exception.Invalid)
        _order(tx, ctx, server, move, "complete", ("running",), "force complete", "live_migration_force_complete")


def abort(deps: Deps, ctx: RequestContext, server_id: str, number: int, waiting_too: bool, ignore_lock: bool = False) -> None:
    """End a migration; the server stays. ``waiting_too``: also one whose memory does not yet move.

    Raises ServerNotFound, NotFound (the migration), Conflict, Invalid (the migration's state).
    """
    with deps.db.write() as tx:
        server = _moving(tx, ctx, server_id, "abort live migration", states.LIVING, ignore_lock)
        move = _move(tx, server, number, exception.NotFound)
        allowed = ("running", "queued", "preparing") if waiting_too else ("running",)
        _order(tx, ctx, server, move, "abort", allowed, "abort live migration", "live_migration_cancel")


def _moving(tx, ctx: RequestContext, server_id: str, asked: str, vm_states, ignore_lock: bool) -> Server:
    server = servers_.get(tx, ctx, server_id)
    if server.locked and not ignore_lock:
        raise exception.ServerLocked(server_id=server_id)
    if server.vm_state not in vm_states:
        raise exception.Conflict(f"Cannot '{asked}' instance {server_id} while it is in vm_state {server.vm_state}")
    if server.task_state != MIGRATING:
        raise exception.TaskInProgress(action=asked, server_id=server_id, task_state=server.task_state)
    return server


def _move(tx, server: Server, number: int, error: type[exception.NovaLiteError]) -> Move:
    move = moves_.get(tx, number)
    if move is None or move.server_id != server.id:
        raise error(f"Migration {number} not found for instance {server.id}")
    return move


def _order(tx, ctx: RequestContext, server: Server, move: Move, order: str, allowed, words: str, action: str) -> None:
    # The source's worker reads the order where it writes the progress.
    if move.status not in allowed or not moves_.update(tx, move.id, detail={**move.detail, "order": order}):
        raise exception.Invalid(f"Migration {move.id} state of instance {server.id} is {move.status}. "
                                f"Cannot {words} while the migration is in this state.")
    servers_.add_action(tx, server.id, action, ctx, clock.now(), finished=True)
