"""Placing: select hosts for waiting servers and claim them in the caller's transaction; a lost claim reads that host anew and selects again.

Servers with the same needs are selected for together. Called by ``scheduler.manager``, which rings the hosts after the commit.
"""
import dataclasses
import itertools
from collections.abc import Sequence

from nova_lite import hooks
from nova_lite.db import allocations
from nova_lite.db.models import Server
from nova_lite.scheduler.core import select as core
from nova_lite.scheduler.core.request import Request
from nova_lite.scheduler.hosts import HostView

ROUNDS = 50
"""How often a server whose claim was lost is selected for again. Each round starts from what the database says, so that few suffice."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """A server that waits for a host."""

    server: Server
    token: str
    request: Request


@dataclasses.dataclass(slots=True)
class Placed:
    """``placed``: (server, host, alternates); ``refused``: (server, why). Servers in neither are no longer waiting.

    ``touched``: hosts of which the view says what holds only once the transaction is committed.
    """

    placed: list[tuple[Wanted, str, list[str]]] = dataclasses.field(default_factory=list)
    refused: list[tuple[Wanted, str]] = dataclasses.field(default_factory=list)
    touched: set[str] = dataclasses.field(default_factory=set)


def place(tx, view: HostView, rules: core.Rules, wanted: Sequence[Wanted], now: float, result: Placed,
          alternates: int = 0) -> None:
    """Find and claim a host for each of ``wanted``, as far as there is room, and note it in ``result``.

    ``now``: seconds since 1970; ``alternates``: how many further hosts to name. When the transaction fails, here or later, the caller
    tells the view to distrust the hosts that ``result`` touched.
    """
    todo, heard = list(wanted), False
    for _round in range(ROUNDS):
        chosen, refused = _choose(view, rules, todo, now, result, alternates)
        if refused and not heard:
            # Before anybody is refused: a host may have come back to life since heartbeats were read last.
            heard = True
            view.hear(tx)
            again, refused = _choose(view, rules, [each for each, _why in refused], now, result, alternates)
            chosen += again
        result.refused += refused
        todo = _claim(tx, view, chosen, result)
        if not todo:
            break
        view.refresh(tx)
    result.refused += [(each, "Other requests took each host that was chosen") for each in todo]


def _choose(view, rules, wanted, now, result, alternates):
    """Select for each: ((wanted, host, alternates), ...) and ((wanted, why), ...)."""
    chosen, refused = [], []
    for request, group in itertools.groupby(wanted, key=lambda each: each.request):
        group = list(group)
        selection = core.select(view.table, request, len(group), rules=rules, now=now, alternates=alternates)
        result.touched.update(selection.hosts)
        for each, host in zip(group, selection.hosts, strict=False):
            chosen.append((each, host, selection.alternates_of(host, alternates)))
        refused += [(each, str(selection.why)) for each in group[len(selection.hosts):]]
    return chosen, refused


def _claim(tx, view, chosen, result):
    """Claim what was chosen; the wanted whose host had no room after all."""
    table = view.table
    claims = {}
    for each, host, _alternates in chosen:
        row, request = table.rows[host], each.request
        claims[each.server.id] = allocations.Claim(
            each.server.id, each.token, int(table.ids[row]), host, table.nodes[row], table.zone_of(host), request.vcpus, request.memory_mb,
            request.disk_gb)
    hooks.reached("scheduler.claim")
    outcome = allocations.claim_many(tx, list(claims.values()))
    missed = {claim.server_id for claim in outcome.lost}
    gone = {claim.server_id for claim in outcome.stale}
    todo = []
    for each, host, alternates in chosen:
        if each.server.id not in missed | gone:
            result.placed.append((each, host, alternates))
            continue
        core.undo(table, each.request, host)
        view.distrust([host])
        if each.server.id in missed:
            todo.append(each)
    return todo
