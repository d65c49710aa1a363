"""Whatever a caller sends to any Compute route, the answer is the caller's fault or success, never a 5xx."""
import json
import urllib.parse

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_lite.api.compute import application
from tests.unit.api.compute_client import ComputeClient
from tests.unit.api.test_compute_servers import add

NASTY = ("", " ", "x" * 300, "\x00", "é\u2028🦊", "-1", "0", "1", "9" * 30, "1e400", "%", "[", "../..", "null", "true", "2026-13-45", "::1", "a,b/c")
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(NASTY), st.integers(-2**70, 2**70))
NAMES = st.sampled_from((*NASTY, "name", "id"))
JSON = st.recursive(VALUES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)), max_leaves=6)
ROUTES = [route for route in application.ROUTES if not route.raw]
VERSIONS = ("2.1", "2.36", "2.52", "2.75", "2.96")


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    client = ComputeClient(tmp_path_factory.mktemp("fuzz"))
    add(client)
    return client


def bodies(route):
    """Bodies of the route's own shape with any value anywhere."""
    if route.body is None:
        return st.one_of(st.none(), JSON)
    names = sorted({param.name for param in route.body.params if not param.pattern}) or ["x"]
    inside = st.one_of(JSON, st.dictionaries(st.sampled_from(names), JSON, max_size=6))
    if route.body.root is None:
        return inside
    return st.fixed_dictionaries({route.body.root: inside})


def queries(route):
    """Query strings of the route's own parameters with any text."""
    names = sorted({param.name for param in route.query.params}) if route.query is not None else ["x"]
    return st.lists(st.tuples(st.sampled_from(names), st.sampled_from(NASTY)), max_size=4)


@settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_request_makes_a_server_error(api, data):
    route = data.draw(st.sampled_from(ROUTES))
    ids = st.sampled_from(("5d6c3f4e-0000-4000-8000-000000000001", "1", *(value for value in NASTY if value.strip())))
    path = route.path
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + urllib.parse.quote(data.draw(ids), safe="") + path[end + 1:]
    query = urllib.parse.urlencode(data.draw(queries(route)))
    body = data.draw(bodies(route)) if route.method in ("POST", "PUT") else None
    try:
        json.dumps(body).encode()
    except (ValueError, UnicodeError):
        return
    response = api.request(route.method, f"{path}?{query}", body, data.draw(st.sampled_from(VERSIONS)))
    # 503 is what the test's own wire answers to calls that need a worker.
    assert response.status_int < 500 or response.status_int == 503, (route.method, path, query, body, response.text)
