"""The RPC contract, kept by memory:// and by RabbitMQ alike."""
import collections
import uuid

import pytest

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


@pytest.fixture(params=["memory", "rabbitmq"])
def url(request):
    if request.param == "memory":
        return f"memory://{uuid.uuid4()}"
    return request.getfixturevalue("rabbitmq").url


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


@pytest.fixture
def site(url):
    made = Site(url)
    yield made
    made.close()


def test_cast_brings_arguments_and_context(site):
    endpoint = Endpoint()
    site.serve(endpoint)
    assert site.client().ring(CTX, token="t", extra=[1, {"a": None}]) is None
    endpoint.wait_for(lambda heard: heard == ["t"])
    assert endpoint.contexts == [CTX]


def test_call_returns_the_result(site):
    site.serve(Endpoint())
    caller = site.client()
    assert caller.add(CTX, first=40) == 42
    assert caller.add(CTX, first=40, second=-40) == 0


def test_a_cast_sent_before_its_server_starts_is_heard(site):
    site.client().ring(CTX, token="early")
    endpoint = Endpoint()
    site.serve(endpoint)
    endpoint.wait_for(lambda heard: heard == ["early"])


def test_known_errors_cross_by_class(site):
    site.serve(Endpoint())
    with pytest.raises(exception.ServerNotFound, match="Instance s-1 could not be found") as caught:
        site.client().fail(CTX, kind="known")
    assert caught.value.details == {"server_id": "s-1"}


def test_unknown_errors_cross_as_remote_error(site):
    site.serve(Endpoint())
    with pytest.raises(exception.RemoteError, match="KeyError: 'lost'"):
        site.client().fail(CTX, kind="unknown")


def test_a_call_without_answer_in_time_raises(site):
    endpoint = Endpoint()
    site.serve(endpoint)
    with pytest.raises(exception.RpcTimeout, match=r"to dawdle within 0\.3 s"):
        site.client().dawdle(CTX)
    endpoint.release.set()


def test_a_call_that_nobody_fetched_expires(site):
    caller = site.client()
    with pytest.raises(exception.RpcTimeout):
        caller.dawdle(CTX)
    concurrency.sleep(0.1)  # the broker's clock started a moment after the caller's
    caller.ring(CTX, token="after")
    endpoint = Endpoint()
    site.serve(endpoint)
    endpoint.wait_for(lambda heard: heard == ["after"])


def test_an_undeclared_method_is_refused(site):
    class Newer(Works):
        @call(timeout=20)
        def surprise(self, ctx):
            """What the server does not know."""

    endpoint = Endpoint()
    endpoint.surprise = lambda ctx: pytest.fail("called")
    site.serve(endpoint)
    with pytest.raises(exception.Invalid, match="works has no method 'surprise'"):
        site.client(Newer).surprise(CTX)


def test_a_newer_clients_argument_is_refused_only_when_it_is_used(site):
    class Newer(Interface):
        topic = Works.topic

        @call(timeout=20)
        def add(self, ctx, *, first: int, second: int = 2, third: int = 0):
            """A longer sum."""

    site.serve(Endpoint())
    caller = site.client(Newer)
    assert caller.add(CTX, first=1) == 3
    with pytest.raises(exception.Invalid, match="no argument 'third'"):
        caller.add(CTX, first=1, third=3)


def test_bad_arguments_are_refused_before_anything_is_sent(site):
    link = site.transport()
    caller, hosts = site.client(link=link), site.client(PerHost, link=link)
    for attempt in (lambda: caller.ring(CTX), lambda: caller.ring(CTX, token="t", color="red"),
                    lambda: caller.ring(CTX, "t"), lambda: caller.ring(CTX, token=b"raw"),
                    lambda: caller.add(CTX, first={1, 2}), lambda: hosts.name(CTX, None), lambda: hosts.ring(CTX, token="t")):
        with pytest.raises(TypeError):
            attempt()
    with pytest.raises(exception.TooLarge):
        caller.ring(CTX, token="t" * 2 ** 20)
    assert link.stats.published == 0


