"""A host that cannot take a server over says so: another one is looked for, or the move is undone, or it ends. Called by the handlers of moves."""
from nova_lite import exception, log
from nova_lite.compute import moves
from nova_lite.compute.actions.deps import ring
from nova_lite.compute.worker.job import Job

LOG = log.get(__name__)
ALIKE = (exception.ImageUnusable, exception.ImageNotFound, exception.NoMoreAddresses, exception.Invalid, exception.NetworkNotFound,
         exception.Conflict, exception.SourceFailed)
"""Errors that another host would meet too."""


def retreat(job: Job, error: Exception, event: str, status: str = "error") -> None:
    """This host, chosen for the job's server, failed and has undone what it did. ``event``, ``status``: with which a move ends that ends here.

    Raises TaskLost.
    """
    server = job.server
    LOG.warning("host %s could not take server %s: %s", job.shop.host, server.id, error, exc_info=not isinstance(error, exception.NovaLiteError))
    undone = None
    with job.shop.db.write() as tx:
        fresh = None if isinstance(error, ALIKE) else moves.look_elsewhere(tx, server, job.token, error)
        if fresh is None:
            undone = moves.give_up(tx, server, job.token, error, job.shop.host, status, started=job.started, event=event)
    if fresh is not None:
        ring(job.shop.scheduler.place_moves, job.ctx, server_ids=[server.id], tokens=[fresh])
    if undone is not None:
        ring(job.shop.compute.run_task, job.ctx, server.host, server_id=server.id, token=undone)
