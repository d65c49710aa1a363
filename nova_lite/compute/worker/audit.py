"""The auditor of one host's guests and files: what the hypervisor has against what the database says is here."""
from nova_lite.compute import states
from nova_lite.compute.moves import PUT_BACK
from nova_lite.db import auditing
from nova_lite.db import moves as moves_
from nova_lite.virt.types import PowerState

OFF = (PowerState.SHUTDOWN, PowerState.CRASHED, PowerState.NOSTATE)


def audit(db, driver, host: str) -> list[dict]:
    """Findings on ``host``, as in compute.audit: guests and files of servers that are not here, files of changes that are over, servers here
    without disks or with a wrong state.
    """
    guests, files = driver.guests(), driver.guest_files()
    with db.read() as tx:
        servers = auditing.living(tx)
        moving = moves_.hosts(tx, {*guests, *files})
    found = []
    for kind, ids in (("guest", guests.keys()), ("files", files)):
        for server_id in sorted(ids):
            server = servers.get(server_id)
            here = server is not None and (host in (server.host, server.task_host) or host in moving.get(server_id, ()))
            if not here:
                what = "of a server that is gone" if server is None else f"of a server that is on {server.host}"
                found.append({"kind": kind, "what": f"{what} {'is' if kind == 'guest' else 'are'} left here", "server": server_id, "host": host})
    for server in servers.values():
        if server.host != host or server.task_id is not None or server.launched_at is None:
            continue
        if server.id not in files:
            found.append({"kind": "files", "what": "are missing: the server has no disks here", "server": server.id, "host": host})
        elif server.vm_state == states.ACTIVE and guests.get(server.id, PowerState.NOSTATE) in OFF:
            found.append({"kind": "guest", "what": "is off, the server is ACTIVE", "server": server.id, "host": host})
    return found + _unfinished(driver.moves().unfinished(), servers, moving, host)


def _unfinished(left: dict[str, list[str]], servers, moving, host: str) -> list[dict]:
    """Files that wait for the end of a change which is over. A move that waits to be confirmed, and a host that has to put back, still need them."""
    found = []
    for server_id, names in sorted(left.items()):
        server = servers.get(server_id)
        if server is None or server.host != host or server.task_id is not None or host in moving.get(server_id, ()) or PUT_BACK in server.request:
            continue
        found.append({"kind": "files", "what": f"of a change that is over are left: {', '.join(names)}", "server": server_id, "host": host})
    return found
