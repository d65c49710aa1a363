"""What administrators may ask about aggregates. A host is in one zone at most, and does not change zones while servers are on it.

Each change first takes the rows of the hosts that it is about, so that two administrators cannot pull one host into two zones at once;
the schedulers hear of it after the commit.
"""
import uuid

from nova_lite import exception
from nova_lite.compute.actions.deps import ring
from nova_lite.db import aggregates, hosts, hypervisors, ratios
from nova_lite.db.models.compute import Aggregate

ZONE = "availability_zone"
MOVED = ("The host cannot be {how} the aggregate as the availability zone of the host would change from '{old}' to '{new}' but the host already has "
         "{count} instance(s). Changing the AZ of an existing instance is not supported by this action. Move the instances away from this host "
         "then try again.")


def create(deps, name: str, zone: str | None) -> Aggregate:
    """A new, empty aggregate. Raises Conflict when the name is taken."""
    aggregate = Aggregate(uuid=str(uuid.uuid4()), name=name, availability_zone=zone or None, meta={ZONE: zone} if zone else {}, hosts=[])
    with deps.db.write() as tx:
        aggregates.add(tx, aggregate)
    return aggregate


def update(deps, ctx, aggregate_id: int, changes: dict) -> Aggregate:
    """Change ``name`` and ``availability_zone``. Raises NotFound, Conflict (name taken) and Invalid (zone)."""
    with deps.db.write() as tx:
        aggregate = _locked(tx, aggregate_id)
        if "name" in changes:
            aggregates.rename(tx, aggregate, changes["name"])
        if ZONE in changes:
            _change_metadata(tx, aggregate, {ZONE: changes[ZONE]}, "update")
    return _told(deps, ctx, aggregate, [row.host for row in aggregate.hosts])


def set_metadata(deps, ctx, aggregate_id: int, changes: dict[str, str | None]) -> Aggregate:
    """Add, replace, and for None remove metadata. Raises NotFound and Invalid (zone, ratio)."""
    with deps.db.write() as tx:
        aggregate = _locked(tx, aggregate_id)
        _change_metadata(tx, aggregate, changes, "update metadata of")
    return _told(deps, ctx, aggregate, [row.host for row in aggregate.hosts])


def delete(deps, aggregate_id: int) -> None:
    """Delete an empty aggregate. Raises NotFound and Invalid (not empty)."""
    with deps.db.write() as tx:
        aggregate = aggregates.get(tx, aggregate_id)
        if aggregate.hosts:
            raise exception.Invalid(f"Cannot remove host from aggregate {aggregate_id}. Reason: Host aggregate is not empty.")
        aggregates.delete(tx, aggregate)


def add_host(deps, ctx, aggregate_id: int, host: str) -> Aggregate:
    """Raises NotFound (host or aggregate) and Conflict (in it already, in another zone, or servers would change zones)."""
    with deps.db.write() as tx:
        if not aggregates.is_host(tx, host):
            raise exception.HostNotFound(host=host)
        hosts.touch(tx, [host])
        aggregate = aggregates.get(tx, aggregate_id)
        zone, others = aggregate.availability_zone, aggregates.zones_of(tx, [host], besides=aggregate_id)
        if zone is not None:
            if [other for other in others if other != zone]:
                raise _refused("add host to", aggregate_id, f"One or more hosts already in availability zone(s) {others}", exception.Conflict)
            _stay_in_zone(tx, host, others, zone, aggregate_id, "added to", "add host to")
        if not aggregates.add_host(tx, aggregate_id, host):
            raise exception.Conflict(f"Aggregate {aggregate_id} already has host {host}.")
        ratios.apply(tx, [host])
        aggregate = aggregates.get(tx, aggregate_id)
    return _told(deps, ctx, aggregate, [host])


def remove_host(deps, ctx, aggregate_id: int, host: str) -> Aggregate:
    """Raises NotFound (host or aggregate) and Conflict (servers would change zones)."""
    with deps.db.write() as tx:
        hosts.touch(tx, [host])
        aggregate = aggregates.get(tx, aggregate_id)
        if host not in {row.host for row in aggregate.hosts}:
            raise exception.NotFound(f"Cannot remove host {host} in aggregate {aggregate_id}")
        if aggregate.availability_zone is not None:
            others = aggregates.zones_of(tx, [host], besides=aggregate_id)
            _stay_in_zone(tx, host, [aggregate.availability_zone], others[0] if others else None, aggregate_id, "removed from", "remove host from")
        aggregates.remove_host(tx, aggregate_id, host)
        ratios.apply(tx, [host])
        aggregate = aggregates.get(tx, aggregate_id)
    return _told(deps, ctx, aggregate, [host])


def _locked(tx, aggregate_id: int) -> Aggregate:
    hosts.touch(tx, sorted(row.host for row in aggregates.get(tx, aggregate_id).hosts))
    return aggregates.get(tx, aggregate_id)


def _change_metadata(tx, aggregate: Aggregate, changes: dict, verb: str) -> None:
    members = [row.host for row in aggregate.hosts]
    if ZONE in changes:
        zone = changes[ZONE]
        if not zone:
            raise _refused(verb, aggregate.id, f"Aggregate {aggregate.name} does not support empty named availability zone")
        others = [other for other in aggregates.zones_of(tx, members, besides=aggregate.id) if other != zone]
        if others:
            raise _refused(verb, aggregate.id, f"One or more hosts already in availability zone(s) {others}")
        if zone != aggregate.availability_zone and hypervisors.count_servers(tx, members):
            raise _refused(verb, aggregate.id, "One or more hosts contain instances in this zone")
    ratios.check(changes)
    aggregates.set_metadata(aggregate, changes)
    ratios.apply(tx, members)


def _stay_in_zone(tx, host: str, old: list[str], new: str | None, aggregate_id: int, how: str, verb: str) -> None:
    before = old[0] if old else None
    count = hypervisors.count_servers(tx, [host]) if before != new else 0
    if count:
        raise _refused(verb, aggregate_id, MOVED.format(how=how, old=before, new=new, count=count).rstrip("."), exception.Conflict)


def _refused(verb: str, aggregate_id: int, reason: str, family: type[exception.NovaLiteError] = exception.Invalid) -> exception.NovaLiteError:
    return family(f"Cannot {verb} aggregate {aggregate_id}. Reason: {reason}.")


def _told(deps, ctx, aggregate: Aggregate, names: list[str]) -> Aggregate:
    if names:
        ring(deps.scheduler.hosts_changed, ctx, names=names)
    return aggregate
