"""Concurrency: the only import of eventlet. The surface is small enough that plain threads could implement it.

Each executable's first statements are ``from nova_lite import concurrency; concurrency.patch()``. What blocks in C (libvirt, big
hashes, image conversion) goes through ``run_native``; everything else is cooperative.
"""
import os
import sys

# The resolver of dnspython that eventlet would patch in ignores nsswitch and costs 10 MB of memory.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")

import collections  # noqa: E402
import contextlib  # noqa: E402
import logging  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import termios  # noqa: E402
import warnings  # noqa: E402

with warnings.catch_warnings():
    # Eventlet says at import that new projects should not choose it; ours is behind this door for that very reason.
    warnings.simplefilter("ignore")
    import eventlet  # noqa: E402
import eventlet.event  # noqa: E402
import eventlet.green.subprocess  # noqa: E402
import eventlet.hubs  # noqa: E402
import eventlet.patcher  # noqa: E402
import eventlet.queue  # noqa: E402
import eventlet.semaphore  # noqa: E402
import eventlet.tpool  # noqa: E402
import greenlet  # noqa: E402

LOG = logging.getLogger(__name__)

Lock = eventlet.semaphore.Semaphore
Semaphore = eventlet.semaphore.Semaphore
Queue = eventlet.queue.LightQueue
QueueEmpty = eventlet.queue.Empty
QueueFull = eventlet.queue.Full
subprocess = eventlet.green.subprocess
Cancelled = greenlet.GreenletExit


class Timeout(Exception):
    """The time given to a ``timeout`` block or a wait is over."""


def patch() -> None:
    """Make the standard library cooperative. Call before anything else is imported."""
    eventlet.monkey_patch()


def sleep(seconds: float = 0) -> None:
    """Let others run for at least ``seconds``."""
    eventlet.sleep(seconds)


@contextlib.contextmanager
def timeout(seconds: float | None):
    """Raise Timeout inside the block once ``seconds`` are over; None is no limit."""
    timer = eventlet.Timeout(seconds, Timeout(f"{seconds} s are over")) if seconds is not None else None
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


class Event:
    """Set once, or cleared and set again; any number of waiters."""

    def __init__(self):
        self._event = eventlet.event.Event()

    def set(self) -> None:
        if not self._event.ready():
            self._event.send(True)

    def clear(self) -> None:
        if self._event.ready():
            self._event = eventlet.event.Event()

    def is_set(self) -> bool:
        return self._event.ready()

    def wait(self, seconds: float | None = None) -> bool:
        """True when set, False when ``seconds`` were over first."""
        if self._event.ready():
            return True
        try:
            with timeout(seconds):
                self._event.wait()
            return True
        except Timeout:
            return False


class Task:
    """A running function. ``wait`` gives its result or raises its error; ``cancel`` raises Cancelled inside it."""

    def __init__(self, thread):
        self._thread = thread

    def wait(self):
        return self._thread.wait()

    def cancel(self) -> None:
        self._thread.kill()

    @property
    def done(self) -> bool:
        return self._thread.dead


def spawn(function, *args, **kwargs) -> Task:
    """Run ``function`` beside the caller."""
    return Task(eventlet.spawn(function, *args, **kwargs))


def spawn_logged(function, *args, **kwargs) -> Task:
    """Run ``function`` beside the caller when nobody will wait for it: its error goes to the log."""
    def run():
        try:
            return function(*args, **kwargs)
        except Exception:
            LOG.exception("%s failed", getattr(function, "__qualname__", function))
            return None
    return spawn(run)


def run_native(function, *args, **kwargs):
    """Run a function that blocks in C in a native thread; other green threads go on. Returns its result or raises its error."""
    return eventlet.tpool.execute(function, *args, **kwargs)


class Lane:
    """Calls that block in C, one after another in native threads, while the caller goes on. ``depth``: how many may wait for their turn."""

    def __init__(self, depth: int = 2):
        self._room, self._depth = Semaphore(depth), depth
        self._waiting: collections.deque = collections.deque()
        self._runner: Task | None = None
        self._error: Exception | None = None

    def call(self, function, *args) -> None:
        """Have ``function`` called after the others. Waits for room; raises the error of an earlier call, after which no other is made."""
        self._room.acquire()
        if self._error is not None:
            self._room.release()
            raise self._error
        self._waiting.append((function, args))
        if self._runner is None:
            self._runner = spawn(self._run)

    def _run(self) -> None:
        while self._waiting:
            function, args = self._waiting.popleft()
            try:
                if self._error is None:
                    run_native(function, *args)
            except Exception as error:
                self._error = error
            finally:
                self._room.release()
        self._runner = None

    def wait(self) -> None:
        """Return once all calls have returned; raises the error of the one that failed."""
        if self._runner is not None:
            self._runner.wait()
        if self._error is not None:
            raise self._error

    def drop(self) -> None:
        """Make no further call, and return when the one under way has returned."""
        self._waiting.clear()
        self._room = Semaphore(self._depth)
        if self._runner is not None:
            self._runner.wait()


