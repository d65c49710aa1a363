"""Servers whose task was given up by others while their host was away: what that task had put aside returns, before anything else is done.

The mark is set with the failure (compute.moves.abandon) and taken away here.
"""
import dataclasses

from nova_lite import clock, exception, hooks, log
from nova_lite.compute import moves, states
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.job import Job, Workshop
from nova_lite.context import RequestContext
from nova_lite.db import servers as servers_
from nova_lite.network.actions import server_ports

LOG = log.get(__name__)


def is_marked(shop: Workshop, server) -> bool:
    """Whether something of the server waits on this host to return."""
    return server.request.get(moves.PUT_BACK) == shop.host == server.host


def without_mark(request: dict) -> dict:
    """A server's ``request`` once all has returned, or is of no use any more."""
    return {key: value for key, value in request.items() if key != moves.PUT_BACK}


def before(job: Job) -> Job:
    """The job, once what was aside has returned; started, where the server is ACTIVE."""
    if not is_marked(job.shop, job.server):
        return job
    LOG.warning("server %s: the disks that it had before a task was cut off return", job.server.id)
    shop = job.shop
    shop.driver.destroy_guest(job.server.id)
    shop.driver.swap_disks(job.server.id, back=True)
    hooks.reached("put_back.swapped")
    with shop.db.write() as tx:
        server_ports.bind(tx, job.server.id, shop.host)
    if job.server.vm_state == states.ACTIVE:
        guest, nics = job_.description(job)
        job_.prepare_networks(job, nics)
        shop.driver.start_guest(guest)
    return dataclasses.replace(job, server=forget(shop, job.server.id, job.token))


def forget(shop: Workshop, server_id: str, token: str | None):
    """Take away the mark of a server that has no task but ``token``; the row. Raises TaskLost."""
    with shop.db.write() as tx:
        server = servers_.find(tx, server_id)
        if server is None or server.task_id != token:
            raise exception.TaskLost(token=token, server_id=server_id)
        if moves.PUT_BACK in server.request:
            servers_.update(tx, server_id, request=without_mark(server.request))
            server = servers_.find(tx, server_id)
    return server


def at_start(shop: Workshop) -> list[str]:
    """Put back what is marked on this host, servers that have a task excepted: it comes first in that. The ids."""
    with shop.db.read() as tx:
        marked = [server for server in servers_.of_host(tx, shop.host) if is_marked(shop, server) and server.task_id is None]
    for server in marked:
        try:
            before(Job(shop, RequestContext.for_service(), server, None, clock.now()))
        except exception.NovaLiteError as error:
            LOG.warning("server %s: what a task left aside does not return yet: %s", server.id, error)
    return [server.id for server in marked]
