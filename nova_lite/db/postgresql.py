"""PostgreSQL's driver made quick: pg8000 with one round trip a statement, statements prepared when they come again, text read once.

As it comes, pg8000 sends five packets and waits three times for each statement, and BEGIN is one more. Here all messages of a statement leave
together, BEGIN with the first statement of its transaction, and the rows of an ``executemany`` in one piece. ``db.engine`` connects with it.
"""
import collections
import datetime
import functools
import itertools
import struct
from collections.abc import Sequence

from pg8000 import core, legacy
from pg8000.converters import make_params, string_in, timestamp_in

KEPT_TEXTS = 2048
"""Statements of one process whose text was read; those of IN lists differ by length."""
PREPARED = 256
"""Statements that one connection keeps prepared at the server."""
LOST = ("0A000", "26000")
"""The server has the statement no more, or its table was altered since: it works when sent anew."""
TOGETHER = 200
"""Rows sent before answers are read: more might fill both sides' buffers, and each would wait for the other."""
CHUNK = 65536

_size = struct.Struct("!i").unpack_from
_number = struct.Struct("!i").pack
_short = struct.Struct("!H").pack
BEGIN, READY, ROW = "begin transaction", core.READY_FOR_QUERY[0], core.DATA_ROW[0]
EXECUTE, SYNC = core.EXECUTE_MSG, core.SYNC_MSG


def parse_once() -> None:
    """Keep what pg8000 makes of a statement's text (0.7 ms for one of 20 columns). Calling it again changes nothing."""
    plain = getattr(legacy, "convert_paramstyle", None)
    if plain is None or hasattr(plain, "plain"):
        # A later pg8000 without this function is slower, not wrong.
        return

    @functools.lru_cache(KEPT_TEXTS)
    def text(style: str, query: str) -> str:
        return plain(style, query, ())[0]

    def convert(style, query, args):
        # Only these styles take the parameters in the order in which they come.
        return (text(style, query), args) if style in ("format", "qmark", "numeric") else plain(style, query, args)
    convert.plain = plain
    legacy.convert_paramstyle = convert


class Answer(core.Context):
    """What the server said to one statement. ``parsed``: it took the text; ``described``: and told the columns."""

    def __init__(self, statement, columns=None, input_funcs=None):
        super().__init__(statement, columns=columns, input_funcs=input_funcs)
        self.parsed = self.described = False


class Cursor(legacy.Cursor):
    """A cursor that sends the rows of ``executemany`` together."""

    def executemany(self, operation, param_sets: Sequence) -> "Cursor":
        """As DB-API says; ``rowcount`` is the sum."""
        sets = list(param_sets)
        if len(sets) < 2 or not sets[0] or self._c is None:
            # Nothing to gain, or no parameters.
            return super().executemany(operation, sets)
        self._c.ahead = sets
        try:
            return self.execute(operation, sets[0])
        finally:
            if self._c is not None:
                self._c.ahead = None