@pytest.mark.parametrize("one_transport", [False, True])
def test_servers_of_a_topic_share_its_messages_by_their_idle_workers(site, one_transport):
    link = site.transport() if one_transport else None
    endpoints = [Endpoint(), Endpoint()]
    for endpoint, workers in zip(endpoints, (1, 3), strict=True):
        endpoint.blocked = True
        site.serve(endpoint, link=link, workers=workers)
    caller = site.client()
    for number in range(4):
        caller.ring(CTX, token=str(number))
    eventually(lambda: sum(len(endpoint.heard) for endpoint in endpoints) == 4)
    assert [len(endpoint.heard) for endpoint in endpoints] == [1, 3]
    caller.ring(CTX, token="last")
    endpoints[1].release.set()  # the first server stays busy: the message must go to the second
    endpoints[1].wait_for(lambda heard: "last" in heard)
    endpoints[0].release.set()
    assert sorted(endpoints[0].heard + endpoints[1].heard) == ["0", "1", "2", "3", "last"]


def test_messages_go_to_the_host_they_are_for(site):
    endpoints = {name: PerHostEndpoint(name) for name in ("alpha", "beta.example.org")}
    for name, endpoint in endpoints.items():
        site.serve(endpoint, PerHost, host=name)
    caller = site.client(PerHost)
    for name in endpoints:
        assert caller.name(CTX, name) == name
        caller.ring(CTX, name, token=f"for {name}")
    for name, endpoint in endpoints.items():
        endpoint.wait_for(lambda heard, name=name: heard == [f"for {name}"])


def test_a_broadcast_reaches_every_server_once(site):
    endpoints = [Endpoint() for _ in range(3)]
    shared = site.transport()
    for number, endpoint in enumerate(endpoints):
        site.serve(endpoint, link=shared if number else None)
    hosts = [PerHostEndpoint() for _ in range(2)]
    for number, endpoint in enumerate(hosts):
        site.serve(endpoint, PerHost, host=f"h{number}")
    link = site.transport()
    site.client(link=link).announce(CTX, text="one")
    site.client(PerHost, link=link).announce(CTX, text="two")
    site.client(link=link).announce(CTX, text="end")
    for endpoint in endpoints:
        endpoint.wait_for(lambda heard: sorted(heard) == ["end", "one"])
    for endpoint in hosts:
        endpoint.wait_for(lambda heard: heard == ["two"])


def test_a_broadcast_without_listeners_is_no_error(site):
    site.client().announce(CTX, text="hello?")


def test_200_concurrent_calls(site):
    site.serve(Endpoint(), workers=8)
    caller = site.client()
    assert concurrency.map_parallel(lambda n: caller.add(CTX, first=n, second=n), range(200), 200) \
        == [2 * n for n in range(200)]


def test_messages_are_counted(site):
    serving, calling = site.transport(), site.transport()
    endpoint = Endpoint()
    site.serve(endpoint, link=serving)
    caller = site.client(link=calling)
    caller.add(CTX, first=1)
    caller.ring(CTX, token="t")
    endpoint.wait_for(lambda heard: heard == ["t"])
    assert (calling.stats.published, calling.stats.replies, calling.stats.consumed) == (2, 0, 0)
    eventually(lambda: serving.stats.replies == 1)
    assert (serving.stats.published, serving.stats.consumed, serving.stats.reconnects) == (0, 2, 0)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b'{"v": 9}', b'{"v":1,"method":"ring","args":{},"ctx":{},"id":"1","reply_to":null}',
                                  b'{"v":1,"method":"ring","args":{"token":"t"},"ctx":{"roles":7},"id":"1","reply_to":null}',
                                  b'{"v":1,"method":"add","args":{"first":1},"ctx":{},"id":"1","reply_to":null}',
                                  b'{"v":1,"method":"__init__","args":{},"ctx":{},"id":"1","reply_to":null}', b"\x00\xff" * 9])
def test_malformed_messages_are_dropped_and_the_next_is_heard(site, body):
    link = site.transport()
    endpoint = Endpoint()
    site.serve(endpoint, workers=1)
    link.publish(link.topic(Works.topic), body)
    site.client(link=link).ring(CTX, token="next")
    endpoint.wait_for(lambda heard: heard == ["next"])


def test_malformed_replies_and_strangers_in_the_inbox_do_no_harm(site):
    link = site.transport()
    site.serve(Endpoint())
    link.reply(link.inbox, b"{", "nobody waits for this")
    assert site.client(link=link).add(CTX, first=1) == 3


