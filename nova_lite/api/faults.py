"""Errors on the wire: each service has a format of its own, written here once."""
import json
from collections.abc import Callable

import webob

COMPUTE_KEYS = {400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod", 409: "conflictingRequest",
                413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented", 503: "serviceUnavailable"}
TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
          409: "Conflict", 413: "Request Entity Too Large", 415: "Unsupported Media Type", 500: "Internal Server Error",
          501: "Not Implemented", 503: "Service Unavailable"}

Fault = Callable[[int, str, BaseException | None], webob.Response]


def _json(status: int, content: dict) -> webob.Response:
    return webob.Response(status=status, body=json.dumps(content).encode(), content_type="application/json", charset="UTF-8")


def compute(status: int, message: str, error: BaseException | None = None) -> webob.Response:
    """``{"itemNotFound": {"code": 404, "message": "..."}}``."""
    return _json(status, {COMPUTE_KEYS.get(status, "computeFault"): {"code": status, "message": message}})


def identity(status: int, message: str, error: BaseException | None = None) -> webob.Response:
    """``{"error": {"code": 404, "message": "...", "title": "Not Found"}}``."""
    return _json(status, {"error": {"code": status, "message": message, "title": TITLES.get(status, "Error")}})


def network(status: int, message: str, error: BaseException | None = None) -> webob.Response:
    """``{"NeutronError": {"type": "PortNotFound", "message": "...", "detail": ""}}``."""
    kind = getattr(error, "neutron_type", None) or (type(error).__name__ if error is not None else f"HTTP{status}")
    return _json(status, {"NeutronError": {"type": kind, "message": message, "detail": ""}})


def image(status: int, message: str, error: BaseException | None = None) -> webob.Response:
    """An HTML page with the message, as the Image service answers."""
    title = TITLES.get(status, "Error")
    text = message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    page = (f"<html>\n <head>\n  <title>{status} {title}</title>\n </head>\n <body>\n  "
            f"<h1>{status} {title}</h1>\n  {text}<br /><br />\n\n\n\n </body>\n</html>")
    return webob.Response(status=status, body=page.encode(), content_type="text/html", charset="UTF-8")
