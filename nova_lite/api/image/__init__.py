"""api.image: the Image API v2 as tables, one module a noun, over ``image.actions``.

``application`` puts the tables together; ``PUBLIC`` names what a caller without a token may ask (for ``middleware.auth.TokenAuth``);
``service_access`` lets workers fetch images with a signature instead of a token.
"""
from nova_lite import exception
from nova_lite.api import faults, resource
from nova_lite.api.image import data, images, info, members, schemas, tags, versions
from nova_lite.image.deps import Deps

TABLES = (versions.ROUTES, images.ROUTES, data.ROUTES, tags.ROUTES, members.ROUTES, schemas.ROUTES, info.ROUTES)

PUBLIC = tuple((method, path) for method in ("GET", "HEAD") for path in ("/", "/versions", "/versions/", "/v2", "/v2/"))


def _fault(status: int, message: str, error: BaseException | None = None):
    if isinstance(error, exception.PolicyNotAuthorized):
        message = f"You are not authorized to complete {error.details.get('action')} action."
    elif isinstance(error, exception.ImageNotFound):
        message = f"No image found with ID {error.details.get('image_id')}"
    return faults.image(status, message, error)


def application(deps: Deps, policy, public_url: str | None) -> resource.Application:
    """The Image API. ``public_url``: its URL as clients reach it (``http://host:8774/image``); from each request where None."""
    table = [route for rows in TABLES for route in rows]
    return resource.Application("image", table, deps, policy, _fault, public_url=public_url)
