"""The operator's policies."""
import http.server
import threading

import pytest
import yaml

from nova_lite.context import RequestContext
from nova_lite.policy import Policy

CTX = RequestContext(user_id="u", project_id="p", roles=("member",))
RULE = "os_compute_api:servers:index"


@pytest.fixture
def judge():
    """A server that says what oslo.policy's http checks wait for; its URL, and what it was told."""
    told = []

    class Judge(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"False" if b"other" in told[-1] else b"True")

        def log_message(self, *_words):
            pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/judge", told
    server.shutdown()
    server.server_close()


def test_a_rule_may_ask_an_http_server(tmp_path, judge):
    url, told = judge
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump({RULE: url}))
    policy = Policy(str(path))
    assert policy.allows(RULE, CTX)
    assert not policy.allows(RULE, CTX, {"project_id": "other"})
    assert len(told) == 2


def test_a_rule_that_nobody_understands_lets_nobody_in(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump({RULE: "rule:no_such_rule"}))
    assert not Policy(str(path)).allows(RULE, CTX)
