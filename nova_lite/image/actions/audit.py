"""The auditor of the image store: uploads that died, and files that no image names, which a sweep should have removed."""
from nova_lite import clock
from nova_lite.db import images as db
from nova_lite.image.actions import data
from nova_lite.image.deps import Deps


def audit(deps: Deps) -> list[dict]:
    """Findings as in compute.audit; none where this machine does not have the store."""
    if not deps.store.folder.is_dir():
        return []
    with deps.db.read() as tx:
        uploads = db.list_uploads(tx, deps.store.id)
    found = [{"kind": "image", "what": f"is being uploaded by nobody (upload {upload_id})", "image": image_id} for image_id, upload_id in uploads
             if not deps.store.is_being_written(image_id, upload_id)]
    for leftover in deps.store.leftovers():
        with deps.db.read() as tx:
            if db.has_location(tx, leftover.image_id, leftover.location):
                continue
            deleted_at = db.deleted_at(tx, leftover.image_id)
        # One sweep may have been before the image went, so that the file has time until the end of the next one.
        if deleted_at is None or deleted_at < clock.now() - clock.seconds(2 * data.SWEEP_SECONDS):
            found.append({"kind": "image", "what": f"has left {leftover.location} in the store, which no image names", "image": leftover.image_id})
    return found
