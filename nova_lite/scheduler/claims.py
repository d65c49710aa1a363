"""Placing: select hosts for waiting servers and claim them in the caller's transaction; a lost claim reads that host anew and selects again.

Servers with the same needs are selected for together. Called by ``scheduler.manager``, which rings the hosts after the commit.
"""
import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

from nova_lite import clock, hooks
from nova_lite.db import claims as claims_
from nova_lite.db.extras import Wish
from nova_lite.scheduler.core import extras
from nova_lite.scheduler.core import select as core
from nova_lite.scheduler.core.request import Request
from nova_lite.scheduler.groups import Groups
from nova_lite.scheduler.hosts import HostView

ROUNDS = 50
"""How often a server whose claim was lost is selected for again. Each round starts from what the database says, so that few suffice."""

LOST = "Other requests took each host that was chosen"


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """A server that waits for a host: its row as ``db.claims`` reads it. ``batch``: the reservation whose servers are placed together, if any."""

    server: object
    token: str
    request: Request
    batch: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A host chosen for a server, the next best ones, and how it came about (what ``decision`` of a server's row keeps)."""

    wanted: Wanted
    host: str
    alternates: list[str]
    decision: dict


@dataclasses.dataclass(slots=True)
class Placed:
    """What became of the servers: ``placed``, ``refused`` with the reason, or ``stale``: no longer waiting.

    ``lost``: how many claims others' claims beat. ``decisions``: by server, why the refused ones found no host. ``touched``: hosts of which
    the view says what holds only once the transaction is committed.
    """

    placed: list[Choice] = dataclasses.field(default_factory=list)
    refused: list[tuple[Wanted, str]] = dataclasses.field(default_factory=list)
    stale: list[Wanted] = dataclasses.field(default_factory=list)
    decisions: dict[str, dict] = dataclasses.field(default_factory=dict)
    lost: int = 0
    touched: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True)
