"""The RPC contract, kept by memory:// and by RabbitMQ alike; test_rpc_fault_contract.py has what happens when the broker is away."""
import uuid

import pytest

from nova_lite import clock, concurrency, exception
from nova_lite.rpc.interface import Interface, call, cast
from nova_lite.rpc.server import Server
from tests.contract.rpc_site import CTX, PATIENCE, Endpoint, PerHost, PerHostEndpoint, Site, Works, eventually


@pytest.fixture(params=["memory", "rabbitmq"])
def url(request):
    if request.param == "memory":
        return f"memory://{uuid.uuid4()}"
    return request.getfixturevalue("rabbitmq").url


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


def test_a_call_waits_for_its_inbox(site):
    site.serve(Endpoint())
    link = site.transport()
    with link._consumer.link.lock:  # the inbox cannot be declared yet
        calling = concurrency.spawn(site.client(link=link).add, CTX, first=40)
        eventually(link._publisher.link.ready.is_set)
        concurrency.sleep(0.2)  # long enough for an answer, were the request on its way
        assert link.stats.published == 0
    assert calling.wait() == 42


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
    site = Site(url, round_trip_interval=0.05)
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
