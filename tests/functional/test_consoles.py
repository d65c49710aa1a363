"""Consoles over HTTP and websockets on an all-in-one with the fake driver: who gets in, until when, and what pages there are."""
import http.client
import socket
from urllib import parse

import pytest

from daemons import wait_until
from tests.functional.cloud import Cloud
from tests.functional.console_client import Refused, WebSocket, screen

NOVNC = "<html><script>noVNC</script></html>"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    (folder / "novnc" / "core").mkdir(parents=True)
    (folder / "novnc" / "vnc_lite.html").write_text(NOVNC)
    (folder / "novnc" / "core" / "rfb.js").write_text("// rfb")
    (folder / "secret").write_text("nobody's business")
    return folder


@pytest.fixture(scope="module")
def cloud(pages):
    with Cloud({"consoleproxy": {"novnc_path": pages / "novnc", "spice_path": pages / "missing", "allowed_origins": "dashboard.example"},
                "spice": {"enabled": True}}) as made:
        made.user = made.add_user("alice")
        yield made


@pytest.fixture(scope="module")
def server(cloud):
    return cloud.boot(cloud.user, "shown")


def ask(client, server_id, protocol="vnc", kind="novnc", version="2.90"):
    return client.post(f"/servers/{server_id}/remote-consoles", {"remote_console": {"protocol": protocol, "type": kind}},
                       headers={"OpenStack-API-Version": f"compute {version}"})


def url_of(answer) -> str:
    assert answer.status == 200, answer
    return answer.json["remote_console"]["url"]


