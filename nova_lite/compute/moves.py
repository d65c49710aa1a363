"""What all moves of a server have in common: how one begins, and how one that failed gives back what it took.

A move is a task whose detail holds ``place``, what a scheduler must know (see ``begin``), then ``to``, the host that it chose, and ``undo``, the
reason, once the server's own host has to put back what was. A host that cannot take the server is excluded in ``place``, its reason noted in
``refused``, and a scheduler chooses again (``look_elsewhere``). Used by both halves of each move, the scheduler and the sweep.
"""
from nova_lite import clock, exception
from nova_lite.compute import room, states, task
from nova_lite.context import RequestContext
from nova_lite.db import allocations
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server
from nova_lite.network.actions import server_ports

LEAVE_ASIDE = ("rebuild", "resize", "migrate")
"""Actions that, cut off for good, may leave the server's own disks aside or its ports elsewhere."""
PUT_BACK = "put_back"
"""The key in ``server.request`` of the host where that may be: it puts back what was as soon as it can."""
LOST = "lost_move"
"""The key in ``server.request`` of what is known of a live migration that ended while the guest could be on either host."""
OF_THE_HOST = ("to", "plan", "kept")
"""What a move's detail says of the destination that it has now."""


def begin(tx, ctx: RequestContext, server: Server, action: str, type_: str | None = None, *, runs_at_source: bool = False, flavor: dict | None = None,
          destination: str | None = None, forced: bool = False, excluded: list[str] = (), zone: str | None = None, same_host: bool = False,
          detail: dict | None = None, ignore_lock: bool = False, leaves_nothing: bool = False) -> str:
    """Begin the task ``action`` for which a scheduler has to find a host; the token, with which to ring ``scheduler.place_moves``.

    ``type_``: of the row that the API lists as a migration, None for none. ``runs_at_source``: whether the server's own worker carries it out,
    else the destination's. ``flavor``: other than the server's. ``destination``: the only host in question, judged by the filters unless
    ``forced``. ``same_host``: the server's own host will do too. ``detail``: what else the worker must know. ``leaves_nothing``: the
    server's own host has nothing to put back when another fails. Raises as task.begin.
    """
    place = {"flavor": flavor, "destination": destination, "forced": forced, "excluded": list(excluded), "zone": zone,
             "runs_at_source": runs_at_source, "both": room.both(server.flavor, flavor or server.flavor, server.image) if same_host else None,
             "leaves_nothing": leaves_nothing}
    if not same_host and server.host is not None:
        place["excluded"].append(server.host)
    token = task.begin(tx, ctx, server, action, {**(detail or {}), "place": place}, ignore_lock, host=servers_.ANY_SCHEDULER)
    if type_ is not None:
        moves_.add(tx, server, type_, ctx, new_flavor_id=(flavor or server.flavor).get("id"))
    return token


def look_elsewhere(tx, server: Server, token: str, error: BaseException | str, tried: bool = True) -> str | None:
    """The destination failed before the server was its: a scheduler looks for another one; the token with which to ring ``place_moves``.

    None, and nothing is changed, where somebody named the destination, or the guest may be there. ``tried``: whether that counts against
    the number of hosts that a move is tried on. Raises TaskLost.
    """
    present = servers_.with_task(tx, server.id, token)
    if present is None:
        raise exception.TaskLost(token=token, server_id=server.id)
    server = present
    detail, own = server.task_detail, server.host
    to, place = detail.get("to"), detail["place"]
    if to is None or place["destination"] or "undo" in detail or detail.get("sent"):
        return None
    first = states.ACTIONS[server.task_action].task_state
    # Where the guest was ended on the server's own host, nobody has started it again.
    state = states.RESIZE_MIGRATING if _is_undone_at_home(server) and server.task_state != first else first
    place = {**place, "excluded": [*place["excluded"], to["host"]], "attempts": place.get("attempts", 0) + tried}
    refused = {**detail.get("refused", {}), to["host"]: str(error) or type(error).__name__}
    rest = {key: value for key, value in detail.items() if key not in OF_THE_HOST}
    _leave_destination(tx, server)
    (server_ports.unbind(tx, server.id) if own is None else server_ports.bind(tx, server.id, own))
    moves_.change_open(tx, server.id, dest_host=None, dest_node=None, dest_address=None, status=moves_.ACCEPTED)
    return task.hand_over(tx, server, token, servers_.ANY_SCHEDULER, task_state=state, task_detail={**rest, "place": place, "refused": refused})


def _is_undone_at_home(server: Server) -> bool:
    """Whether what others do in this move has to be undone by the server's own host."""
    return server.host not in (None, servers_.runs_at(server)) and not server.task_detail["place"]["leaves_nothing"]


def _leave_destination(tx, server: Server) -> None:
    """Give back the room that the move has taken."""
    to = server.task_detail.get("to")
    if to and to["host"] == server.host:
        allocations.change(tx, server.id, server.host, **room.room(server.flavor, server.image), only=server.flavorid)
    elif to:
        allocations.release(tx, server.id, to["host"])


def give_up(tx, server: Server, token: str, error: BaseException | str, done_by: str | None = None, status: str = "error", **how) -> str | None:
    """The move failed. Where another host than the server's carried it out, the server's own goes on to undo it: the new token to ring it with.

    Else the task ends, room on the destination is given back, the migration ends with ``status``; None. ``how``: as task.fail takes.
    Raises TaskLost.
    """
    detail = server.task_detail
    to = detail.get("to")
    own = server.host
    if isinstance(error, exception.NoValidHost) and detail.get("refused"):
        error = exception.NoValidHost(f"{error} " + "; ".join(f"{host}: {reason}" for host, reason in detail["refused"].items()))
    _leave_destination(tx, server)
    begun = to or detail.get("refused") or server.task_state != states.ACTIONS[server.task_action].task_state
    if begun and _is_undone_at_home(server) and "undo" not in detail:
        return task.hand_over(tx, server, token, None, task_detail={**detail, "undo": str(error) or type(error).__name__})
    if own is not None:
        server_ports.bind(tx, server.id, own)
    moves_.end(tx, server.id, status, lost_too=server.task_action == "live_migrate")
    task.fail(tx, server, token, error, done_by, **how)
    return None


