"""The auditor of the database: whether allocations, quotas, ports, moves and tasks agree with the servers that they are of.

A finding is a dict: ``kind``, ``what`` in words, and the ids that it is about. Servers with a task are not judged. Called by ``cmd.auditing``,
which adds the hosts' part.
"""
from nova_lite import clock
from nova_lite.compute import quota, states
from nova_lite.db import allocations as allocations_
from nova_lite.db import auditing
from nova_lite.db import moves as moves_

OVERDUE_SECONDS = 120.0
"""How long after its deadline a task is no longer the sweep's business but a fault."""
NOWHERE = (states.SHELVED_OFFLOADED,)
"""vm_states of servers that have no host."""


def audit(db) -> list[dict]:
    """All findings in the database. Empty is right."""
    with db.read() as tx:
        servers = auditing.living(tx)
        moves = auditing.open_moves(tx)
        found = [_finding("usage", f"{row['column']} is {row['used']}, the host's allocations add up to {row['sum']}", host=row["host"])
                 for row in allocations_.audit(tx)]
        found += _allocations(servers, auditing.allocations(tx), moves)
        found += _ports(servers, auditing.ports(tx))
        found += _moves(servers, moves)
        found += [_finding("task", f"the {servers[server_id].task_action} is past its deadline", server=server_id)
                  for server_id in sorted(auditing.overdue(tx, clock.now() - clock.seconds(OVERDUE_SECONDS)) & servers.keys())]
        found += [_finding("task", f"shows task_state {server.task_state} and has task {server.task_id}", server=server.id)
                  for server in servers.values() if (server.task_id is None) != (server.task_state is None)]
        found += [_finding("quota", f"{resource} of {owner} is counted as {counted}, and is {real}", owner=owner)
                  for (owner, resource), (counted, real) in quota.differences(tx).items()]
    return found


def _finding(kind: str, what: str, **about) -> dict:
    return {"kind": kind, "what": what, **about}


def _allocations(servers, held, moves) -> list[dict]:
    found = []
    moving = {(server_id, host) for _, server_id, _, _, *both in moves for host in both}
    places: dict[str, set[str]] = {}
    for server_id, host in held:
        places.setdefault(server_id, set()).add(host)
        server = servers.get(server_id)
        if server is None:
            found.append(_finding("allocation", f"is held on {host} by a server that is gone", server=server_id, host=host))
        elif server.task_id is None and server.host != host and (server_id, host) not in moving:
            found.append(_finding("allocation", f"is held on {host}, the server is on {server.host}", server=server_id, host=host))
    for server in servers.values():
        if server.host is not None and server.task_id is None and server.vm_state not in NOWHERE and server.host not in places.get(server.id, ()):
            found.append(_finding("allocation", f"is missing on {server.host}, where the server is", server=server.id, host=server.host))
    return found


def _ports(servers, ports) -> list[dict]:
    found = []
    for port_id, server_id, host in ports:
        server = servers.get(server_id)
        if server is None:
            found.append(_finding("port", "is of a server that is gone", port=port_id, server=server_id))
        elif server.task_id is None and server.vm_state != states.ERROR and host != server.host:
            found.append(_finding("port", f"is on {host}, its server on {server.host}", port=port_id, server=server_id))
    return found


def _moves(servers, moves) -> list[dict]:
    found = []
    for move_id, server_id, type_, status, source, destination in moves:
        server = servers.get(server_id)
        what = f"{type_} {move_id} from {source} to {destination} is open"
        if server is None:
            found.append(_finding("move", f"{what}, and its server is gone", server=server_id))
        elif server.task_id is None and server.vm_state != states.RESIZED and status != moves_.LOST:
            found.append(_finding("move", f"{what}, and its server has no task", server=server_id))
    return found
