"""What stands in the row of a server that is shelved, or about to be: which image has its root disk, and since when. Used by both halves."""
from nova_lite import clock
from nova_lite.db import images
from nova_lite.db.models import Server

MEMO = "shelved"
"""The key in ``server.request``."""


def image_of(server: Server) -> str | None:
    """The image that has, or will have, the server's root disk; None for a server that is not shelved."""
    return server.request.get(MEMO, {}).get("image_id")


def since(server: Server):
    """When the server was shelved."""
    return clock.parse(server.request[MEMO]["at"])


def remembering(server: Server, image_id: str) -> dict:
    """``server.request`` with the image, as of now."""
    return {**server.request, MEMO: {"image_id": image_id, "at": clock.isoformat(clock.now())}}


def forget(tx, server: Server) -> dict:
    """Delete the image, unless somebody protected it; ``server.request`` without it. Its file goes with the store's next sweep."""
    image_id = image_of(server)
    if image_id is not None:
        images.delete(tx, image_id)
    return {key: value for key, value in server.request.items() if key != MEMO}
