"""Tokens and URLs of consoles, by values."""
from urllib import parse

import pytest

from nova_lite import clock, exception
from nova_lite.compute.console_access import Claim, ConsoleAccess

URLS = {"vnc": "http://console.example/vnc_lite.html", "serial": "wss://console.example/?room=1"}
SCREEN = Claim("s1", "host1", "vnc", "7")
LINE = Claim("s1", "host1", "serial", "7")


def token(url: str) -> str:
    query = parse.parse_qs(parse.urlsplit(url).query)
    return query["token"][0] if "token" in query else parse.parse_qs(query["path"][0].removeprefix("?"))["token"][0]


def test_pages_are_told_their_websockets_path_and_others_the_token():
    access = ConsoleAccess("secret", 600, URLS)
    screen, line = access.url(SCREEN), access.url(LINE)
    assert screen.startswith("http://console.example/vnc_lite.html?path=%3Ftoken%3D")
    assert line.startswith("wss://console.example/?room=1&token=")
    assert access.open(token(screen)) == SCREEN and access.open(token(line)) == LINE


def test_all_who_share_the_secret_understand_a_token():
    made = token(ConsoleAccess("secret", 600, URLS).url(SCREEN))
    assert ConsoleAccess("secret", 5).open(made) == SCREEN
    with pytest.raises(exception.NotFound, match="Token not found"):
        ConsoleAccess("another", 600, URLS).open(made)


@pytest.mark.parametrize("text", ["", "x", "ä", "gAAAA", "a" * 10_000])
def test_texts_that_are_no_tokens(text):
    with pytest.raises(exception.NotFound):
        ConsoleAccess("secret").open(text)


def test_each_letter_of_a_token_counts():
    access = ConsoleAccess("secret", 600, URLS)
    made = token(access.url(SCREEN))
    for at in range(0, len(made) - 1, 7):
        with pytest.raises(exception.NotFound):
            access.open(made[:at] + ("A" if made[at] != "A" else "B") + made[at + 1:])


def test_a_token_ends_with_its_time(monkeypatch):
    access = ConsoleAccess("secret", 600, URLS)
    made, now = token(access.url(SCREEN)), clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + clock.seconds(599))
    assert access.open(made) == SCREEN
    monkeypatch.setattr(clock, "now", lambda: now + clock.seconds(601))
    with pytest.raises(exception.NotFound):
        access.open(made)


@pytest.mark.parametrize("protocol, name, error", [
    ("vnc", "novnc", None), ("vnc", "xvpvnc", exception.ConsoleTypeInvalid), ("vnc", "serial", exception.ConsoleTypeInvalid),
    ("spice", "spice-html5", exception.ConsoleTypeUnavailable), ("rdp", "rdp-html5", exception.ConsoleTypeUnavailable),
])
def test_what_is_offered(protocol, name, error):
    access = ConsoleAccess("secret", 600, URLS)
    if error is None:
        access.check(protocol, name)
    else:
        with pytest.raises(error):
            access.check(protocol, name)
