"""Asking for a server of a dead host to be made anew on another one."""
import dataclasses

from nova_lite import exception
from nova_lite.compute import moves
from nova_lite.compute.actions.deps import Deps, ring
from nova_lite.context import RequestContext
from nova_lite.db import hosts as hosts_
from nova_lite.db import hypervisors
from nova_lite.db import moves as moves_
from nova_lite.db import servers as servers_


@dataclasses.dataclass(frozen=True)
class Wanted:
    """``host``: the only one in question, judged by the filters unless ``forced``. ``shared``: whether the disks are within the destination's
    reach, None where it shall look. ``stays_off``: do not start the guest, whatever it did before.
    """

    host: str | None = None
    forced: bool = False
    admin_pass: str | None = None
    shared: bool | None = None
    stays_off: bool = False


def evacuate(deps: Deps, ctx: RequestContext, server_id: str, wanted: Wanted) -> None:
    """Raises ServerNotFound, HostNotFound, Conflict (the server's state), Invalid (its host is up, or is the destination)."""
    with deps.db.write() as tx:
        server = servers_.get(tx, ctx, server_id)
        if wanted.host is not None:
            if not hosts_.services(tx, host=wanted.host, binary=hosts_.COMPUTE):
                raise exception.HostNotFound(host=wanted.host)
            if wanted.host == server.host:
                raise exception.Invalid("The target host can't be the same one.")
        if server.host is None:
            raise exception.Conflict(f"Instance {server_id} is not ready")
        # Held, so that a worker of the host that starts now either is seen here, or finds the move when it looks for those that left.
        hosts_.touch(tx, [server.host])
        hosts = [server.host]
        if moves.LOST in server.request:
            hosts.append(server.request[moves.LOST]["to"]["host"])
        token = moves.begin(tx, ctx, server, "evacuate", moves_.EVACUATION, destination=wanted.host, forced=wanted.forced, leaves_nothing=True,
                            excluded=hosts,
                            detail={"admin_pass": wanted.admin_pass, "shared": wanted.shared, "stays_off": wanted.stays_off})
        for host in hosts:
            if hosts_.is_host_up(tx, host, hypervisors.moment(tx), deps.service_down_time):
                raise exception.Invalid(f"Compute service of {host} is still in use.")
    ring(deps.scheduler.place_moves, ctx, server_ids=[server_id], tokens=[token])
