"""Which consoles there are, the URLs that open them, and the tokens in those URLs. Called by ``actions.console``.

A token is sealed by a key that APIs and console proxies share, so that none of them remembers any, and a restart forgets none. It names the
server, its host and the run of its guest: whoever opens it compares them with what is true then.
"""
import base64
import hashlib
import json
from dataclasses import dataclass
from urllib import parse

from cryptography import fernet

from nova_lite import clock, exception

TYPES = {"vnc": "novnc", "spice": "spice-html5", "serial": "serial"}
"""protocol (also what worker and driver call the kind of console) → its type in the API."""
UNKNOWN = "Token not found"


@dataclass(frozen=True)
class Claim:
    """What a token says: a console of ``server_id`` on ``host`` while its guest is in the run ``run``."""

    server_id: str
    host: str
    kind: str
    run: str


class ConsoleAccess:
    """``secret``: shared by all APIs and proxies; ``lifetime`` of a token in seconds; ``urls``: kind → the page or websocket that shows it.

    A kind without a URL is not offered.
    """

    def __init__(self, secret: str, lifetime: int = 600, urls: dict[str, str] | None = None):
        self.urls = dict(urls or {})
        self._lifetime = lifetime
        self._fernet = fernet.Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"console " + secret.encode()).digest()))

    def check(self, protocol: str, name: str) -> None:
        """Whether consoles of a protocol and a type are offered. Raises ConsoleTypeUnavailable, ConsoleTypeInvalid."""
        if protocol not in self.urls:
            raise exception.ConsoleTypeUnavailable(console_type=protocol)
        if TYPES[protocol] != name:
            raise exception.ConsoleTypeInvalid(console_type=name)

    def url(self, claim: Claim) -> str:
        """The URL that opens the console, for the lifetime of a token."""
        expires = clock.now() + clock.seconds(self._lifetime)
        plain = [claim.server_id, claim.host, claim.kind, claim.run, clock.isoformat_micro(expires)]
        token = self._fernet.encrypt(json.dumps(plain, separators=(",", ":")).encode()).rstrip(b"=").decode()
        # noVNC is told the path of its websocket; the others put the token there themselves.
        query = {"path": f"?token={token}"} if claim.kind == "vnc" else {"token": token}
        base = self.urls[claim.kind]
        return f"{base}{'&' if '?' in base else '?'}{parse.urlencode(query)}"

    def open(self, token: str) -> Claim:
        """What a token says. Raises NotFound for one that is not ours or too old."""
        try:
            raw = token.encode("ascii")
            *claim, expires = json.loads(self._fernet.decrypt(raw + b"=" * (-len(raw) % 4)))
        except (fernet.InvalidToken, ValueError) as error:
            raise exception.NotFound(UNKNOWN) from error
        if clock.now() >= clock.parse(expires):
            raise exception.NotFound(UNKNOWN)
        return Claim(*claim)
