"""The RPC contract when RabbitMQ is away, comes back, falls silent, or was never there."""
import collections
import socket
import uuid

import pytest

from nova_lite import clock, concurrency, exception
from nova_lite.rpc.client import client
from nova_lite.rpc.interface import call
from tests.contract.rpc_site import CTX, Endpoint, Site, Works, eventually
from tests.services.service import free_port


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
    site = Site(own_rabbitmq.url, publish_timeout=1.0, round_trip_interval=1.0, round_trip_timeout=2.0)
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
    site = Site(rabbitmq.url, round_trip_interval=0.3, round_trip_timeout=0.7, connect_timeout=1.0, publish_timeout=1.0)
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


def test_of_several_brokers_one_that_lives_is_used(rabbitmq):
    site = Site(f"amqp://guest:guest@127.0.0.1:{free_port()}//;{rabbitmq.url}")
    site.serve(Endpoint())
    assert site.client().add(CTX, first=40) == 42
    site.close()


class Slow(Works):
    """Works with a call that is worth waiting for."""

    @call(timeout=120)
    def dawdle(self, ctx):
        """Ends when the test says so."""


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_an_answer_survives_an_outage_that_it_falls_into(own_rabbitmq, how):
    site = Site(own_rabbitmq.url, publish_timeout=0.3, round_trip_interval=1.0, round_trip_timeout=2.0)
    transport = site.transport()
    endpoint, caller = Endpoint(), client(transport, Slow)
    site.serve(endpoint, Slow)
    began = clock.monotonic()
    waiting = concurrency.spawn(caller.dawdle, CTX)
    # A request that the broker delivers and has not confirmed when it goes is the caller's to repeat, for publish_timeout only.
    eventually(lambda: transport.stats.published == 1)
    endpoint.wait_for(lambda heard: heard == ["dawdle"])

    getattr(own_rabbitmq, how)()
    endpoint.release.set()
    # Long enough for a server that tries no longer than a cast to have given up.
    concurrency.sleep(1.0)
    own_rabbitmq.start()
    assert waiting.wait() is None
    assert clock.monotonic() - began < 60 and endpoint.heard == ["dawdle"]
    site.close()


def test_an_answer_that_was_lost_on_its_way_is_asked_for_again(rabbitmq):
    proxy = Proxy(rabbitmq.port)
    site = Site(rabbitmq.url, round_trip_interval=0.3, round_trip_timeout=0.7, connect_timeout=1.0, publish_timeout=1.0)
    try:
        deaf = site.transport(f"amqp://guest:guest@127.0.0.1:{proxy.port}//")
        endpoint = Endpoint()
        server = site.serve(endpoint, Slow)
        caller = client(deaf, Slow)
        assert caller.add(CTX, first=1) == 3
        answered = server._transport.stats.replies
        waiting = concurrency.spawn(caller.dawdle, CTX)
        eventually(lambda: deaf.stats.published == 2)
        endpoint.wait_for(lambda heard: heard == ["dawdle"])
        proxy.fall_silent()
        endpoint.release.set()
        eventually(lambda: server._transport.stats.replies > answered)
        eventually(lambda: deaf.healthy_since is None and deaf.stats.reconnects >= 2)
        proxy.heal()
        with concurrency.timeout(60):
            waiting.wait()
        assert endpoint.heard == ["dawdle"]
    finally:
        site.close()
        proxy.close()
