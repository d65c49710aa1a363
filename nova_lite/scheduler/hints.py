"""What scheduler hints refer to: the hosts of the servers that ``different_host`` and ``same_host`` name."""
from collections.abc import Iterable, Mapping

from nova_lite.db import servers as servers_

OF_SERVERS = ("different_host", "same_host")


def server_hosts(tx, requests: Iterable[Mapping | None]) -> dict[str, str]:
    """``{server id: host}`` of the placed servers that the hints of some requests name; at most one statement."""
    named = {str(server) for request in requests for server in _named((request or {}).get("hints") or {})}
    return {id: host for id, (host, _deleted) in servers_.known(tx, named).items() if host} if named else {}


def _named(hints: Mapping):
    for hint in OF_SERVERS:
        value = hints.get(hint) or ()
        yield from [value] if isinstance(value, str) else value