class Connection(legacy.Connection):
    """A connection of ``legacy``'s kind. ``ahead``: the parameter sets that the next statement is run with, one after another.

    ``sent`` counts round trips.
    """

    def __init__(self, *args, **kwargs):
        self.ahead: list | None = None
        self.sent = 0
        self._unread = b""
        self._begins = False
        self._prepared: collections.OrderedDict[str, tuple | None] = collections.OrderedDict()
        self._names = itertools.count()
        super().__init__(*args, **kwargs)
        self.pg_types[1114] = _moment

    def cursor(self) -> Cursor:
        """A cursor on this connection."""
        return Cursor(self)

    def execute_simple(self, statement):
        """A statement without parameters; BEGIN waits for the next one."""
        context = Answer(statement)
        if statement == BEGIN:
            self._begins = True
            return context
        self._exchange(_message(core.QUERY, statement.encode(self._client_encoding) + b"\0"), context)
        return context

    def execute_unnamed(self, statement, vals=(), oids=(), stream=None):
        """A statement with parameters, or with those of ``ahead``. One that comes for the second time is prepared."""
        if stream is not None or oids:
            self._begin()
            return super().execute_unnamed(statement, vals=vals, oids=oids, stream=stream)
        sets, self.ahead = self.ahead or [vals], None
        known = self._prepared.get(statement)
        name = known[0] if known else b"s%d" % next(self._names) if statement in self._prepared else b""
        context = Answer(statement, *(known[1:] if known else ()))
        text = b"" if known else self._parse(name, statement)
        try:
            for start in range(0, len(sets), TOGETHER):
                self._exchange(text + self._runs(name, sets[start:start + TOGETHER]), context)
                text = b""
        finally:
            if not known:
                self._keep(statement, name, context)
            elif context.error is not None and context.error.args[0].get("C") in LOST:
                self._prepared.clear()
        return context

    def _parse(self, name: bytes, statement: str) -> bytes:
        return (_message(core.PARSE, name + b"\0" + statement.encode(self._client_encoding) + b"\0\0\0")
                + _message(core.DESCRIBE, core.STATEMENT + name + b"\0"))

    def _runs(self, name: bytes, sets) -> bytes:
        parts = []
        for each in sets:
            parts += (self._bind(name, make_params(self.py_types, each)), EXECUTE)
        return b"".join([*parts, SYNC])

    def _bind(self, name: bytes, values) -> bytes:
        parts = [b"\0", name, b"\0\0\0", _short(len(values))]
        for value in values:
            if value is None:
                parts.append(b"\xff\xff\xff\xff")
            else:
                encoded = value.encode(self._client_encoding)
                parts += (_number(len(encoded)), encoded)
        parts.append(b"\0\0")
        return _message(core.BIND, b"".join(parts))

    def _keep(self, statement, name, context) -> None:
        if not name:
            self._prepared[statement] = None
        elif context.parsed and context.described:
            self._prepared[statement] = (name, context.columns, context.input_funcs)
            self._prepared.move_to_end(statement)
        while len(self._prepared) > PREPARED:
            _text, old = self._prepared.popitem(last=False)
            if old is not None:
                self._exchange(_message(core.CLOSE, core.STATEMENT + old[0] + b"\0") + SYNC, Answer(""))

    def _begin(self) -> None:
        if self._begins:
            self._exchange(b"", Answer(BEGIN), rounds=0)

    def _exchange(self, messages: bytes, context, rounds: int = 1) -> None:
        """Send, and read until the server is ready for the next; raises what it complains of."""
        if self._sock is None:
            raise legacy.InterfaceError("connection is closed")
        if self._begins:
            messages, rounds = _message(core.QUERY, b"begin transaction\0") + messages, rounds + 1
            self._begins = False
        self.sent += 1
        core._write(self._sock, messages)
        core._flush(self._sock)
        for _round in range(rounds):
            self._hear(context)
        if context.error is not None:
            raise context.error

    def handle_messages(self, context):
        """Read until the server is ready for the next; raises what it complains of."""
        self._hear(context)
        if context.error is not None:
            raise context.error

    def _hear(self, context) -> None:
        buffer, at = self._unread, 0
        while True:
            if len(buffer) < at + 5 or len(buffer) < (end := at + 1 + _size(buffer, at + 1)[0]):
                buffer, at = buffer[at:] + self._more(), 0
                continue
            code = buffer[at]
            if code == ROW:
                context.rows.append(_row(buffer, at + 7, context.input_funcs, self._client_encoding))
            else:
                self.message_types[buffer[at:at + 1]](buffer[at + 5:end], context)
            at = end
            if code == READY:
                self._unread = buffer[at:]
                return

    def _more(self) -> bytes:
        try:
            more = self._sock.read1(CHUNK)
        except OSError as error:
            raise legacy.InterfaceError("network error") from error
        if not more:
            raise legacy.InterfaceError("network error")
        return more

    def handle_PARSE_COMPLETE(self, data, context):  # noqa: N802 - pg8000's name
        context.parsed = True

    def handle_NO_DATA(self, data, context):  # noqa: N802 - pg8000's name
        context.described = True

    def handle_ROW_DESCRIPTION(self, data, context):  # noqa: N802 - pg8000's name
        super().handle_ROW_DESCRIPTION(data, context)
        # Texts need no function.
        context.input_funcs = [None if func is string_in else func for func in context.input_funcs]
        context.described = True


def _message(code: bytes, data: bytes) -> bytes:
    return code + _number(len(data) + 4) + data


def _row(buffer: bytes, at: int, functions, encoding: str) -> list:
    row = []
    for function in functions:
        size = _size(buffer, at)[0]
        at += 4
        if size < 0:
            row.append(None)
            continue
        text = str(buffer[at:at + size], encoding)
        at += size
        row.append(text if function is None else function(text))
    return row


def _moment(text: str):
    # What PostgreSQL writes is ISO but for infinite and very old ones.
    return datetime.datetime.fromisoformat(text) if 19 <= len(text) <= 26 and text[4] == "-" else timestamp_in(text)
