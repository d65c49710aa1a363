"""A client of the Compute API over a fresh SQLite database: builds the real Application, sends webob requests, records doorbells."""
import json

import webob

from nova_lite import context as context_
from nova_lite import exception, policy
from nova_lite.api import resource
from nova_lite.api.compute import application
from nova_lite.compute.actions.deps import Deps
from nova_lite.compute.console_access import ConsoleAccess
from nova_lite.db.engine import Database
from nova_lite.interfaces.compute import ComputeInterface
from nova_lite.interfaces.network import NetworkInterface
from nova_lite.interfaces.scheduler import SchedulerInterface
from nova_lite.rpc import client, serializer

PROJECT, USER, OTHER_PROJECT, OTHER_USER = "a" * 32, "u" * 32, "b" * 32, "v" * 32
POLICY = policy.Policy()
QUOTA = {"instances": 10, "cores": 20, "ram": 51200, "metadata_items": 128, "injected_files": 5, "injected_file_content_bytes": 10240,
         "injected_file_path_bytes": 255, "key_pairs": 100, "server_groups": 10, "server_group_members": 10, "networks": 100, "subnets": 100,
         "ports": 500, "routers": 10, "floatingips": 50, "security_groups": 10, "security_group_rules": 100}


class Wire:
    """Stands where a broker would: keeps what clients publish, as (address, method, arguments)."""

    inbox = "inbox"

    def __init__(self):
        self.sent = []

    def everyone(self, topic):
        return f"everyone {topic}"

    def topic(self, topic):
        return topic

    def publish(self, address, body):
        request = serializer.decode_request(body)
        self.sent.append((address, request.method, request.args))

    def request(self, address, body, correlation_id, seconds):
        """A call that no worker answers."""
        raise exception.RpcTimeout(topic=address, method="a call", timeout=seconds)


class ComputeClient:
    """``request`` sends; ``get`` and the like answer (status, JSON). Roles and project as the arguments say; an administrator by default."""

    def __init__(self, path, url: str | None = None, **deps):
        self.db = Database(url or f"sqlite:///{path}/nova.db")
        self.db.create_all()
        self.wire = Wire()
        self.deps = Deps(**{"db": self.db, "consoles": ConsoleAccess("secret", urls={"vnc": "http://proxy/page"}),
                            "scheduler": client.client(self.wire, SchedulerInterface),
                            "compute": client.client(self.wire, ComputeInterface), "network": client.client(self.wire, NetworkInterface),
                            "quota_defaults": QUOTA, "max_limit": 1000, **deps})
        self.application = application.application(self.deps, POLICY)

    def request(self, method: str, path: str, body=None, version: str | None = "2.96", roles=("admin",), project=PROJECT, user=USER):
        """The webob response to a request; ``version`` None sends no microversion header."""
        http = webob.Request.blank(path, method=method, base_url="http://cloud:8774/compute")
        if version is not None:
            http.headers["OpenStack-API-Version"] = f"compute {version}"
        if body is not None:
            http.content_type = "application/json"
            http.body = json.dumps(body).encode()
        http.environ[resource.CONTEXT] = context_.RequestContext(user_id=user, project_id=project, roles=tuple(roles), is_admin="admin" in roles)
        return http.get_response(self.application)

    def __call__(self, method: str, path: str, body=None, version: str | None = "2.96", **who):
        """(status, JSON body or None)."""
        response = self.request(method, "/v2.1" + path, body, version, **who)
        return response.status_int, (json.loads(response.body) if response.body else None)

    def text(self, *args, **kwargs) -> tuple[int, str]:
        """(status, the message of the fault)."""
        status, fault = self(*args, **kwargs)
        return status, next(iter(fault.values()))["message"]


def changes(*tables) -> list[str]:
    """The versions at which any row of these Bodies, Queries and Views starts or ends, with 2.1 and the one before each change."""
    points = {(2, 1), (2, 96)}
    for table in tables:
        rows = getattr(table, "fields", None) or getattr(table, "params", ())
        for row in rows:
            if row.since:
                minor = int(row.since.split(".")[1])
                points |= {(2, minor), (2, minor - 1)}
            if row.until:
                minor = int(row.until.split(".")[1])
                points |= {(2, minor), (2, minor + 1)}
    return [f"2.{minor}" for _, minor in sorted(points) if 1 <= minor <= 96]


def expected(rows: dict[str, tuple], version: str) -> set[str]:
    """The keys of ``{key: (since, until)}`` (minor numbers, None is open) that exist at a version."""
    minor = int(version.split(".")[1])
    return {key for key, (since, until) in rows.items() if (since is None or minor >= since) and (until is None or minor <= until)}
