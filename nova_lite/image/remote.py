"""Fetching and sending an image's data over HTTP, for hosts that do not have the store. Called by the compute worker."""
import http.client
import urllib.parse
from collections.abc import Iterable, Iterator

from nova_lite import exception
from nova_lite.image import signature

CHUNK = 1 << 20
TIMEOUT = 60
"""Seconds without a byte after which a fetch fails."""


def fetch(url: str, secret: str, image_id: str) -> Iterator[bytes]:
    """The image's bytes in chunks of at most 1 MiB. ``url``: the Image API's, with its prefix (``http://10.0.0.1:8774/image``).

    Raises ImageNotFound, and Unavailable when the API cannot be reached, refuses, or stops in the middle.
    """
    connection, path = _connect(url, image_id)
    try:
        connection.request("GET", path, headers={signature.HEADER: signature.sign(secret, image_id), "Connection": "close"})
        response = connection.getresponse()
        if response.status in (204, 404):
            raise exception.ImageNotFound(image_id=image_id)
        if response.status != 200:
            raise exception.Unavailable(f"The image service at {url} answered {response.status} for image {image_id}.")
        yield from _chunks(response, image_id)
    except (OSError, http.client.HTTPException) as error:
        raise exception.Unavailable(f"Image {image_id} could not be fetched from {url}: {error}") from error
    finally:
        connection.close()


def send(url: str, secret: str, image_id: str, blocks: Iterable[bytes], size: int) -> None:
    """Upload the data of a queued image, ``size`` bytes. Raises ImageNotFound, Conflict (not queued), Unavailable."""
    connection, path = _connect(url, image_id)
    headers = {signature.HEADER: signature.sign(secret, image_id, method="PUT"), "Connection": "close", "Content-Length": str(size),
               "Content-Type": "application/octet-stream"}
    try:
        connection.request("PUT", path, body=iter(blocks), headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise exception.Unavailable(f"Image {image_id} could not be sent to {url}: {error}") from error
    finally:
        connection.close()
    if status in (404, 410):
        raise exception.ImageNotFound(image_id=image_id)
    if status in (400, 409, 413):
        raise exception.Conflict(f"The image service does not take the data of image {image_id}; it answered {status}.")
    if status != 204:
        raise exception.Unavailable(f"The image service at {url} answered {status} to the data of image {image_id}.")


def _connect(url: str, image_id: str) -> tuple[http.client.HTTPConnection, str]:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=TIMEOUT), f"{parts.path.rstrip('/')}/v2/images/{urllib.parse.quote(image_id)}/file"


def _chunks(response: http.client.HTTPResponse, image_id: str) -> Iterator[bytes]:
    expected, arrived = response.length, 0
    while chunk := response.read(CHUNK):
        arrived += len(chunk)
        yield chunk
    if expected is not None and arrived != expected:
        raise exception.Unavailable(f"The transfer of image {image_id} was cut off after {arrived} of {expected} bytes.")
