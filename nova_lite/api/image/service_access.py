"""Lets workers fetch and send image files with a signature instead of a token: GET and PUT of one file, nothing else. See ``image.signature``."""
import re

from nova_lite import context, exception
from nova_lite.api import faults, resource
from nova_lite.api.middleware import request_id
from nova_lite.image import signature

_KEY = "HTTP_" + signature.HEADER.upper().replace("-", "_")
_FILE = re.compile(r"^/v2/images/([^/]+)/file$")


class ServiceAccess:
    """Stands before the authentication. ``application``: the Image API; ``protected``: the same behind its authentication."""

    def __init__(self, application, protected, secret: str):
        self.application, self.protected, self.secret = application, protected, secret

    def __call__(self, environ, start_response):
        value = environ.get(_KEY)
        if value is None:
            return self.protected(environ, start_response)
        match = _FILE.match(environ.get("PATH_INFO", ""))
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "PUT") or match is None or not signature.verify(self.secret, match[1], value, method=method):
            return faults.image(401, exception.Unauthorized.message)(environ, start_response)
        ident = environ.get(request_id.REQUEST_ID) or context.new_request_id()
        environ[resource.CONTEXT] = context.RequestContext(request_id=ident, is_admin=True, roles=("admin", "service"),
                                                           remote_address=environ.get("REMOTE_ADDR"))
        return self.application(environ, start_response)