class Placing:
    """One placing of a batch. ``now``: seconds since 1970; ``alternates``: how many further hosts to name.

    ``needs``: for each batch how many of its servers must find a host, else none gets one.
    """

    tx: object
    view: HostView
    rules: core.Rules
    now: float
    alternates: int = 0
    groups: Groups = dataclasses.field(default_factory=Groups)
    needs: dict[str, int] = dataclasses.field(default_factory=dict)

    def run(self, wanted: Sequence[Wanted], result: Placed) -> None:
        """Find and claim a host for each of ``wanted``, as far as there is room, and note it in ``result``.

        When the transaction fails, here or later, the caller tells the view to distrust the hosts that ``result`` touched.
        """
        todo, heard = list(wanted), False
        self.groups.hold(self.tx)
        for _round in range(ROUNDS):
            chosen, refused = self._choose(todo, result)
            if refused and not heard:
                # Before anybody is refused: a host may have come back to life since heartbeats were read last, or got room.
                heard = True
                self.view.refresh(self.tx, look_back=True)
                self.view.hear(self.tx)
                again, refused = self._choose([each for each, _why in refused], result)
                chosen += again
            result.refused += refused
            chosen, again = self._without_halves(chosen, result)
            todo = self._claim(chosen, result) + again
            if not todo:
                return
            self.view.refresh(self.tx)
        result.refused += [(each, LOST) for each in todo]
        _chosen, again = self._without_halves([], result)
        result.refused += [(each, LOST) for each in again]

    def _choose(self, wanted, result):
        """Select for each: the choices, and (wanted, why) for those that find no host."""
        chosen, refused = [], []
        for (request, group_id), members in itertools.groupby(wanted, key=lambda each: (each.request, each.server.group_id)):
            members = list(members)
            request = self.groups.request(request, group_id)
            begun = clock.monotonic()
            selection = core.select(self.view.table, request, len(members), rules=self.rules, now=self.now, alternates=self.alternates,
                                    details=True)
            common = {"at": clock.isoformat(clock.now()), "duration_ms": round((clock.monotonic() - begun) * 1000, 3), "servers": len(members)}
            result.touched.update(selection.hosts)
            for each, host, weights in zip(members, selection.hosts, selection.weights, strict=False):
                self.groups.count(group_id, host)
                chosen.append(self._choice(each, host, weights, selection, common))
            lost = members[len(selection.hosts):]
            refused += [(each, str(selection.why)) for each in lost]
            result.decisions |= {each.server.id: _refusal(selection.why, common) for each in lost}
        return chosen, refused

    def _choice(self, each: Wanted, host: str, weights: dict[str, float], selection: core.Selection, common: dict) -> Choice:
        alternates = selection.alternates_of(host, self.alternates)
        return Choice(each, host, alternates, {
            **common, "host": host, "alternates": alternates, "weights": weights, "considered": selection.considered,
            "removed": dict(selection.removed)})

    def _claim(self, chosen, result):
        """Claim what was chosen; the wanted whose host had no room after all."""
        table = self.view.table
        claims = {}
        for each in chosen:
            row, request = table.rows[each.host], each.wanted.request
            claims[each.wanted.server.id] = claims_.Claim(
                each.wanted.server.id, each.wanted.token, int(table.ids[row]), each.host, table.nodes[row], table.zone_of(each.host),
                request.vcpus, request.memory_mb, request.disk_gb, each.decision, wish(request))
        hooks.reached("scheduler.claim")
        outcome = claims_.claim_many(self.tx, list(claims.values()))
        missed = {claim.server_id for claim in outcome.lost}
        result.lost += len(missed)
        gone = {claim.server_id for claim in outcome.stale}
        for each in chosen:
            if each.wanted.server.id not in missed | gone:
                result.placed.append(each)
                continue
            self._forget(each)
            if each.wanted.server.id in gone:
                result.stale.append(each.wanted)
        return [each.wanted for each in chosen if each.wanted.server.id in missed]

    def _forget(self, choice: Choice) -> None:
        core.undo(self.view.table, choice.wanted.request, choice.host)
        self.groups.count(choice.wanted.server.group_id, choice.host, -1)
        self.view.distrust([choice.host])

    def _without_halves(self, chosen: list[Choice], result: Placed) -> tuple[list[Choice], list[Wanted]]:
        """Refuse the batches that cannot get what they need whole, claims given back.

        What remains of ``chosen``, and those refused before for whom there may be room now.
        """
        served = Counter(each.wanted.batch for each in (*chosen, *result.placed)) + Counter(each.batch for each in result.stale)
        short = {batch for batch, need in self.needs.items() if served[batch] < need}
        if not short:
            return chosen, []
        whys = {each.batch: why for each, why in reversed(result.refused)}
        halves = [each for each in result.placed if each.wanted.batch in short]
        claims_.give_up(self.tx, [each.wanted.server.id for each in halves])
        halves += [each for each in chosen if each.wanted.batch in short]
        for each in halves:
            self._forget(each)
        result.placed[:] = [each for each in result.placed if each.wanted.batch not in short]
        again = [each for each, _why in result.refused if each.batch not in short] if halves else []
        refused = [(each, why) for each, why in result.refused if each.batch in short or not halves]
        refused += [(each.wanted, whys[each.wanted.batch]) for each in halves]
        result.refused[:] = [(each, self._short(each.batch, served, why) if each.batch in short else why) for each, why in refused]
        for batch in short:
            del self.needs[batch]
        return [each for each in chosen if each.wanted.batch not in short], again

    def _short(self, batch: str, served: Mapping[str, int], why: str) -> str:
        return f"Of the servers asked for together {served[batch]} would fit, and at least {self.needs[batch]} must: {why}"


def wish(request: Request) -> Wish | None:
    """What a claim asks a host for besides room."""
    need = request.extras
    return Wish(need.flavorid, functools.partial(extras.fit, need=need)) if need is not None else None


def _refusal(why: core.Why, common: dict) -> dict:
    return {**common, "host": None, "considered": why.considered, "removed": {name: count for name, count, _words in why.removed},
            "nearest_miss": why.nearest}
