"""A private identity service for tests: database, keys and API in a folder, and a client that speaks WSGI to it."""
import functools
import json

import webob

from nova_lite import policy
from nova_lite.api import identity as api
from nova_lite.api.middleware import auth
from nova_lite.db import engine
from nova_lite.identity import catalog, passwords, tokens
from nova_lite.identity.actions import bootstrap
from nova_lite.identity.actions import tokens as actions
from nova_lite.identity.deps import Deps

PASSWORD = "correct horse"
URL = "http://cloud.test/identity"


def make_deps(folder, url: str | None = None, base: str = "http://cloud.test", database: str | None = None) -> Deps:
    """Bootstrapped; hashing at its cheapest."""
    db = engine.Database(database or f"sqlite:///{folder}/identity.db")
    db.create_all()
    services = (catalog.Service("identity", "nova-lite-identity", f"{base}/identity"),
                catalog.Service("image", "nova-lite-image", f"{base}/image"),
                catalog.Service("compute", "nova-lite-compute", f"{base}/compute/v2.1"),
                catalog.Service("block-storage", "nova-lite-volume", f"{base}/volume/v3/%(project_id)s"))
    deps = Deps(db, tokens.Codec(f"{folder}/keys"), passwords.Hasher(time_cost=1, memory_kib=64), catalog.Catalog("RegionOne", services))
    bootstrap.bootstrap(deps, PASSWORD)
    return deps


def make_application(deps: Deps, url: str | None = URL):
    """The Identity API behind its authentication."""
    application = api.application(deps, policy.Policy(), url)
    return auth.TokenAuth(application, functools.partial(actions.validate, deps), URL, api.PUBLIC)


def login_body(name: str = "admin", password: str = PASSWORD, scope="admin") -> dict:
    """The body of a password login; ``scope``: a project's name, a scope object, ``unscoped``, or None."""
    body = {"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"name": name, "domain": {"id": "default"}, "password": password}}}}}
    if isinstance(scope, str) and scope != "unscoped":
        scope = {"project": {"name": scope, "domain": {"name": "Default"}}}
    if scope is not None:
        body["auth"]["scope"] = scope
    return body


class Client:
    """Sends requests to a WSGI application, with a token once logged in."""

    def __init__(self, application, token: str | None = None):
        self.application, self.token = application, token

    def send(self, method: str, path: str, body=None, *, headers=None, data: bytes | None = None) -> webob.Response:
        request = webob.Request.blank(path, method=method, headers=headers or {})
        if body is not None:
            request.body, request.content_type = json.dumps(body).encode(), "application/json"
        elif data is not None:
            request.body = data
        if self.token:
            request.headers["X-Auth-Token"] = self.token
        return request.get_response(self.application)

    def ask(self, method: str, path: str, body=None, *, status: int = 200, **options):
        """The JSON of the answer (None where it is none), whose status must be ``status``."""
        response = self.send(method, path, body, **options)
        assert response.status_int == status, (method, path, response.status, response.text)
        return response.json if response.body and response.content_type == "application/json" else None

    def login(self, *args, **kwargs) -> "Client":
        """A client with a token of its own."""
        response = Client(self.application).send("POST", "/v3/auth/tokens", login_body(*args, **kwargs))
        assert response.status_int == 201, response.text
        return Client(self.application, response.headers["X-Subject-Token"])
