"""The metadata service: GET, and POST of a password; who asks is told by the network that the request came from and its source address."""
import json
import re
from collections.abc import Callable

import webob

from nova_lite import log
from nova_lite.compute import metadata
from nova_lite.db import servers as servers_
from nova_lite.db.engine import Database
from nova_lite.network.actions import server_ports

LOG = log.get(__name__)
NETWORK = "nova_lite.network_id"
PASSWORD_BYTES = 1020
_PASSWORD = re.compile(r"^/openstack/(?!2012-)[^/]+/password$")


class MetadataApplication:
    """``domain`` is added to host names; ``vendor_data``: what vendor_data.json says."""

    def __init__(self, db: Database, domain: str, vendor_data: dict):
        self._db, self._domain, self._vendor_data = db, domain, vendor_data

    def __call__(self, environ, start_response):
        request = webob.Request(environ)
        if request.method == "POST" and _PASSWORD.match(request.path_info):
            return self._take_password(request)(environ, start_response)
        if request.method not in ("GET", "HEAD"):
            return webob.Response(status=405, text="Only GET is served here.\n", content_type="text/plain")(environ, start_response)
        try:
            found = self._server(environ)
            content = _find(self._tree(*found), request.path_info) if found is not None else None
        except Exception:
            LOG.exception("metadata for %s could not be told", environ.get("REMOTE_ADDR"))
            failed = webob.Response(status=500, text="The metadata cannot be read now; try again.\n", content_type="text/plain")
            return failed(environ, start_response)
        if content is None:
            return webob.Response(status=404, text="404 Not Found\n", content_type="text/plain")(environ, start_response)
        kind = "application/json" if request.path_info.endswith(".json") else "text/plain"
        return webob.Response(body=content, content_type=kind, charset="UTF-8")(environ, start_response)

    def _take_password(self, request: webob.Request) -> webob.Response:
        found = self._server(request.environ)
        if found is None:
            return webob.Response(status=404, text="404 Not Found\n", content_type="text/plain")
        if request.content_length is None or request.content_length > PASSWORD_BYTES:
            return webob.Response(status=400, text="Request is too large.\n", content_type="text/plain")
        try:
            told = request.body.decode()
        except UnicodeDecodeError:
            return webob.Response(status=400, text="The password is to be text.\n", content_type="text/plain")
        with self._db.write() as tx:
            first = servers_.tell_password(tx, found[0].id, told)
        return webob.Response(status=200 if first else 409, text="" if first else "A password was told already.\n", content_type="text/plain")

    def _server(self, environ):
        address = environ.get("REMOTE_ADDR", "").removeprefix("::ffff:")
        with self._db.read() as tx:
            server_id = server_ports.server_of_address(tx, environ[NETWORK], address)
            server = servers_.find(tx, server_id) if server_id is not None else None
            if server is None:
                LOG.warning("%s on network %s asks for metadata and is no server's address", address, environ[NETWORK])
                return None
            nics = server_ports.nics(tx, server.id)
            return server, nics, server_ports.security_groups(tx, server.project_id, nics)

    def _tree(self, server, nics: list[dict], groups: list[str]) -> dict:
        """Folders are dicts; files are bytes or functions that make them."""
        script = metadata.user_data(server)
        openstack = {
            "meta_data.json": lambda: json.dumps(metadata.meta_data(server, self._domain)).encode(),
            "network_data.json": lambda: json.dumps(metadata.network_data(nics)).encode(),
            "vendor_data.json": lambda: json.dumps(self._vendor_data).encode(), "vendor_data2.json": b"{}"}
        openstack["password"] = (server.told_password or "").encode()
        ec2: dict = {"meta-data": metadata.ec2(server, nics, self._domain, groups)}
        if script is not None:
            openstack["user_data"] = script
            ec2["user-data"] = script
        tree: dict = dict.fromkeys((*metadata.EC2_VERSIONS, "latest"), ec2)
        return {**tree, "openstack": dict.fromkeys((*metadata.OPENSTACK_VERSIONS, "latest"), openstack)}


def _find(tree: dict, path: str) -> bytes | None:
    """The file at ``path``, or a folder's listing; None when there is nothing."""
    node: dict | bytes | str | Callable = tree
    parts = [part for part in path.split("/") if part]
    for part in parts:
        if not isinstance(node, dict) or part not in node or part == "_name":
            return None
        node = node[part]
    if callable(node):
        node = node()
    if isinstance(node, dict):
        hidden = {"openstack"} if not parts else set()
        return "\n".join(_listed(name, child, parts) for name, child in node.items() if name not in hidden and name != "_name").encode()
    return node.encode() if isinstance(node, str) else node


def _listed(name: str, child, parts: list[str]) -> str:
    if isinstance(child, dict) and "_name" in child:
        # As EC2 lists keys: the number and the name.
        return f"{name}={child['_name']}"
    # Version folders are listed bare, folders inside them with a slash.
    return f"{name}/" if isinstance(child, dict) and len(parts) >= 2 else name