def map_parallel(function, items, limit: int = 16) -> list:
    """``[function(item) for item in items]`` with at most ``limit`` at once; the first error is raised after all have ended."""
    pool = eventlet.GreenPool(limit)
    return list(pool.imap(function, list(items)))


def listen(host: str, port: int, backlog: int = 1024) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises OSError when the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return eventlet.listen((host, port), family=family, backlog=backlog, reuse_port=False)


class _AccessLog:
    """Takes eventlet's access lines to the log, at debug level: the API's own middleware logs requests."""

    def write(self, line: str) -> None:
        LOG.debug("%s", line.rstrip())

    def flush(self) -> None:
        pass


def serve_wsgi(sock: socket.socket, application, limit: int = 1000) -> None:
    """Serve ``application`` on ``sock`` until the socket is closed or the task is cancelled; at most ``limit`` requests at once."""
    # Imported here: it brings http.server, html and email, 1 MB that a scheduler or compute worker has no use for.
    import eventlet.wsgi
    eventlet.wsgi.server(sock, application, log=_AccessLog(), max_size=limit, debug=False, keepalive=True,
                         socket_timeout=900, log_output=False, url_length_limit=65536)


def take_socket(environ: dict) -> socket.socket:
    """The connection of a request that ``serve_wsgi`` serves, for an application that goes on in another protocol.

    It waits without limit. The application returns an empty body when it is done, without a call of ``start_response``.
    """
    connection = environ["eventlet.input"].get_socket()
    connection.settimeout(None)
    eventlet.wsgi.WSGI_LOCAL.already_handled = True
    return connection


class Terminal:
    """A terminal device as a stream like a socket: ``recv``, ``sendall``, ``close``. Raises OSError where the device does not open."""

    def __init__(self, path: str):
        self._handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._read, self._write = eventlet.patcher.original("os").read, eventlet.patcher.original("os").write

    def recv(self, size: int) -> bytes:
        """At most ``size`` bytes, once there are any; empty or OSError when the other side is gone."""
        while True:
            with contextlib.suppress(BlockingIOError):
                return self._read(self._handle, size)
            eventlet.hubs.trampoline(self._handle, read=True)

    def sendall(self, data: bytes) -> None:
        """Write all of ``data``."""
        while data:
            try:
                data = data[self._write(self._handle, data):]
            except BlockingIOError:
                eventlet.hubs.trampoline(self._handle, write=True)

    def has_ended(self) -> bool:
        """Whether the other side is gone, so that nothing more will come."""
        try:
            termios.tcgetattr(self._handle)
        except termios.error:
            return True
        return False

    def close(self) -> None:
        """Let go of the device. Nobody may be waiting in the other methods."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def join_streams(one, other) -> None:
    """Carry bytes both ways until either stream (``recv``, ``sendall``, ``close``) ends; then both are closed."""
    ended = Event()

    def carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        ended.set()
    tasks = [spawn(carry, one, other), spawn(carry, other, one)]
    try:
        ended.wait()
    finally:
        for task in tasks:
            task.cancel()
        one.close()
        other.close()


def wait_for_signal(numbers) -> int:
    """Let the others run until one of the signals ``numbers`` comes; its number. Call from the main thread, once."""
    here, there = socket.socketpair()
    native_write = eventlet.patcher.original("os").write

    def note(number, _frame):
        # Nothing else is safe in a signal handler that may interrupt the hub itself.
        native_write(there.fileno(), bytes([number]))
    for number in numbers:
        signal.signal(number, note)
    return here.recv(1)[0]


class NativeQueue:
    """Values from native threads to one green reader. ``put`` is for any native thread; ``get`` for one green thread at a time."""

    def __init__(self):
        self._items = collections.deque()
        self._reader, self._writer = eventlet.patcher.original("socket").socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def put(self, item) -> None:
        """Add ``item`` and wake the reader; never blocks."""
        self._items.append(item)
        # A full socket means that the reader has a wake-up to come.
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"\0")

    def get(self):
        """The oldest item, waiting for one without end (or until a ``timeout`` block ends the wait)."""
        while not self._items:
            eventlet.hubs.trampoline(self._reader, read=True)
            with contextlib.suppress(BlockingIOError):
                self._reader.recv(4096)
        return self._items.popleft()


def native_thread(function, name: str) -> None:
    """Run ``function`` in a native thread of its own until the process ends. It must not log, sleep or use anything cooperative."""
    eventlet.patcher.original("threading").Thread(target=function, name=name, daemon=True).start()


def exit_process(code: int) -> None:
    """Flush and end this process at once, whatever its threads do."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