def test_a_message_that_comes_twice_is_carried_out_once(site):
    link = site.transport()
    endpoint = Endpoint()
    site.serve(endpoint)
    body = b'{"v":1,"method":"ring","args":{"token":"t"},"ctx":{},"id":"same","reply_to":null}'
    for _ in range(3):
        link.publish(link.topic(Works.topic), body)
    site.client(link=link).ring(CTX, token="end")
    endpoint.wait_for(lambda heard: "end" in heard)
    assert endpoint.heard == ["t", "end"]


def test_a_busy_server_still_proves_the_round_trip(url):
    site = Site(url, heartbeat_interval=0.05)
    try:
        link = site.transport()
        endpoint = Endpoint()
        endpoint.blocked = True
        site.serve(endpoint, link=link, workers=1)
        site.client().ring(CTX, token="t")
        endpoint.wait_for(lambda heard: heard == ["t"])
        before = link.last_round_trip or clock.now()
        eventually(lambda: link.last_round_trip is not None and link.last_round_trip > before)
        assert link.healthy_since is not None and link.healthy_since <= link.last_round_trip
        endpoint.release.set()
    finally:
        site.close()


def test_stop_waits_for_what_runs_and_leaves_the_rest(site):
    endpoint, heir = Endpoint(), Endpoint()
    endpoint.blocked = True
    server = site.serve(endpoint, workers=1)
    caller = site.client()
    caller.ring(CTX, token="runs")
    endpoint.wait_for(lambda heard: heard == ["runs"])
    caller.ring(CTX, token="waits")
    stopping = concurrency.spawn(server.stop, PATIENCE)
    site.serve(heir)
    heir.wait_for(lambda heard: heard == ["waits"])
    assert not stopping.done
    endpoint.release.set()
    assert stopping.wait() is True
    caller.ring(CTX, token="more")
    heir.wait_for(lambda heard: heard == ["waits", "more"])
    assert endpoint.heard == ["runs"]


def test_stop_gives_up_after_its_time(site):
    endpoint = Endpoint()
    endpoint.blocked = True
    server = site.serve(endpoint)
    site.client().ring(CTX, token="runs")
    endpoint.wait_for(lambda heard: heard == ["runs"])
    assert server.stop(0.05) is False
    endpoint.release.set()


def test_endpoint_and_interface_are_compared_at_construction(site):
    with pytest.raises(TypeError, match=r"Endpoint does not serve Different: vanish\(\) is missing"):
        class Different(Works):
            @cast
            def vanish(self, ctx):
                """What no endpoint has."""
        Server(site.transport(), Different, Endpoint())


class Load:
    """Callers that do not tire: what they sent, and what became of it."""

    def __init__(self, site, callers=8):
        self.caller = site.client(link=site.transport())
        self.outcomes, self.sent = collections.Counter(), set()
        self._going = True
        self._tasks = [concurrency.spawn(self._run) for _ in range(callers)]

    def _run(self):
        while self._going:
            token = uuid.uuid4().hex
            try:
                self.caller.ring(CTX, token=token)
                self.sent.add(token)
                self.outcomes["cast"] += 1
                assert self.caller.add(CTX, first=1) == 3
                self.outcomes["call"] += 1
            except (exception.RpcUnavailable, exception.RpcTimeout) as error:
                self.outcomes[type(error).__name__] += 1
            concurrency.sleep(0.005)

    def stop(self):
        self._going = False
        for task in self._tasks:
            task.wait()


class Patient(Works):
    """Works with a call that fails soon, so that a lost answer does not hold the load up."""

    @call(timeout=2)
    def add(self, ctx, *, first: int, second: int = 2) -> int:
        """A sum."""


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_rabbitmq_goes_away_under_load_and_comes_back(own_rabbitmq, how, monkeypatch):
    site = Site(own_rabbitmq.url, publish_timeout=1.0, heartbeat_interval=1.0, heartbeat_timeout=2.0)
    serving = [site.transport(), site.transport()]
    endpoints = [Endpoint(), Endpoint()]
    for link, endpoint in zip(serving, endpoints, strict=True):
        site.serve(endpoint, Patient, link=link)
    monkeypatch.setattr(site, "client", lambda link: client(link, Patient))
    load = Load(site)
    eventually(lambda: load.outcomes["call"] > 50)

    getattr(own_rabbitmq, how)()
    eventually(lambda: load.outcomes["RpcUnavailable"] > 8)
    assert all(link.healthy_since is None for link in serving)
    own_rabbitmq.start()
    eventually(lambda: all(link.healthy_since is not None for link in serving))
    before = load.outcomes["call"]
    eventually(lambda: load.outcomes["call"] > before + 100)
    load.stop()

    assert [load.caller.add(CTX, first=n) for n in range(200)] == [n + 2 for n in range(200)]
    eventually(lambda: load.sent <= {*endpoints[0].heard, *endpoints[1].heard})
    assert all(link.stats.reconnects >= 2 for link in serving)
    site.close()


