"""Static pages: folders served below path prefixes."""
import mimetypes
import os
import posixpath

CHUNK = 65536
_TYPES = {".js": "text/javascript", ".html": "text/html; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json"}


class Pages:
    """A WSGI application. ``folders``: path prefix → (folder, the system package that it comes from); prefixes end in a slash."""

    def __init__(self, folders: dict[str, tuple[str, str]]):
        self._folders = dict(sorted(folders.items(), key=lambda item: -len(item[0])))

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _say(start_response, "405 Method Not Allowed", "")
        # What leads out of a folder is cut off before the folder is chosen.
        path = posixpath.normpath("/" + environ.get("PATH_INFO", "").replace("\0", "").lstrip("/"))
        prefix = next(prefix for prefix in (*self._folders, "/") if path.startswith(prefix))
        folder, package = self._folders[prefix]
        if not os.path.isdir(folder):
            return _say(start_response, "404 Not Found", f"{folder} is not there; install the package {package}")
        try:
            handle = open(os.path.join(folder, path[len(prefix):]), "rb")
        except OSError:
            return _say(start_response, "404 Not Found", "There is no such page.")
        start_response("200 OK", [("Content-Type", _type_of(path)), ("Content-Length", str(os.fstat(handle.fileno()).st_size)),
                                  ("Cache-Control", "no-cache")])
        return _content(handle, environ["REQUEST_METHOD"] == "GET")


def _type_of(path: str) -> str:
    return _TYPES.get(os.path.splitext(path)[1]) or mimetypes.guess_type(path)[0] or "application/octet-stream"


def _content(handle, wanted: bool):
    with handle:
        while wanted and (chunk := handle.read(CHUNK)):
            yield chunk


def _say(start_response, status: str, text: str) -> list[bytes]:
    body = text.encode()
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
