"""The messages on the wire: JSON, version 1. Used by client.py and server.py.

    request  {"v": 1, "method": name, "args": {...}, "ctx": {...}, "id": uuid, "reply_to": queue or null}
    reply    {"v": 1, "id": uuid, "result": value}  or  {"v": 1, "id": uuid, "error": {"kind", "text", "details"}}

Values are None, bool, int, float, str, lists and dicts with text keys; tuples become lists; a datetime (naive UTC)
travels as {"__time__": ISO 8601}. All else is refused, bytes above all: what is big goes through the database or the
image service, and a message carries its id.
"""
import dataclasses
import datetime
import json

from nova_lite import clock, exception

VERSION = 1
MAX_BYTES = 1024 * 1024
_TIME, _DICT = "__time__", "__dict__"


class Malformed(ValueError):
    """A message that does not keep to the form above; the text says where."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A request as it arrived. ``reply_to`` is None for casts and broadcasts."""

    method: str
    args: dict
    ctx: dict
    id: str
    reply_to: str | None


def encode_request(request: Request) -> bytes:
    """Raises TypeError for a value that cannot travel and exception.TooLarge above MAX_BYTES; both name the method."""
    return _pack({"v": VERSION, "method": request.method, "args": _plain(request.args, request.method),
                  "ctx": _plain(request.ctx, "ctx"), "id": request.id, "reply_to": request.reply_to}, request.method)


def decode_request(body: bytes | str) -> Request:
    """Raises Malformed."""
    message = _unpack(body)
    try:
        request = Request(message["method"], message["args"], message["ctx"], message["id"], message["reply_to"])
    except KeyError as error:
        raise Malformed(f"the message has no {error}")
    expected = {"method": str, "args": dict, "ctx": dict, "id": str, "reply_to": (str, type(None))}
    for name, kind in expected.items():
        if not isinstance(getattr(request, name), kind):
            raise Malformed(f"the message's {name} is a {type(getattr(request, name)).__name__}")
    return request


def encode_result(id: str, result: object) -> bytes:
    """Raises TypeError for a value that cannot travel and exception.TooLarge above MAX_BYTES."""
    return _pack({"v": VERSION, "id": id, "result": _plain(result, "result")}, "result")


def encode_error(id: str, error: BaseException) -> bytes:
    """An error's class name, text and, for our own errors, details (as text where they cannot travel)."""
    details = {}
    for name, value in error.details.items() if isinstance(error, exception.NovaLiteError) else ():
        try:
            details[name] = _plain(value, name)
        except TypeError:
            details[name] = str(value)
    described = {"kind": type(error).__name__, "text": str(error)[:65536], "details": details}
    try:
        return _pack({"v": VERSION, "id": id, "error": described}, "error")
    except (exception.TooLarge, ValueError):
        return _pack({"v": VERSION, "id": id, "error": {**described, "details": {}}}, "error")


def decode_reply(body: bytes | str) -> object:
    """The result; or raises the error that the reply carries: its registered class, else exception.RemoteError.

    Raises Malformed.
    """
    message = _unpack(body)
    if "error" not in message:
        return message.get("result")
    try:
        kind, text = str(message["error"]["kind"]), str(message["error"]["text"])
        details = {name: value for name, value in message["error"]["details"].items() if name != "message"}
    except (KeyError, TypeError, AttributeError):
        raise Malformed("the reply's error has no kind, text and details")
    known = exception.REGISTRY.get(kind)
    raise exception.RemoteError(kind=kind, text=text) if known is None else known(text, **details)


def _pack(message: dict, what: str) -> bytes:
    body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    if len(body) > MAX_BYTES:
        raise exception.TooLarge(f"The message {what} has {len(body)} bytes; at most {MAX_BYTES} can be sent.")
    return body


def _unpack(body: bytes | str) -> dict:
    try:
        message = json.loads(body, object_hook=_restore)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(f"the message cannot be read: {error}")
    if not isinstance(message, dict):
        raise Malformed("the message is not an object")
    if message.get("v") != VERSION:
        raise Malformed(f"the message's version is {message.get('v')!r}; this process speaks {VERSION}")
    return message


def _plain(value: object, where: str) -> object:
    """``value`` in JSON's terms; ``where`` is its path, for the error's text."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, where) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where}: the key {key!r} is not text and cannot be sent")
        plain = {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
        # A user's own dict may look like one of our tags.
        return {_DICT: list(plain.items())} if len(plain) == 1 and (_TIME in plain or _DICT in plain) else plain
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            raise TypeError(f"{where}: only naive UTC times can be sent")
        return {_TIME: value.isoformat()}
    raise TypeError(f"{where}: a {type(value).__name__} cannot be sent")


def _restore(value: dict) -> object:
    if len(value) == 1:
        if _TIME in value:
            return clock.parse(value[_TIME])
        if _DICT in value:
            return dict(value[_DICT])
    return value
