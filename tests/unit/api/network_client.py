"""A client of the Network API over a fresh SQLite database: the real Application, webob requests, and the bells that it rings."""
import json

import webob

from nova_lite import context as context_
from nova_lite import policy
from nova_lite.api import network, resource
from nova_lite.db.engine import Database
from nova_lite.network.actions.deps import Deps

PROJECT, OTHER = "a" * 32, "b" * 32
POLICY = policy.Policy()


class NetworkClient:
    """Calling answers (status, JSON); ``ok`` the JSON of a success, ``error`` (status, type, message) of a fault."""

    def __init__(self, path, url: str | None = None, **deps):
        self.db = Database(url or f"sqlite:///{path}/network.db")
        self.db.create_all()
        self.bells: list[tuple[str, list[str]]] = []
        quotas = {"networks": 100, "subnets": 100, "ports": 500, "security_groups": 10, "security_group_rules": 100}
        self.deps = Deps(self.db, lambda host, ids: self.bells.append((host, ids)), **{"quotas": quotas, **deps})
        self.application = network.application(self.deps, POLICY, None)

    def context(self, project=PROJECT, roles=("member",)):
        return context_.RequestContext(user_id="u", project_id=project, roles=tuple(roles), is_admin="admin" in roles)

    def __call__(self, method: str, path: str, body=None, **who):
        http = webob.Request.blank(path, method=method, base_url="http://cloud:8774/network")
        if body is not None:
            http.content_type = "application/json"
            http.body = json.dumps(body).encode()
        http.environ[resource.CONTEXT] = self.context(**who)
        response = http.get_response(self.application)
        return response.status_int, (json.loads(response.body) if response.body else None)

    def ok(self, method: str, path: str, body=None, **who):
        status, content = self(method, path, body, **who)
        assert status < 300, (status, content)
        return content

    def error(self, method: str, path: str, body=None, **who) -> tuple[int, str, str]:
        status, content = self(method, path, body, **who)
        assert status >= 400, (status, content)
        return status, content["NeutronError"]["type"], content["NeutronError"]["message"]

    def network(self, who=None, **values) -> dict:
        return self.ok("POST", "/v2.0/networks", {"network": {"name": "net", **values}}, **(who or {}))["network"]

    def subnet(self, network_id: str, cidr: str = "10.0.0.0/24", who=None, **values) -> dict:
        body = {"network_id": network_id, "cidr": cidr, "ip_version": 6 if ":" in cidr else 4, **values}
        return self.ok("POST", "/v2.0/subnets", {"subnet": body}, **(who or {}))["subnet"]

    def port(self, network_id: str, who=None, **values) -> dict:
        return self.ok("POST", "/v2.0/ports", {"port": {"network_id": network_id, **values}}, **(who or {}))["port"]
