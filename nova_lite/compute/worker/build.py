"""Building a server: addresses, networks, disks, guest; each step undone when a later one fails, then the next host is asked."""
import contextlib
from collections.abc import Callable

from nova_lite import clock, exception, hooks, log
from nova_lite.compute import task
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.job import Job
from nova_lite.db import allocations
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports
from nova_lite.virt import types
from nova_lite.virt.types import PowerState

LOG = log.get(__name__)
EVENT = "compute__do_build_and_run_instance"
NOT_OF_THIS_HOST = (exception.ImageUnusable, exception.ImageNotFound, exception.NoMoreAddresses, exception.Invalid, exception.NetworkNotFound,
                    exception.Conflict)
"""Errors that another host would meet too."""
AWAY = (exception.RpcUnavailable, exception.DatabaseUnavailable)
"""Neither this host's fault nor better elsewhere: the sweep builds again once the broker or the database is back."""
COPIES_HOLD = 30.0
"""Seconds after the request for which what it noted of its networks is believed."""
KEPT = ("availability_zone", "hints")


def build(job: Job) -> None:
    """Ends the task itself: ACTIVE, handed back to the scheduler without this host, or ERROR with the reason. Raises TaskLost and AWAY."""
    if job.again:
        _clean(job)
    try:
        _build(job)
    except (exception.TaskLost, *AWAY):
        raise
    except Exception as error:
        LOG.warning("server %s could not be built here: %s", job.server.id, error, exc_info=not isinstance(error, exception.NovaLiteError))
        _hand_back(job, error)


def _build(job: Job) -> None:
    nics = _give_addresses(job)

    def at_end(tx) -> dict:
        if job.failures:
            allocations.forget_failures(tx, job.shop.host)
        return {"progress": 100, "request": {key: job.server.request.get(key) for key in KEPT}}
    make(job, "build", EVENT, lambda: (job_.describe(job, nics, ["default"]), nics), at_end)


def make(job: Job, name: str, event: str, describe: Callable[[], tuple[types.Guest, list[dict]]], at_end: Callable[..., dict]) -> None:
    """Make and start the guest of a server that has its addresses here, and end its task; what fails undoes all of it, the addresses' plugs too.

    ``name``: of the hooks. ``describe()`` gives the guest and its NICs, ``at_end(tx)`` the columns to change in the transaction that ends the task.
    """
    shop, server = job.shop, job.server
    with contextlib.ExitStack() as undo:
        undo.callback(leave_networks, job)
        hooks.reached(f"{name}.addresses")
        guest, nics = describe()
        job_.prepare_networks(job, nics)
        undo.callback(shop.driver.delete_disks, server.id)
        shop.driver.create_disks(guest, shop.fetch)
        hooks.reached(f"{name}.disks")
        undo.callback(shop.driver.destroy_guest, server.id)
        with shop.driver.started(guest):
            hooks.reached(f"{name}.guest")
            with shop.db.write() as tx:
                task.finish(tx, server, job.token, shop.host, job.started, event, job.epoch, power_state=int(PowerState.RUNNING),
                            launched_at=clock.now(), **at_end(tx))
        undo.pop_all()


def _give_addresses(job: Job) -> list[dict]:
    server = job.server
    fresh = clock.now() - server.created_at < clock.seconds(COPIES_HOLD) and not job.again and not server.request.get("attempts")
    turns = iter((fresh,))

    def give(tx) -> list[dict]:
        # Whatever makes the first turn fail, the next one reads what is so.
        return server_ports.allocate(tx, server.id, server.project_id, job.shop.host, server.request.get("networks") or [],
                                     zone=server.availability_zone or "nova", at_once=next(turns, False))
    return job.shop.db.transact(give)


def leave_networks(job: Job) -> None:
    """Plug the server's ports nowhere."""
    # The ports stay the server's: nobody else may take the user's own port before the next host has it.
    networks = job.shop.db.transact(lambda tx: server_ports.unbind(tx, job.server.id))
    if networks:
        ring(job.shop.network.refresh, job.ctx, job.shop.host, network_ids=networks)


def _clean(job: Job) -> None:
    # A worker that is gone may have got as far as a running guest: start from nothing.
    job.shop.driver.destroy_guest(job.server.id)
    job.shop.driver.delete_disks(job.server.id)


def _hand_back(job: Job, error: Exception) -> None:
    shop, server = job.shop, job.server
    request = dict(server.request)
    request["attempts"] = request.get("attempts", 0) + 1
    request["excluded"] = [*request.get("excluded", ()), shop.host]
    forced = request.get("force_host") or request.get("force_node")
    again = request["attempts"] < shop.max_attempts and not forced and not isinstance(error, NOT_OF_THIS_HOST)
    with shop.db.write() as tx:
        allocations.release(tx, server.id, shop.host)
        if not isinstance(error, NOT_OF_THIS_HOST):
            allocations.note_failure(tx, shop.host)
        if again:
            now = clock.now()
            request["last_error"] = str(error)
            # The scheduler takes it from here under a fresh token: this worker must not touch the server any more.
            fresh = task.new_token()
            if not servers_.update_task(tx, server.id, job.token, host=None, node=None, task_state="scheduling", request=request, task_id=fresh,
                                        task_started_at=now, task_deadline=task.deadline("create", now)):
                raise exception.TaskLost(token=job.token, server_id=server.id)
        else:
            server_ports.release(tx, server.id)
            task.fail(tx, server, job.token, _reason(error, request), shop.host, job.started, EVENT, host=None, node=None,
                      request={key: server.request.get(key) for key in KEPT})
    if again:
        ring(shop.scheduler.place_servers, job.ctx, server_ids=[server.id], tokens=[fresh])


def _reason(error: Exception, request: dict) -> Exception:
    if request["attempts"] <= 1 or isinstance(error, NOT_OF_THIS_HOST):
        return error
    return exception.HypervisorError(f"Build of the server failed on {request['attempts']} hosts; on the last one: {error}")
