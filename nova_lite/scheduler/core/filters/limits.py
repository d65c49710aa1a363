"""Limits that the operator sets: builds under way and servers on a host, globally or by aggregate, and hosts kept for certain images."""
import numpy as np

from nova_lite.scheduler.core.filters.rule import Filter

IO_OPS_KEY = "max_io_ops_per_host"
SERVERS_KEY = "max_instances_per_host"


def _left(limit_of):
    """How many servers more a limit on their number admits."""
    def prepare(query):
        table, limit = query.table, limit_of(query)
        return lambda rows: np.maximum(limit(rows) - table.servers[rows], 0)
    return prepare


def io_ops(query):
    table, limit = query.table, query.options.max_io_ops_per_host
    return lambda rows: table.io_ops[rows] < limit


def servers(query):
    table, limit = query.table, query.options.max_servers_per_host
    return lambda rows: table.servers[rows] < limit


def aggregate_io_ops(query):
    table, limits = query.table, _limits(query, IO_OPS_KEY, query.options.max_io_ops_per_host)
    return lambda rows: table.io_ops[rows] < limits[table.aggregate_class[rows]]


def aggregate_servers(query):
    table, limits = query.table, _limits(query, SERVERS_KEY, query.options.max_servers_per_host)
    return lambda rows: table.servers[rows] < limits[table.aggregate_class[rows]]


def _limits(query, key, default):
    """The least limit that a set of aggregates names; the option where none does, or one of them is no number."""
    def limit(aggregates):
        try:
            return min((int(aggregate.meta[key]) for aggregate in aggregates if key in aggregate.meta), default=default)
        except ValueError:
            return default
    return query.table.by_aggregates((key, default), limit, np.float64)


def _limits_of_rows(query):
    table, limits = query.table, _limits(query, SERVERS_KEY, query.options.max_servers_per_host)
    return lambda rows: limits[table.aggregate_class[rows]]


def isolated_hosts(query):
    options = query.options
    image_isolated = query.request.image_id in options.isolated_images
    if not image_isolated and not options.restrict_isolated_hosts_to_isolated_images:
        return None
    isolated = query.counts({name: 1 for name in options.isolated_hosts}) > 0
    if image_isolated:
        return lambda rows: isolated[rows]
    return lambda rows: ~isolated[rows]


FILTERS = (
    Filter("IoOpsFilter", io_ops, "has too many builds and moves under way", "have too many builds and moves under way", consumes=True),
    Filter("NumInstancesFilter", servers, "has as many servers as it may", "have as many servers as they may", consumes=True,
           slots=_left(lambda query: lambda rows: query.options.max_servers_per_host)),
    Filter("AggregateIoOpsFilter", aggregate_io_ops, "has too many builds and moves under way", "have too many builds and moves under way",
           consumes=True),
    Filter("AggregateNumInstancesFilter", aggregate_servers, "has as many servers as it may", "have as many servers as they may", consumes=True,
           slots=_left(_limits_of_rows)),
    Filter("IsolatedHostsFilter", isolated_hosts, "is kept for other images", "are kept for other images"),
)