def get(url, path, method="GET"):
    connection = http.client.HTTPConnection(parse.urlsplit(url).netloc, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type"), answer.read().decode()


def test_a_screen(cloud, server):
    answer = ask(cloud.user, server)
    url = url_of(answer)
    assert answer.json["remote_console"] == {"protocol": "vnc", "type": "novnc", "url": url}
    assert get(url, parse.urlsplit(url).path) == (200, "text/html; charset=utf-8", NOVNC)
    width, height, pixels = screen(url)
    assert (width, height) == (64, 48) and len(set(pixels)) > 20
    # A token opens more than one connection: pages reconnect.
    assert screen(url)[2] == pixels


def test_a_serial_line(cloud, server):
    url = url_of(ask(cloud.user, server, "serial", "serial"))
    assert url.startswith("ws://127.0.0.1:")
    with WebSocket(url) as line:
        assert b"shown login:" in line.read_until(lambda data: b"login:" in data)
        line.send(b"root\n")
        assert line.read_until(lambda data: b"\n" in data) == b"ROOT\n"
        with WebSocket(url) as newer:
            line.wait_for_end()
            newer.send(b"again\n")
            newer.read_until(lambda data: b"AGAIN" in data)


@pytest.mark.parametrize("key, kind", [("os-getVNCConsole", "novnc"), ("os-getSerialConsole", "serial")])
def test_the_actions_of_old(cloud, server, key, kind):
    old = {"OpenStack-API-Version": "compute 2.5"}
    answer = cloud.user.post(f"/servers/{server}/action", {key: {"type": kind}}, headers=old)
    assert answer.status == 200 and answer.json["console"]["type"] == kind
    with WebSocket(answer.json["console"]["url"]) as console:
        assert console.read_until(len)
    assert cloud.user.post(f"/servers/{server}/action", {key: {"type": "other"}}, headers=old).status == 400
    assert cloud.user.post(f"/servers/{server}/action", {key: {"type": kind}}, headers={"OpenStack-API-Version": "compute 2.6"}).status == 404


def test_actions_of_consoles_that_nobody_has(cloud, server):
    old = {"OpenStack-API-Version": "compute 2.1"}
    for body, status, text in (
            ({"os-getVNCConsole": {"type": "xvpvnc"}}, 400, "Invalid console type xvpvnc"),
            ({"os-getSPICEConsole": {"type": "spice-html5"}}, 400, "Unavailable console type spice."),
            ({"os-getRDPConsole": {"type": "rdp-html5"}}, 410, "RDP")):
        answer = cloud.user.post(f"/servers/{server}/action", body, headers=old)
        assert answer.status == status and text in str(answer.json), answer


@pytest.mark.parametrize("protocol, kind, version, status, text", [
    ("vnc", "serial", "2.6", 400, "Invalid console type serial"),
    ("rdp", "rdp-html5", "2.6", 400, "Unavailable console type rdp."),
    ("mks", "webmks", "2.8", 400, "Unavailable console type mks."),
    ("mks", "webmks", "2.7", 400, "is not one of"),
    ("telnet", "novnc", "2.6", 400, "is not one of"),
    ("vnc", "novnc", "2.5", 404, ""),
])
def test_what_cannot_be_asked_for(cloud, server, protocol, kind, version, status, text):
    answer = ask(cloud.user, server, protocol, kind, version)
    assert answer.status == status and text in str(answer.json)


def test_only_the_project_and_administrators_may_ask(cloud, server):
    stranger = cloud.add_user("mallory")
    assert ask(stranger, server).status == 404
    assert ask(cloud.admin, server).status == 200
    assert ask(cloud.user, "00000000-0000-0000-0000-00000000dead").status == 404


def test_administrators_see_where_a_console_is(cloud, server):
    url = url_of(ask(cloud.user, server))
    token = parse.parse_qs(parse.parse_qs(parse.urlsplit(url).query)["path"][0].lstrip("?"))["token"][0]
    answer = cloud.admin.get(f"/os-console-auth-tokens/{token}")
    console = answer.json["console"]
    assert answer.status == 200 and console.keys() == {"instance_uuid", "host", "port", "internal_access_path"}
    assert console["instance_uuid"] == server and console["host"] == "127.0.0.1"
    # A proxy of another make goes there; the way holds once.
    greeting = f"CONNECT {console['internal_access_path']} HTTP/1.1\r\n\r\n".encode()
    for words in (b"HTTP/1.1 200 OK\r\n\r\nRFB 003.008\n", b"HTTP/1.1 404 Not Found\r\n\r\n"):
        with socket.create_connection((console["host"], console["port"]), timeout=30) as way:
            way.sendall(greeting)
            data = b""
            while len(data) < len(words):
                data += way.recv(100)
            assert data == words
    assert cloud.user.get(f"/os-console-auth-tokens/{token}").status == 403
    assert cloud.admin.get(f"/os-console-auth-tokens/{token}x").status == 404
    assert cloud.admin.get(f"/os-console-auth-tokens/{token}", headers={"OpenStack-API-Version": "compute 2.30"}).status == 400


def test_a_token_ends_with_the_run_of_its_guest(cloud):
    server = cloud.boot(cloud.user, "stopped")
    url = url_of(ask(cloud.user, server))
    with WebSocket(url) as viewer:
        viewer.read(12)
        cloud.act(server, "os-stop")
        cloud.wait(server, "SHUTOFF")
        viewer.wait_for_end()
    with pytest.raises(Refused, match="403"):
        WebSocket(url)
    answer = ask(cloud.user, server)
    assert answer.status == 409 and answer.json["conflictingRequest"]["message"] == f"Instance {server} is not ready"
    cloud.act(server, "os-start")
    cloud.wait(server)
    with pytest.raises(Refused, match="403"):
        WebSocket(url)
    fresh = url_of(ask(cloud.user, server))
    assert screen(fresh)
    cloud.delete(server)
    with pytest.raises(Refused, match="403"):
        WebSocket(fresh)


def test_tokens_that_are_none(cloud, server):
    url = url_of(ask(cloud.user, server))
    for path in ("/", "/?token=", "/?token=bad", "/websockify", "/?token=%C3%A4"):
        with pytest.raises(Refused, match="403"):
            WebSocket(url, path=path)


@pytest.mark.parametrize("upgrade, answer", [
    ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n", b"HTTP/1.1 403"),
    ("Upgrade: websocket\r\nConnection: close\r\n", b"HTTP/1.1 400")])
def test_whoever_is_refused_is_rid_of(cloud, server, upgrade, answer):
    place = parse.urlsplit(url_of(ask(cloud.user, server)))
    with socket.create_connection((place.hostname, place.port), timeout=30) as client:
        client.sendall(f"GET /?token=bad HTTP/1.1\r\nHost: {place.netloc}\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\r\n".encode())
        data = b""
        while chunk := client.recv(4096):
            data += chunk
        assert data.startswith(answer) and data.endswith(b"\r\n\r\n")


def test_a_token_in_a_cookie(cloud, server):
    url = url_of(ask(cloud.user, server, "serial", "serial"))
    token = parse.parse_qs(parse.urlsplit(url).query)["token"][0]
    with WebSocket(url, path="/websockify", headers={"Cookie": f"other=1; token={token}"}) as line:
        line.read_until(lambda data: b"login:" in data)


@pytest.mark.parametrize("origin, more, let_in", [
    ("http://127.0.0.1:1234", {}, True), ("http://dashboard.example", {}, True),
    ("http://evil.example", {}, False), ("null", {}, False), ("http://[", {}, False),
    ("https://127.0.0.1", {}, False), ("https://127.0.0.1", {"X-Forwarded-Proto": "http"}, True),
])
def test_pages_of_others_are_kept_out(cloud, server, origin, more, let_in):
    url = url_of(ask(cloud.user, server))
    if let_in:
        assert screen(url, headers={"Origin": origin, **more})
    else:
        with pytest.raises(Refused, match="403"):
            WebSocket(url, headers={"Origin": origin, **more})


def test_pages(cloud, server):
    url = url_of(ask(cloud.user, server))
    assert get(url, "/core/rfb.js") == (200, "text/javascript", "// rfb")
    assert get(url, "/vnc_lite.html", "HEAD")[2] == ""
    assert get(url, "/vnc_lite.html", "POST")[0] == 405
    for path in ("/", "/core", "/nothing.html", "/../secret", "/core/../../secret", "/%2e%2e/secret", "/core/%2e%2e/%2e%2e/secret"):
        status, _, text = get(url, path)
        assert status == 404 and "business" not in text
    assert "install the package spice-html5" in get(url, "/spice/spice_auto.html")[2]


def test_a_token_lasts_as_long_as_the_operator_says(pages):
    with Cloud({"consoleauth": {"token_ttl": 1}, "serial_console": {"enabled": False}}) as cloud:
        server = cloud.boot()
        assert ask(cloud.admin, server, "serial", "serial").status == 400
        url = url_of(ask(cloud.admin, server))

        def is_refused():
            try:
                with WebSocket(url):
                    return False
            except Refused:
                return True
        wait_until("the token is too old", is_refused, 30)
