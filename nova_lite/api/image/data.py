"""An image's data: upload (PUT) and download (GET, with Range), streamed both ways."""
import re
from collections.abc import Iterator

import webob

from nova_lite import exception
from nova_lite.api.image import images
from nova_lite.api.resource import Request, Route
from nova_lite.image.actions import data
from nova_lite.image.actions import images as records

BLOCK = 1 << 20
_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


class _OctetStreamOnly(exception.NovaLiteError):
    status = 415
    message = "Invalid content type: the data of an image is application/octet-stream."


class _BadRange(exception.NovaLiteError):
    status = 416
    message = "The byte range of the request is not within the image's data."


# ---- upload ----------------------------------------------------------------------------------------------------------------
def _announced(http: webob.Request) -> int | None:
    if "chunked" in http.environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        text = http.headers.get("X-OpenStack-Image-Size")
    else:
        text = http.environ.get("CONTENT_LENGTH") or "0"
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise exception.Invalid("Invalid or missing image size in request headers.")
    return int(text)


def _blocks(http: webob.Request) -> Iterator[bytes]:
    # The server's own stream: webob takes a chunked body for an empty one.
    stream, chunked = http.environ["wsgi.input"], "chunked" in http.environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    left = None if chunked else int(http.environ.get("CONTENT_LENGTH") or 0)
    while left is None or left > 0:
        block = stream.read(BLOCK if left is None else min(BLOCK, left))
        if not block:
            return
        if left is not None:
            left -= len(block)
        yield block


def upload(request: Request, image_id: str) -> None:
    if request.http.content_type != "application/octet-stream":
        raise _OctetStreamOnly()
    record = images.find(request, image_id, "upload_image")
    data.upload(request.deps, record.image, _blocks(request.http), _announced(request.http))


# ---- download --------------------------------------------------------------------------------------------------------------
def _part(header: str | None, size: int) -> tuple[int, int] | None:
    """(first byte, count) of a Range header; None for the whole, also where the header is not of a form that we serve. Raises _BadRange."""
    match = _RANGE.match(header.strip()) if header else None
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        count = min(int(last), size)
        start = size - count
    else:
        start = int(first)
        count = min(int(last), size - 1) - start + 1 if last else size - start
        if last and int(last) < start:
            return None
    if count <= 0:
        raise _BadRange()
    return start, count


def download(request: Request, image_id: str) -> webob.Response | None:
    record = records.show(request.deps, request.ctx, image_id)
    image = record.image
    if image.status == "deactivated" and not request.ctx.is_admin:
        raise exception.Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    if image.location is None:
        request.status = 204
        return None
    part = _part(request.http.headers.get("Range"), image.size)
    start, count = part or (0, image.size)
    response = webob.Response(status=206 if part else 200, content_type="application/octet-stream",
                              app_iter=data.read(request.deps, image, start, count))
    response.charset = None
    response.content_length = count
    response.headers["Accept-Ranges"] = "bytes"
    if part:
        response.headers["Content-Range"] = f"bytes {start}-{start + count - 1}/{image.size}"
    else:
        response.headers["Content-MD5"] = image.checksum
    return response


ROUTES = (
    Route("PUT", "/v2/images/{image_id}/file", upload, None, 204, raw=True),
    Route("GET", "/v2/images/{image_id}/file", download, "download_image"),
)
