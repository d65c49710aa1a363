"""HostView: the host table of one scheduler, kept fresh from the database at a cost that follows what changed, not how many hosts there are.

A change is found by the database's ``changed_at``; a row whose version is known already is left alone. A transaction that commits an older
moment than one already seen is found a little later, by looking back now and then, and before anybody is refused. Heartbeats change no host: they are
read on their own, now and then (``hear``), and a host that is not heard drops out by its ``up_until``. ``reconcile`` finds what got lost.
Used by ``scheduler.manager`` and ``scheduler.claims``.
"""
import datetime
import functools
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping

from nova_lite import clock
from nova_lite.db import hosts as rows_
from nova_lite.scheduler.core import likeness
from nova_lite.scheduler.core.holdings import NOTHING
from nova_lite.scheduler.core.request import properties_of
from nova_lite.scheduler.core.table import NEVER, Aggregate, HostRow, HostTable

EPOCH = datetime.datetime(1970, 1, 1)
BUILDS_SECONDS = 0.5
"""How long the builds that are under way are taken for those that were; the own ones are counted as they are claimed."""


def seconds_since_1970(moment: datetime.datetime) -> float:
    """A naive UTC moment as the table's columns hold it."""
    return (moment - EPOCH).total_seconds()


class HostView:
    """``down_time``: seconds without a heartbeat until a host is down. ``overlap``: seconds in which a transaction surely commits; as often
    ``refresh`` looks back that far. ``images``: whether to know which images the servers of each host are of.
    """

    def __init__(self, default_zone: str, down_time: float, overlap: float = 2.0, images: bool = False):
        self._images = images
        self.table = HostTable(default_zone)
        self.down_time = down_time
        self.overlap = overlap
        self._versions: dict[str, tuple[int, int]] = {}
        self._stale: set[str] = set()
        self._aggregates_at: dict[int, datetime.datetime] = {}
        self._settled: datetime.datetime | None = None
        self._newest: datetime.datetime | None = None
        self._looked_back_at = clock.monotonic()
        self._builds_at = -math.inf
        self._seen: list[tuple[float, datetime.datetime]] = []
        self._heard: datetime.datetime | None = None

    def distrust(self, names: Iterable[str]) -> None:
        """What the table says of these hosts may be wrong: the next ``refresh`` reads them whatever their version."""
        self._stale.update(names)
        self._builds_at = -math.inf

    def refresh(self, tx, look_back: bool = False) -> int:
        """Read what changed since the last time. Returns how many rows were new.

        One statement reads usage, which changes all the time, and now and then which builds are under way; one more reads hosts of which
        something else changed, and one the aggregates when they did. ``look_back``: find at once what was committed late, too.
        """
        stale, self._stale = self._stale, set()
        if look_back or clock.monotonic() - self._looked_back_at >= self.overlap:
            since, self._looked_back_at = self._settled, clock.monotonic()
        else:
            since = self._newest
        try:
            if since is None or len(stale) > rows_.MOST_NAMES:
                return self._read(tx, None)
            new, unread, builds = self._read_usage(tx, since, stale, look_back)
            new += self._read(tx, unread) if unread else 0
            if builds is not None:
                self.table.put_builds(builds)
            return new
        except BaseException:
            self._stale |= stale
            raise

    def _read_usage(self, tx, since, stale, look_back: bool) -> tuple[int, list[str], Mapping[str, int] | None]:
        """Put what is used; how many rows were new, the names of hosts that have to be read as a whole, and builds by host if read now."""
        builds, now = None, clock.monotonic()
        if look_back or now - self._builds_at >= BUILDS_SECONDS:
            found, builds = rows_.changed_usage_and_builds(tx, since, stale)
            self._builds_at = now
        else:
            found = rows_.changed_usage(tx, since, stale)
        used, unread, names = [], [], stale and {row.name for row in found}
        for row in found:
            known = self._versions.get(row.name)
            if known is None or known[1] != row.facts_version:
                unread.append(row.name)
            elif known[0] != row.version or row.name in stale:
                self._versions[row.name] = (row.version, row.facts_version)
                used.append(row.name)
                self.table.put_usage(row.name, row.vcpus_used, row.memory_mb_used, row.disk_gb_used, row.servers, row.build_failures,
                                     _held(row.extras_used))
        self._read_images(tx, used)
        for name in stale - names if stale else ():
            self._drop(name)
        if found:
            self._advance(max(row.changed_at for row in found))
        return len(used), unread, builds

    def _read(self, tx, names: list[str] | None) -> int:
        """Read hosts as a whole, None: all."""
        found = rows_.scheduled_hosts(tx, names)
        if any(row.aggregate_id is not None and self._aggregates_at.get(row.aggregate_id) != row.aggregate_changed_at for row in found):
            self._read_aggregates(tx)
        count = 0
        for _id, rows in itertools.groupby(found, key=lambda row: row.id):
            self._put(list(rows))
            count += 1
        self._read_images(tx, names)
        if names is None:
            for name in self._versions.keys() - {row.name for row in found}:
                self._drop(name)
        if found and names is None:
            self._advance(max(row.changed_at for row in found))
        return count

    def _read_images(self, tx, names: list[str] | None) -> None:
        """Count image properties of the servers of these hosts (None: all), where anybody wants to know."""
        if not self._images or names == []:
            return
        counts: dict[str, Counter] = {name: Counter() for name in (self.table.rows if names is None else names)}
        for host, image in rows_.images_on(tx, names):
            if host in counts:
                counts[host].update(_pairs(image))
        for name, found in counts.items():
            if name in self.table.rows:
                self.table.likeness.put(self.table.rows[name], name, found)

    def hear(self, tx) -> None:
        """Read which compute services were heard since the last time, with one statement."""
        for host, last_seen_at, disabled, forced_down in rows_.heard_since(tx, self._heard):
            if last_seen_at is None:
                continue
            self.table.set_alive(host, self._up_until(last_seen_at, forced_down), not disabled)
            if self._heard is None or last_seen_at > self._heard:
                self._heard = last_seen_at

    def reconcile(self, tx) -> None:
        """Compare the versions of all hosts, and read those that differ: finds hosts that were removed, and changes that ``refresh`` missed."""
        versions = dict(rows_.host_versions(tx))
        for name in [name for name in self._versions if name not in versions]:
            self._drop(name)
        differ = [name for name, version in versions.items() if self._versions.get(name, (None,))[0] != version]
        for name in differ:
            # Whatever changed: read as a whole.
            self._versions.pop(name, None)
        self.distrust(differ)
        self._read_aggregates(tx)
        self.refresh(tx, look_back=True)

    def _advance(self, newest: datetime.datetime) -> None:
        # A transaction may commit a moment that is older than one already seen. Once ``newest`` was seen ``overlap`` seconds ago,
        # whatever was stamped before it has been committed, and need not be looked for again.
        now = clock.monotonic()
        self._newest = newest if self._newest is None else max(self._newest, newest)
        if not self._seen or newest > self._seen[-1][1]:
            self._seen.append((now, newest))
        if self._settled is None:
            self._settled = newest - clock.seconds(self.overlap)
        while self._seen and now - self._seen[0][0] > self.overlap:
            self._settled = max(self._settled, self._seen.pop(0)[1])

    def _up_until(self, last_seen_at, forced_down) -> float:
        return NEVER if forced_down or last_seen_at is None else seconds_since_1970(last_seen_at) + self.down_time

    def _put(self, rows) -> None:
        row = rows[0]
        self._versions[row.name] = (row.version, row.facts_version)
        self.table.put(HostRow(
            id=row.id, name=row.name, node=row.hypervisor_hostname, vcpus=row.vcpus, memory_mb=row.memory_mb, disk_gb=row.disk_gb,
            vcpus_used=row.vcpus_used, memory_mb_used=row.memory_mb_used, disk_gb_used=row.disk_gb_used, vcpus_reserved=row.vcpus_reserved,
            memory_mb_reserved=row.memory_mb_reserved, disk_gb_reserved=row.disk_gb_reserved, vcpu_ratio=row.vcpu_ratio,
            memory_ratio=row.memory_ratio, disk_ratio=row.disk_ratio, servers=row.servers, io_ops=self.table.builds_on(row.name),
            build_failures=row.build_failures, hypervisor_type=row.hypervisor_type, hypervisor_version=row.hypervisor_version,
            host_ip=row.host_ip, enabled=row.disabled is False, up_until=self._up_until(row.last_seen_at, row.forced_down),
            supported=_triples(row.supported), traits=_texts(row.traits), cpu_info=row.cpu_info or "", metrics=_numbers(row.metrics),
            extras=_facts(row.extras), extras_used=_held(row.extras_used),
            aggregates=tuple(each.aggregate_id for each in rows if each.aggregate_id is not None)))

    def _drop(self, name: str) -> None:
        self._versions.pop(name, None)
        self.table.remove(name)

    def _read_aggregates(self, tx) -> None:
        found = rows_.aggregates(tx)
        moments = {id: changed_at for id, _name, _zone, _meta, changed_at in found}
        if moments != self._aggregates_at:
            self._aggregates_at = moments
            self.table.set_aggregates(Aggregate(id, name, zone, meta) for id, name, zone, meta, _changed_at in found)


def _numbers(text: str | None) -> dict[str, float]:
    return json.loads(text) if text and text != "{}" else {}


@functools.lru_cache(1024)
def _pairs(image: str | None) -> tuple[likeness.Pair, ...]:
    return tuple(likeness.pairs(properties_of(json.loads(image or "{}"))))


@functools.lru_cache(1024)
def _facts(text: str | None) -> Mapping:
    return json.loads(text or "{}")


def _held(text: str | None) -> Mapping:
    return json.loads(text) if text and text != "{}" else NOTHING


@functools.lru_cache(1024)
def _triples(text: str | None) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(triple) for triple in json.loads(text or "[]"))


@functools.lru_cache(1024)
def _texts(text: str | None) -> tuple[str, ...]:
    return tuple(json.loads(text or "[]"))
