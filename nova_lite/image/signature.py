"""Signed permissions to fetch or send one image's data, for a minute, for workers whose host has no store.

Made by ``remote``, checked by ``api.image.service_access``.
"""
import hashlib
import hmac
import time

HEADER = "X-Nova-Lite-Image-Access"
LIFETIME = 60
SKEW = 300
"""Seconds by which the clocks of two hosts may differ."""


def sign(secret: str, image_id: str, now: float | None = None, method: str = "GET") -> str:
    """A header value that lets its bearer GET (or PUT) the image's file."""
    expires = int(now if now is not None else time.time()) + LIFETIME
    return f"{expires}.{_code(secret, image_id, expires, method)}"


def verify(secret: str, image_id: str, value: str, now: float | None = None, method: str = "GET") -> bool:
    """Whether ``value`` was made with the same secret for this image and method, and still holds."""
    expires, _, code = value.partition(".")
    if not secret or not expires.isascii() or not expires.isdigit() or len(expires) > 15:
        return False
    present = now if now is not None else time.time()
    in_time = present - SKEW <= int(expires) <= present + LIFETIME + SKEW
    return in_time and hmac.compare_digest(code.encode(), _code(secret, image_id, int(expires), method).encode())


def _code(secret: str, image_id: str, expires: int, method: str) -> str:
    return hmac.new(secret.encode(), f"{method} image file {image_id} until {expires}".encode(), hashlib.sha256).hexdigest()
