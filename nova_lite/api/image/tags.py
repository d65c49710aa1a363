"""Tags of images, one at a time."""
from nova_lite.api.image.images import find
from nova_lite.api.resource import Request, Route
from nova_lite.image.actions import images


def add(request: Request, image_id: str, tag: str) -> None:
    find(request, image_id, "modify_image")
    images.add_tag(request.deps, request.ctx, image_id, tag)


def remove(request: Request, image_id: str, tag: str) -> None:
    find(request, image_id, "modify_image")
    images.remove_tag(request.deps, request.ctx, image_id, tag)


ROUTES = (
    Route("PUT", "/v2/images/{image_id}/tags/{tag}", add, None, 204),
    Route("DELETE", "/v2/images/{image_id}/tags/{tag}", remove, None, 204),
)
