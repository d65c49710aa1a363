"""What the RPC contract tests serve and call: two interfaces, an endpoint that tells what it heard, and a site of transports."""
import uuid

from nova_lite import clock, concurrency, context, exception
from nova_lite.rpc import transport
from nova_lite.rpc.client import client
from nova_lite.rpc.interface import Interface, broadcast, call, cast
from nova_lite.rpc.server import Server

CTX = context.RequestContext(request_id="req-7", user_id="u", project_id="p", roles=("member",))
PATIENCE = 30  # seconds until a wait counts as a failure


class Works(Interface):
    topic = "works"

    @cast
    def ring(self, ctx, *, token: str, extra: list = ()):
        """A doorbell."""

    @call(timeout=20)
    def add(self, ctx, *, first: int, second: int = 2) -> int:
        """A sum."""

    @call(timeout=20)
    def fail(self, ctx, *, kind: str):
        """An error."""

    @call(timeout=0.3)
    def dawdle(self, ctx):
        """Ends when the test says so."""

    @broadcast
    def announce(self, ctx, *, text: str):
        """To everybody."""


class PerHost(Interface):
    topic = "perhost"
    per_host = True

    @call(timeout=20)
    def name(self, ctx) -> str:
        """Which host it is."""

    @cast
    def ring(self, ctx, *, token: str):
        """A doorbell."""

    @broadcast
    def announce(self, ctx, *, text: str):
        """To all hosts."""


class Endpoint:
    """Serves Works and PerHost; ``wait_for`` waits until something was heard."""

    def __init__(self, name=""):
        self.host, self.heard, self.contexts = name, [], []
        self.blocked = False
        self.release = concurrency.Event()
        self._changed = concurrency.Event()

    def _hear(self, ctx, what):
        self.heard.append(what)
        self.contexts.append(ctx)
        self._changed.set()
        if self.blocked:
            self.release.wait()

    def ring(self, ctx, *, token, extra=()):
        self._hear(ctx, token)

    def add(self, ctx, *, first, second=2):
        return first + second

    def fail(self, ctx, *, kind):
        raise {"known": exception.ServerNotFound(server_id="s-1"), "unknown": KeyError("lost")}[kind]

    def dawdle(self, ctx):
        self._hear(ctx, "dawdle")
        self.release.wait()

    def announce(self, ctx, *, text):
        self._hear(ctx, text)

    def name(self, ctx):
        return self.host

    def wait_for(self, condition):
        deadline = clock.monotonic() + PATIENCE
        while not condition(self.heard):
            self._changed.clear()
            assert self._changed.wait(deadline - clock.monotonic()), f"heard only {self.heard}"


class PerHostEndpoint(Endpoint):
    def ring(self, ctx, *, token):
        self._hear(ctx, token)


def eventually(condition):
    """Wait until ``condition()`` is true."""
    with concurrency.timeout(PATIENCE):
        while not condition():
            concurrency.sleep(0.02)


class Site:
    """Transports, servers and clients of one cloud, closed at the end."""

    def __init__(self, url, **options):
        self.url = url
        self.options = {"prefix": f"{uuid.uuid4().hex}.", **options}
        self._made = []

    def transport(self, url=None, **options):
        self._made.append(transport.connect(url or self.url, {**self.options, **options}))
        return self._made[-1]

    def serve(self, endpoint, interface=Works, link=None, **keywords):
        server = Server(link or self.transport(), interface, endpoint, **keywords)
        server.start()
        return server

    def client(self, interface=Works, link=None):
        return client(link or self.transport(), interface)

    def close(self):
        for each in self._made:
            each.close()