class Proxy:
    """A TCP relay that can fall silent with its connections open, as a firewall that forgot them does."""

    def __init__(self, port):
        self._port, self._listener = port, concurrency.listen("127.0.0.1", 0)
        self.port = self._listener.getsockname()[1]
        self._sockets, self._tasks = [], [concurrency.spawn(self._accept)]
        self.silent = False

    def fall_silent(self):
        """From now on nothing passes, on these connections for good."""
        self.silent = True

    def heal(self):
        """New connections pass again."""
        self.silent = False

    def close(self):
        for task in self._tasks:
            task.cancel()
        for sock in [self._listener, *self._sockets]:
            sock.close()

    def _accept(self):
        import socket
        while True:
            near, _ = self._listener.accept()
            far = socket.create_connection(("127.0.0.1", self._port))
            self._sockets += [near, far]
            pair = {"dead": self.silent}
            self._tasks += [concurrency.spawn(self._relay, near, far, pair), concurrency.spawn(self._relay, far, near, pair)]

    def _relay(self, source, sink, pair):
        while True:
            data = source.recv(65536)
            pair["dead"] = pair["dead"] or self.silent
            if pair["dead"]:
                concurrency.Event().wait()  # neither forward nor close
            if not data:
                sink.close()
                return
            sink.sendall(data)


def test_a_half_open_connection_is_found_out_and_replaced(rabbitmq):
    proxy = Proxy(rabbitmq.port)
    site = Site(rabbitmq.url, heartbeat_interval=0.3, heartbeat_timeout=0.7, connect_timeout=1.0, publish_timeout=1.0)
    try:
        deaf = site.transport(f"amqp://guest:guest@127.0.0.1:{proxy.port}//")
        endpoint = Endpoint()
        site.serve(endpoint, link=deaf)
        caller = site.client()
        assert caller.add(CTX, first=1) == 3
        eventually(lambda: deaf.healthy_since is not None)
        proxy.fall_silent()
        eventually(lambda: deaf.healthy_since is None and deaf.stats.reconnects >= 2)
        with pytest.raises(exception.RpcUnavailable):
            site.client(link=deaf).ring(CTX, token="from the deaf")
        caller.ring(CTX, token="to the deaf")
        proxy.heal()
        eventually(lambda: deaf.healthy_since is not None)
        endpoint.wait_for(lambda heard: "to the deaf" in heard)
        assert caller.add(CTX, first=1) == 3
    finally:
        site.close()
        proxy.close()


def test_casts_raise_while_no_broker_has_ever_been_there():
    from tests.services.service import free_port

    site = Site(f"amqp://guest:guest@127.0.0.1:{free_port()}//", publish_timeout=0.2)
    link = site.transport()
    with pytest.raises(exception.RpcUnavailable, match="(?i)cannot be reached: .*refused"):
        site.client(link=link).ring(CTX, token="t")
    server = site.serve(Endpoint(), link=link)
    assert link.healthy_since is None and link.last_round_trip is None
    assert server.stop() is True
    site.close()


def test_private_queues_are_gone_after_close(rabbitmq):
    site = Site(rabbitmq.url)
    link = site.transport()
    site.serve(Endpoint(), link=link)
    inbox = link.inbox
    link.close()
    other = site.transport()
    site.client(link=other).ring(CTX, token="t")  # the connection is up
    assert not _exists(rabbitmq.url, inbox)
    assert _exists(rabbitmq.url, site.options["prefix"] + Works.topic)
    site.close()


def _exists(url, queue):
    import kombu
    with kombu.Connection(url) as connection:
        try:
            connection.default_channel.queue_declare(queue, passive=True)
            return True
        except connection.channel_errors:
            return False
