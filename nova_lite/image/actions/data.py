"""An image's data: upload, download, and the sweep that clears away what dead processes left behind.

An upload is queued → saving → active. Its file is complete and on the disk before the one UPDATE that makes the image active; whatever ends an
upload earlier puts the image back to queued, and if even that was not possible, the sweep does.
"""
from collections.abc import Iterable, Iterator

from nova_lite import exception, log
from nova_lite.db import images as db
from nova_lite.db.models.image import Image
from nova_lite.image import errors, store, virtual_size
from nova_lite.image.deps import Deps

LOG = log.get(__name__)
SWEEP_SECONDS = 60.0
"""From one sweep to the next. Whoever deletes an image far from its store leaves the file to it."""
EVERYTHING = db.Viewer(None, True)


# ---- upload ----------------------------------------------------------------------------------------------------------------
def upload(deps: Deps, image: Image, blocks: Iterable[bytes], announced: int | None) -> None:
    """Store the data of a queued image. ``announced``: how many bytes the client says it sends, None if it does not.

    Raises Conflict unless queued; UploadCut, ImageTooLarge, StoreFull: the image is queued again; ImageGone: it was deleted meanwhile.
    """
    if not image.disk_format or not image.container_format:
        raise exception.Invalid("Properties disk_format, container_format must be set prior to saving data.")
    if announced is not None and announced > deps.max_size:
        raise errors.ImageTooLarge(maximum=deps.max_size)
    incoming = deps.store.receive(image.id)
    try:
        with deps.db.write() as tx:
            won = db.begin_upload(tx, image.id, incoming.upload_id, deps.store.id)
        if not won:
            incoming.discard()
            raise exception.Conflict(f"Image status transition from {_status(deps, image.id)} to saving is not allowed")
        try:
            content = _receive(deps, image.id, incoming, blocks, announced)
        except BaseException:
            incoming.discard()
            with deps.db.write() as tx:
                db.abandon_upload(tx, image.id, incoming.upload_id)
            raise
        _activate(deps, image, incoming, content)
    finally:
        incoming.close()


def _status(deps: Deps, image_id: str) -> str:
    with deps.db.read() as tx:
        return db.get(tx, EVERYTHING, image_id, with_tags=False).image.status


def _receive(deps: Deps, image_id: str, incoming: store.Incoming, blocks: Iterable[bytes], announced: int | None) -> store.Content:
    try:
        for block in blocks:
            if incoming.size + len(block) > deps.max_size:
                raise errors.ImageTooLarge(maximum=deps.max_size)
            incoming.write(block)
    except (OSError, ValueError) as error:
        # What a server raises when the client goes away, or breaks the chunked encoding.
        LOG.warning("image %s: upload broke off after %s bytes: %s", image_id, incoming.size, error)
        raise errors.UploadCut(image_id=image_id, size=incoming.size) from error
    if announced is not None and incoming.size != announced:
        raise errors.UploadCut(image_id=image_id, size=incoming.size)
    return incoming.finish()


def _activate(deps: Deps, image: Image, incoming: store.Incoming, content: store.Content) -> None:
    # When this transaction fails nobody knows whether it was committed; the file stays, and the sweep settles both.
    with deps.db.write() as tx:
        won = db.finish_upload(tx, image.id, incoming.upload_id, {
            "location": content.location, "size": content.size, "checksum": content.md5, "os_hash_algo": "sha512", "os_hash_value": content.sha512,
            "virtual_size": virtual_size.virtual_size(image.disk_format, content.header, content.size)})
    if not won:
        incoming.discard()
        raise errors.ImageGone(image_id=image.id)


# ---- download --------------------------------------------------------------------------------------------------------------
def open_data(deps: Deps, image_id: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The bytes of an image, or a part of them, in blocks of at most 1 MiB. The caller has checked who may read them.

    Raises ImageNotFound when there is no such image or no data, Unavailable when another store has it.
    """
    with deps.db.read() as tx:
        image = db.get(tx, EVERYTHING, image_id, with_tags=False).image
    return read(deps, image, start, length)


def read(deps: Deps, image: Image, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """As ``open_data``, for a row at hand."""
    if image.location is None:
        raise exception.ImageNotFound(image_id=image.id)
    if image.store_id != deps.store.id:
        raise exception.Unavailable(f"The data of image {image.id} is in a store that this API process does not reach.")
    try:
        return deps.store.read(image.location, start, length)
    except exception.NotFound as error:
        raise exception.ImageNotFound(image_id=image.id) from error


# ---- sweep -----------------------------------------------------------------------------------------------------------------
def sweep(deps: Deps) -> int:
    """Put images whose upload died back to queued, and remove files that no image names; how many of both. At start, and every minute or so."""
    count = 0
    with deps.db.read() as tx:
        uploads = db.list_uploads(tx, deps.store.id)
    for image_id, upload_id in uploads:
        if not deps.store.is_being_written(image_id, upload_id):
            with deps.db.write() as tx:
                abandoned = db.abandon_upload(tx, image_id, upload_id)
            if abandoned:
                LOG.warning("image %s: its upload died; the image is queued again", image_id)
                count += 1
    for leftover in deps.store.leftovers():
        with deps.db.read() as tx:
            named = db.has_location(tx, leftover.image_id, leftover.location)
        if not named:
            LOG.warning("image store: removing %s, which no image names", leftover.location)
            leftover.path.unlink(missing_ok=True)
            count += 1
    return count
