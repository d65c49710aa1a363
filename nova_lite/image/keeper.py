"""Where a compute worker puts the images that it makes: into the store of its own process, or over HTTP to the Image API."""
from collections.abc import Iterable

from nova_lite import concurrency, exception
from nova_lite.db import filtering
from nova_lite.db import images as db
from nova_lite.db.engine import Database
from nova_lite.image import remote
from nova_lite.image.actions import data, images
from nova_lite.image.deps import Deps

EVERYTHING = db.Viewer(None, True)
RETRIES, RETRY_SECONDS = 20, 5.0
"""How often and how soon an upload is tried again while the store takes another one for alive, whose process is gone."""


class Keeper:
    """What both have: rows are changed in the database, which every worker reaches."""

    def __init__(self, database: Database):
        self._db = database

    def delete(self, image_id: str) -> None:
        """Delete an image, or what there is of it; one that is gone is fine. Its file goes with the store's next sweep."""
        with self._db.write() as tx:
            db.delete(tx, image_id)

    def is_stored(self, image_id: str) -> bool:
        """Whether an upload of the image has ended well. Raises ImageNotFound."""
        with self._db.read() as tx:
            return db.get(tx, EVERYTHING, image_id, with_tags=False).image.status == "active"

    def backups(self, server_id: str, backup_type: str) -> list[str]:
        """Ids of the images that are backups of a server, of one type, newest first."""
        wanted = db.Wanted(properties={"image_type": "backup", "backup_type": backup_type, "instance_uuid": server_id}, visibility="all")
        page = filtering.Page(sorts=(("created_at", "desc"),))
        with self._db.read() as tx:
            return [record.image.id for record in db.list_all(tx, EVERYTHING, wanted, page)]


class LocalKeeper(Keeper):
    """The store is this process's own."""

    def __init__(self, deps: Deps):
        super().__init__(deps.db)
        self._deps = deps

    def upload(self, image_id: str, blocks: Iterable[bytes], size: int) -> None:
        """Store the data of a queued image. Raises Conflict, ImageNotFound, TooLarge and the store's errors."""
        with self._db.read() as tx:
            image = db.get(tx, EVERYTHING, image_id, with_tags=False).image
        if image.status == "saving":
            data.sweep(self._deps)
        data.upload(self._deps, image, blocks, size)

    def delete(self, image_id: str) -> None:
        """As Keeper, the file at once."""
        try:
            images.delete(self._deps, image_id)
        except exception.ImageNotFound:
            return


class RemoteKeeper(Keeper):
    """The Image API at ``url`` (with its prefix) has the store."""

    def __init__(self, database: Database, url: str, secret: str):
        super().__init__(database)
        self._url, self._secret = url, secret

    def upload(self, image_id: str, blocks: Iterable[bytes], size: int) -> None:
        """As LocalKeeper. Raises Unavailable when the API cannot be reached."""
        for _ in range(RETRIES):
            with self._db.read() as tx:
                if db.get(tx, EVERYTHING, image_id, with_tags=False).image.status != "saving":
                    break
            concurrency.sleep(RETRY_SECONDS)
        remote.send(self._url, self._secret, image_id, blocks, size)
