"""The end of a server in the database: one transaction that gives back what it held. Used by whoever ends a delete."""
from nova_lite import clock, exception
from nova_lite.compute import quota, shelving, states, task
from nova_lite.db import allocations
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server
from nova_lite.network.actions import server_ports


def weight(server: Server) -> dict[str, int]:
    """What a living server counts against its project's quotas."""
    return {"instances": 1, "cores": server.flavor["vcpus"], "ram": server.flavor["memory_mb"]}


def held(server: Server) -> dict[str, int]:
    """What the server counts now: nothing while it is marked as deleted."""
    return {} if server.vm_state == states.SOFT_DELETED else weight(server)


def _give_back(tx, server: Server) -> None:
    if counted := held(server):
        quota.give_back(tx, server.project_id, counted)


def end(tx, server: Server, token: str, host: str | None) -> list[str]:
    """End a ``delete`` or a ``soft_delete``; ids of the networks that the server left. Raises TaskLost."""
    if server.task_action == "soft_delete":
        mark(tx, server, token, host)
        return []
    return remove(tx, server, token, host)


def mark(tx, server: Server, token: str, host: str | None, power_state: int = 4) -> None:
    """The server is as good as deleted, and can be restored: it gives back its quota and keeps its place. Raises TaskLost."""
    _give_back(tx, server)
    task.finish(tx, server, token, host, server.task_started_at, "compute_soft_delete_instance", deleted_at=clock.now(), power_state=power_state)


def remove(tx, server: Server, token: str, host: str | None) -> list[str]:
    """Mark the server deleted and give back quota, allocations and addresses; ids of the networks it was on.

    ``token``: the delete task's. Raises TaskLost when somebody else ended it.
    """
    started, request_id = server.task_started_at, server.task_request_id
    if not servers_.mark_deleted(tx, server.id, token):
        raise exception.TaskLost(token=token, server_id=server.id)
    _give_back(tx, server)
    allocations.release(tx, server.id)
    moves_.end(tx, server.id, "error")
    shelving.forget(tx, server)
    networks = server_ports.release(tx, server.id)
    servers_.end_action(tx, server.id, request_id, "compute_terminate_instance", started, host, "Success")
    return networks
