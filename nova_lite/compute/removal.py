"""The end of a server in the database: one transaction that gives back all that it held. Used by whoever ends a delete."""
from nova_lite import exception
from nova_lite.compute import quota
from nova_lite.db import allocations
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server
from nova_lite.network.actions import server_ports


def held(server: Server) -> dict[str, int]:
    """What a server counts against its project's quotas."""
    return {"instances": 1, "cores": server.flavor["vcpus"], "ram": server.flavor["memory_mb"]}


def remove(tx, server: Server, token: str, host: str | None) -> list[str]:
    """Mark the server deleted and give back quota, allocations and addresses; ids of the networks it was on.

    ``token``: the delete task's. Raises TaskLost when somebody else ended it.
    """
    started, request_id = server.task_started_at, server.task_request_id
    if not servers_.mark_deleted(tx, server.id, token):
        raise exception.TaskLost(token=token, server_id=server.id)
    quota.give_back(tx, server.project_id, held(server))
    allocations.release(tx, server.id)
    networks = server_ports.release(tx, server.id)
    servers_.end_action(tx, server.id, request_id, "compute_terminate_instance", started, host, "Success")
    return networks