def settle(tx, server: Server, vm_state: str) -> None:
    """An administrator says that the server is where it is, in ``vm_state``: its move ends there, and other hosts hold no room for it.

    One whose guest may be on either host goes on until they say where it is. ``server``: as it was when it had its task.
    """
    move = moves_.open_of(tx, server.id)
    if move is None or server.host is None or move.status == moves_.LOST:
        return
    if (server.task_detail or {}).get("sent"):
        _note_lost(tx, server, vm_state)
        servers_.update(tx, server.id, request=server.request)
        return
    for host in {move.source_host, move.dest_host} - {server.host, None}:
        allocations.release(tx, server.id, host)
    allocations.change(tx, server.id, server.host, **room.room(server.flavor, server.image), only=server.flavorid)
    server_ports.bind(tx, server.id, server.host)
    moves_.end(tx, server.id, "error")


def hand_home(tx, server: Server, token: str, error: BaseException | str) -> str:
    """A task that another host carried out for the server failed: the server's own host undoes it; the new token. Raises TaskLost."""
    return task.hand_over(tx, server, token, None, task_detail={**(server.task_detail or {}), "undo": str(error) or type(error).__name__})


def abandon(tx, server: Server, token: str, why: str, is_down: bool = False) -> str | None:
    """Nobody carries out the task any more: its host is down (``is_down``), or it took too long. Raises TaskLost.

    A move whose destination is down goes on to another one: the token with which to ring ``place_moves``; else None.
    """
    detail, at = server.task_detail or {}, servers_.runs_at(server)
    if server.task_action == "revert_resize" and at != server.host and "undo" not in detail:
        hand_home(tx, server, token, why)
        return None
    if is_down and at != server.host and "place" in detail:
        if detail.get("kept") and server.task_state == states.REBUILD_SPAWNING:
            why = f"Host {at} went down when it had the server's disks on shared storage: make sure that it is off, then evacuate the server again."
        elif (fresh := look_elsewhere(tx, server, token, why)) is not None:
            return fresh
    how = {}
    if at == server.host is not None and server.task_action in LEAVE_ASIDE:
        how["request"] = {**server.request, PUT_BACK: server.host}
    if detail.get("sent"):
        _lose(tx, server, token, is_down)
    elif "place" in detail:
        give_up(tx, server, token, why, **how)
    else:
        task.fail(tx, server, token, why, server.host, **how)
    return None


def _lose(tx, server: Server, token: str, is_down: bool) -> None:
    """A guest that moves alive may be on either host, and only their workers can say which: where one is lost, the other one ends the move.

    When neither has by the deadline, the task ends; the move stays open, so that neither host removes the guest.
    """
    own, to = server.host, server.task_detail["to"]["host"]
    if is_down:
        task.hand_over(tx, server, token, to if servers_.runs_at(server) == own else None, task_deadline=server.task_deadline)
        return
    _note_lost(tx, server, server.vm_state)
    task.fail(tx, server, token, why_lost(own, to), vm_state=states.ERROR, request=server.request)


def _note_lost(tx, server: Server, vm_state: str) -> None:
    detail = server.task_detail
    known = {"vm_state": vm_state, "to": detail["to"], "plan": detail["plan"]}
    server.request = {**server.request, LOST: server.request.get(LOST, known)}
    moves_.change_open(tx, server.id, status=moves_.LOST)


def why_lost(own: str, to: str) -> str:
    """What to tell whoever wants to use a server of a lost move."""
    return (f"Only the compute workers of {own} and {to} can say which of them has the guest, and they did not. Start them: the server returns when "
            "they have agreed. If both hosts are off for good, evacuate it.")


def seek(tx, server: Server, host: str) -> str:
    """The worker of ``host`` finds out, as the task of the server, where the guest of a lost move is; the token. Raises Conflict."""
    known, token, now = server.request[LOST], task.new_token(), clock.now()
    row = states.ACTIONS["live_migrate"]
    detail = {"place": {"leaves_nothing": True, "destination": None}, "to": known["to"], "plan": known["plan"], "sent": True}
    if not servers_.begin_task(tx, server.id, allowed=states.LIVING - {states.SOFT_DELETED}, interrupts=(), task_id=token, task_action="live_migrate",
                               task_state=row.task_state, task_started_at=now, task_deadline=task.deadline("live_migrate", now),
                               task_request_id=None, task_detail=detail, task_host=host):
        raise exception.Conflict(f"Server {server.id} has a task")
    return token


def found(server: Server, vm_state: str | None = None) -> dict:
    """The columns of a server whose lost move is settled; none for one that was not lost. ``vm_state``: other than it had before."""
    known = server.request.get(LOST)
    return {} if known is None else {"request": without_lost(server.request), "vm_state": vm_state or known["vm_state"]}


def without_lost(request: dict) -> dict:
    """A server's ``request`` once it is known where the server is."""
    return {key: value for key, value in request.items() if key != LOST}


def undone(tx, server: Server, token: str, done_by: str, status: str = "error", **how) -> None:
    """The server's own host has put back what was: the task ends with the reason for which it was undone. Raises TaskLost."""
    give_up(tx, server, token, exception.HypervisorError(server.task_detail["undo"]), done_by, status, **how)
