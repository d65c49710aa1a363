"""Near to or away from other servers: server groups, and the hints ``different_host``, ``same_host``, ``build_near_host_ip``.

The relation becomes a column of this one request before the rules run (``Query.group_count``, ``Query.counts``).
"""
import ipaddress

import numpy as np

from nova_lite.scheduler.core.filters.rule import Filter


def anti_affinity(query):
    group = query.request.group
    if group is None or group.policy != "anti-affinity":
        return None
    count, limit = query.group_count, group.max_per_host
    return lambda rows: count[rows] < limit


def affinity(query):
    group = query.request.group
    if group is None or group.policy != "affinity":
        return None
    count, first = query.group_count, not group.hosts
    # The first server of the group goes anywhere, the ones placed after it in the same request go where it went.
    return lambda rows: (count[rows] > 0) | (first and not count.any())


def different_host(query):
    there = _hinted(query, "different_host")
    return None if there is None else lambda rows: ~there[rows]


def same_host(query):
    there = _hinted(query, "same_host")
    return None if there is None else lambda rows: there[rows]


def _hinted(query, hint):
    servers = query.request.hints.get(hint)
    if not servers:
        return None
    servers = [servers] if isinstance(servers, str) else servers
    hosts = (query.request.server_hosts.get(server) for server in servers)
    return query.counts({host: 1 for host in hosts if host}) > 0


def simple_cidr(query):
    near = query.request.hints.get("build_near_host_ip")
    if not near:
        return None
    addresses, size = query.table.addresses, query.table.size
    try:
        network = ipaddress.ip_network(f"{_text(near)}{_text(query.request.hints.get('cidr') or '/24')}", strict=False)
    except ValueError:
        return lambda rows: np.zeros(size, np.bool_)[rows]
    near_it = np.fromiter((_inside(address, network) for address in addresses), np.bool_, size)
    return lambda rows: near_it[rows]


def _text(hint) -> str:
    return str(hint[0] if isinstance(hint, list) and hint else hint)


def _inside(address: str, network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


FILTERS = (
    Filter("ServerGroupAntiAffinityFilter", anti_affinity, "already has servers of the group", "already have servers of the group", consumes=True),
    Filter("ServerGroupAffinityFilter", affinity, "has no server of the group", "have no server of the group", consumes=True),
    Filter("DifferentHostFilter", different_host, "has a server to stay away from", "have a server to stay away from"),
    Filter("SameHostFilter", same_host, "has none of the servers to stay with", "have none of the servers to stay with"),
    Filter("SimpleCIDRAffinityFilter", simple_cidr, "is outside the network asked for", "are outside the network asked for"),
)
