"""Token texts: a short JSON list sealed by Fernet. Nothing of a token is stored; only revocations are. Called by ``actions.tokens``."""
import base64
import datetime
import json
import uuid
from dataclasses import dataclass

from cryptography import fernet

from nova_lite import exception
from nova_lite.identity import keys

FORM = 1
_EPOCH = datetime.datetime(1970, 1, 1)
INVALID = "The request you have made requires authentication."


@dataclass(frozen=True)
class Payload:
    """What a token says. ``scope``: project, domain, system or None. ``audit_ids``: its own, then that of the login it came from."""

    user_id: str
    methods: tuple[str, ...]
    scope: str | None
    scope_id: str | None
    issued_at: datetime.datetime
    expires_at: datetime.datetime
    audit_ids: tuple[str, ...]


def new_audit_id() -> str:
    """22 characters, the form of Keystone's."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def _to_number(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // datetime.timedelta(microseconds=1)


def _from_number(number: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=number)


class Codec:
    """Seals and opens tokens with the keys of ``folder``, made at the first use; a rotation by another process is seen at once."""

    def __init__(self, folder: str):
        self.folder = folder
        self._stamp: frozenset[int] = frozenset()
        self._fernet: fernet.MultiFernet | None = None

    def encode(self, payload: Payload) -> str:
        """The token text: about 300 characters, safe in a header."""
        plain = [FORM, payload.user_id, list(payload.methods), payload.scope, payload.scope_id,
                 _to_number(payload.issued_at), _to_number(payload.expires_at), list(payload.audit_ids)]
        return self._keys().encrypt(json.dumps(plain, separators=(",", ":")).encode()).rstrip(b"=").decode()

    def decode(self, token: str) -> Payload:
        """What a token text says; whether it still holds is another question. Raises Unauthorized."""
        try:
            raw = token.encode("ascii")
            plain = json.loads(self._keys().decrypt(raw + b"=" * (-len(raw) % 4)))
            form, user_id, methods, scope, scope_id, issued, expires, audit_ids = plain
        except (fernet.InvalidToken, ValueError) as error:
            raise exception.Unauthorized(INVALID) from error
        if form != FORM:
            raise exception.Unauthorized(INVALID)
        return Payload(user_id, tuple(methods), scope, scope_id, _from_number(issued), _from_number(expires), tuple(audit_ids))

    def _keys(self) -> fernet.MultiFernet:
        stamp = keys.stamp(self.folder)
        if self._fernet is None or stamp != self._stamp:
            keys.ensure(self.folder)
            self._stamp = keys.stamp(self.folder)
            self._fernet = fernet.MultiFernet([fernet.Fernet(key) for key in keys.read(self.folder)])
        return self._fernet
