"""The proxy's WSGI application: pages, and each websocket joined to the console that its token names."""
import contextlib
import socket
from collections.abc import Callable
from http import cookies
from urllib import parse

from nova_lite import concurrency, exception, log
from nova_lite.compute.console_access import Claim
from nova_lite.consoleproxy.pages import Pages

LOG = log.get(__name__)
CONNECT_SECONDS = 15.0
ANSWER_BYTES = 4096
_SECURE = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


class ConsoleProxy:
    """``find(token)``: what it claims and where that is (``compute.actions.console.find_console``), or NotFound.

    ``urls``: kind of console → the URL that users open, whose scheme pages must have; ``allowed_origins``: host names besides our own.
    """

    def __init__(self, find: Callable[[str], tuple[Claim, dict]], urls: dict[str, str], allowed_origins: list[str], pages: Pages):
        self._find, self._urls, self._allowed_origins, self._pages = find, urls, allowed_origins, pages

    def __call__(self, environ, start_response):
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
            return self._pages(environ, start_response)
        # Imported here: most processes that could serve consoles are never asked for one.
        from nova_lite.consoleproxy.websocket import Handshake

        try:
            handshake = Handshake(environ)
        except exception.Invalid as error:
            LOG.info("%s asks for no websocket that can be: %s", environ.get("REMOTE_ADDR"), error)
            start_response("400 Bad Request", [("Content-Length", "0")])
            return []
        try:
            claim, guest = self._open(environ)
        except (exception.NovaLiteError, OSError) as error:
            LOG.info("a console is refused to %s: %s", environ.get("REMOTE_ADDR"), error)
            handshake.refuse(503 if isinstance(error, exception.Unavailable | OSError) else 403)
            return []
        with contextlib.suppress(OSError), contextlib.closing(guest):
            browser = handshake.accept()
            LOG.info("the %s console of server %s is open to %s", claim.kind, claim.server_id, environ.get("REMOTE_ADDR"))
            concurrency.join_streams(browser, guest)
            LOG.info("the %s console of server %s is closed to %s", claim.kind, claim.server_id, environ.get("REMOTE_ADDR"))
        return []

    def _open(self, environ: dict) -> tuple[Claim, socket.socket]:
        claim, where = self._find(token_of(environ))
        check_origin(environ, parse.urlsplit(self._urls.get(claim.kind, "")).scheme, self._allowed_origins)
        return claim, connect(where["host"], where["port"], where["internal_access_path"])


def token_of(environ: dict) -> str:
    """The token of a request: in its query, or in a cookie as older pages have it."""
    asked = parse.parse_qs(environ.get("QUERY_STRING", "")).get("token")
    if asked:
        return asked[-1]
    for part in environ.get("HTTP_COOKIE", "").split(";"):
        with contextlib.suppress(cookies.CookieError):
            found = cookies.SimpleCookie(part.strip()).get("token")
            if found is not None:
                return found.value
    return ""


def check_origin(environ: dict, scheme: str, allowed: list[str]) -> None:
    """A browser says which page opens the websocket: that page must be ours or an allowed one, as secure as our URLs are. Raises Forbidden.

    Programs that are no browsers say nothing, and need not.
    """
    told = environ.get("HTTP_ORIGIN")
    if told is None:
        return
    try:
        origin, own = parse.urlsplit(told), parse.urlsplit(f"//{environ.get('HTTP_HOST', '')}")
        name, own_name = origin.hostname, own.hostname
    except ValueError as error:
        raise exception.Forbidden("the header Origin is not valid") from error
    if not name or name not in (own_name, *allowed):
        raise exception.Forbidden(f"pages of {name} may not open consoles (consoleproxy.allowed_origins)")
    if (environ.get("HTTP_X_FORWARDED_PROTO") or origin.scheme) != _SECURE.get(scheme):
        raise exception.Forbidden(f"a page that came by {origin.scheme} may not open a console of {scheme}")


def connect(host: str, port: int, path: str) -> socket.socket:
    """A connection to the console that a host's worker offers under ``path``. Raises OSError."""
    connection = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(f"CONNECT {path} HTTP/1.1\r\n\r\n".encode())
        answer = b""
        # Byte by byte: what follows the empty line is the guest's.
        while not answer.endswith(b"\r\n\r\n") and len(answer) < ANSWER_BYTES:
            byte = connection.recv(1)
            if not byte:
                break
            answer += byte
        if answer.split()[1:2] != [b"200"]:
            raise ConnectionRefusedError(f"{host} does not open this console")
    except BaseException:
        connection.close()
        raise
    connection.settimeout(None)
    return connection
