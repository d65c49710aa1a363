"""Images of servers: the root disk as it is at one moment, uploaded while the guest goes on."""
from nova_lite import exception, hooks, log
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker.job import Job

LOG = log.get(__name__)


def snapshot(job: Job) -> dict:
    """A worker that starts over takes the disk as it is then. What fails leaves no image."""
    shop, image_id = job.shop, job.server.task_detail["image_id"]
    try:
        hooks.reached("snapshot.begun")
        if not shop.images.is_stored(image_id):
            shop.driver.snapshot_root(job_.description(job)[0], lambda blocks, size: shop.images.upload(image_id, blocks, size))
    except exception.Unavailable:
        raise
    except BaseException:
        shop.images.delete(image_id)
        raise
    return {}


def backup(job: Job) -> dict:
    """A snapshot; then the oldest backups of its type go."""
    changes = snapshot(job)
    detail = job.server.task_detail
    for image_id in job.shop.images.backups(job.server.id, detail["backup_type"])[detail["rotation"]:]:
        LOG.info("server %s: its backup %s is rotated out", job.server.id, image_id)
        try:
            job.shop.images.delete(image_id)
        except exception.NovaLiteError as error:
            # The backup that was asked for is there all the same.
            LOG.warning("the backup %s could not be deleted: %s", image_id, error)
    return changes
