"""What crosses the wire and what does not."""
import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_lite import exception
from nova_lite.rpc import serializer

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-2**63, 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["__time__", "__dict__", "a"]) | st.text(), inner, max_size=4),
    max_leaves=12)


def _request(**changes):
    values = {"method": "build", "args": {}, "ctx": {"request_id": "req-1"}, "id": "7", "reply_to": None, **changes}
    return serializer.Request(**values)


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_requests_come_out_as_they_went_in(args):
    request = _request(args=args, reply_to="inbox")
    assert serializer.decode_request(serializer.encode_request(request)) == request


@given(plain)
def test_results_come_out_as_they_went_in(result):
    assert serializer.decode_reply(serializer.encode_result("1", result)) == result


def test_tuples_become_lists():
    assert serializer.decode_reply(serializer.encode_result("1", {"a": (1, (2,))})) == {"a": [1, [2]]}


def test_the_wire_is_the_documented_json():
    body = serializer.encode_request(_request(args={"at": datetime.datetime(2026, 1, 2, 3, 4, 5, 6)}))
    assert json.loads(body) == {"v": 1, "method": "build", "args": {"at": {"__time__": "2026-01-02T03:04:05.000006"}},
                                "ctx": {"request_id": "req-1"}, "id": "7", "reply_to": None}


@pytest.mark.parametrize("value", [b"raw", {1, 2}, object(), {1: "x"}, datetime.datetime.now(datetime.UTC)])
def test_what_cannot_travel_is_refused_by_path(value):
    with pytest.raises(TypeError, match=r"build\.disk\.image"):
        serializer.encode_request(_request(args={"disk": {"image": [value]}}))


def test_not_a_number_is_refused():
    with pytest.raises(ValueError):
        serializer.encode_result("1", float("nan"))


def test_oversized_messages_are_refused():
    serializer.encode_request(_request(args={"text": "x" * (serializer.MAX_BYTES - 1000)}))
    with pytest.raises(exception.TooLarge, match="build has 10.* bytes; at most 1048576"):
        serializer.encode_request(_request(args={"text": "x" * serializer.MAX_BYTES}))


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"v": 2}', b'{"v": 1}', b'{"v":1,"method":1,"args":{},"ctx":{},"id":"1","reply_to":null}',
    b'{"v":1,"method":"m","args":[],"ctx":{},"id":"1","reply_to":null}', b'{"v":1,"method":"m","args":{},"ctx":null,"id":"1","reply_to":null}',
    b'{"v":1,"method":"m","args":{"t":{"__time__":"yesterday"}},"ctx":{},"id":"1","reply_to":null}',
    b'{"v":1,"method":"m","args":{"t":{"__time__":7}},"ctx":{},"id":"1","reply_to":null}',
    b'{"v":1,"method":"m","args":{"t":{"__dict__":7}},"ctx":{},"id":"1","reply_to":null}', b"[" * 100_000])
def test_malformed_requests_are_told_apart(body):
    with pytest.raises(serializer.Malformed):
        serializer.decode_request(body)


def test_registered_errors_cross_with_text_and_details():
    with pytest.raises(exception.ServerNotFound, match="Instance abc could not be found") as caught:
        serializer.decode_reply(serializer.encode_error("1", exception.ServerNotFound(server_id="abc", when=(1, 2), what=b"x")))
    assert caught.value.details == {"server_id": "abc", "when": [1, 2], "what": "b'x'"}
    assert caught.value.status == 404


def test_other_errors_cross_as_remote_error():
    with pytest.raises(exception.RemoteError, match="ZeroDivisionError: by nothing") as caught:
        serializer.decode_reply(serializer.encode_error("1", ZeroDivisionError("by nothing")))
    assert caught.value.details["kind"] == "ZeroDivisionError"


def test_an_error_with_huge_details_crosses_without_them():
    with pytest.raises(exception.Invalid, match="too much") as caught:
        serializer.decode_reply(serializer.encode_error("1", exception.Invalid("too much", body="x" * serializer.MAX_BYTES)))
    assert caught.value.details == {}


@pytest.mark.parametrize("error", [None, {}, {"kind": "X"}, {"kind": "X", "text": "y", "details": 3}])
def test_malformed_errors_are_told_apart(error):
    with pytest.raises(serializer.Malformed):
        serializer.decode_reply(json.dumps({"v": 1, "id": "1", "error": error}))
