"""The proxy's own rules: where a token is looked for, and whose pages may open a console."""
import pytest

from nova_lite import exception
from nova_lite.consoleproxy.application import check_origin, token_of


@pytest.mark.parametrize("environ, token", [
    ({"QUERY_STRING": "token=a"}, "a"), ({"QUERY_STRING": "x=1&token=a&token=b"}, "b"), ({"QUERY_STRING": "token="}, ""), ({}, ""),
    ({"HTTP_COOKIE": "token=c"}, "c"), ({"HTTP_COOKIE": 'x=1; bad[]cookie; token="c"; y'}, "c"), ({"HTTP_COOKIE": "mytoken=c"}, ""),
    ({"QUERY_STRING": "token=a", "HTTP_COOKIE": "token=c"}, "a"),
])
def test_where_a_token_is(environ, token):
    assert token_of(environ) == token


def request(origin=None, host="console.example:6080", forwarded=None):
    values = {"HTTP_HOST": host, "HTTP_ORIGIN": origin, "HTTP_X_FORWARDED_PROTO": forwarded}
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize("environ, scheme", [
    (request(), "http"), (request(host=""), "https"),
    (request("http://console.example"), "http"), (request("http://CONSOLE.example:80"), "ws"), (request("https://console.example"), "wss"),
    (request("http://dashboard.example"), "http"), (request("http://[::1]:6080", "[::1]:6080"), "http"),
    (request("http://console.example", forwarded="https"), "https"),
])
def test_pages_that_may(environ, scheme):
    check_origin(environ, scheme, ["dashboard.example"])


@pytest.mark.parametrize("environ, scheme", [
    (request("http://evil.example"), "http"), (request("http://console.example.evil"), "http"), (request("null"), "http"), (request(""), "http"),
    (request("http://["), "http"), (request("http://console.example"), "https"), (request("http://console.example"), ""),
    (request("https://console.example", forwarded="http"), "wss"), (request("http://", host=""), "http"),
])
def test_pages_that_may_not(environ, scheme):
    with pytest.raises(exception.Forbidden):
        check_origin(environ, scheme, ["dashboard.example"])
