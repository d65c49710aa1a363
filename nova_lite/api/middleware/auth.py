"""Who asks: turns ``X-Auth-Token`` into a RequestContext in the WSGI environment, by one of three strategies.

- builtin: our identity service validates the token in the same database;
- keystone: keystonemiddleware against a real Keystone (see ``keystone``);
- noauth: the token is ``user:project[:role,...]``, believed as it stands; for tests only.
"""
from collections.abc import Callable

from nova_lite import context as context_
from nova_lite import exception, log
from nova_lite.api import faults, resource
from nova_lite.api.middleware import request_id

LOG = log.get(__name__)
Validate = Callable[[str, str], context_.RequestContext]
"""Given a token and a request id, who it stands for; raises exception.Unauthorized."""


class TokenAuth:
    """Validates the token with ``validate``. ``public``: (method, path prefix) pairs that need none; their requests get an anonymous context.

    ``realm``: the identity endpoint named in ``WWW-Authenticate``.
    """

    def __init__(self, application, validate: Validate, realm: str, public: tuple[tuple[str, str], ...] = ()):
        self.application, self.validate, self.realm, self.public = application, validate, realm, public

    def __call__(self, environ, start_response):
        token = environ.get("HTTP_X_AUTH_TOKEN")
        ident = environ.get(request_id.REQUEST_ID) or context_.new_request_id()
        try:
            if not token:
                if not self._is_public(environ):
                    raise exception.Unauthorized()
                ctx = context_.RequestContext(request_id=ident, remote_address=environ.get("REMOTE_ADDR"))
            else:
                ctx = self.validate(token, ident)
        except exception.Unauthorized:
            if token and self._is_public(environ):
                ctx = context_.RequestContext(request_id=ident, remote_address=environ.get("REMOTE_ADDR"))
            else:
                return self._refuse(environ, start_response)
        except exception.Unavailable as error:
            return faults.identity(503, str(error))(environ, start_response)
        environ[resource.CONTEXT] = ctx
        return self.application(environ, start_response)

    def _is_public(self, environ) -> bool:
        return is_public(environ, self.public)

    def _refuse(self, environ, start_response):
        response = faults.identity(401, exception.Unauthorized.message)
        response.headers["WWW-Authenticate"] = f'Keystone uri="{self.realm}"'
        return response(environ, start_response)


def believe(token: str, ident: str) -> context_.RequestContext:
    """The noauth strategy: ``user[:project[:role,role]]``; without roles an administrator, as in upstream's noauth2 with ``admin``."""
    user, _, rest = token.partition(":")
    project, _, roles = rest.partition(":")
    names = tuple(roles.split(",")) if roles else ("admin", "member", "reader")
    return context_.RequestContext(request_id=ident, user_id=user, user_name=user, project_id=project or user, project_name=project or user,
                                   roles=names, is_admin="admin" in names)


class KeystoneContext:
    """Behind keystonemiddleware's ``auth_token`` filter: its headers made into a RequestContext."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        roles = tuple(name.strip().lower() for name in environ.get("HTTP_X_ROLES", "").split(",") if name.strip())
        environ[resource.CONTEXT] = context_.RequestContext(
            request_id=environ.get(request_id.REQUEST_ID) or context_.new_request_id(),
            user_id=environ.get("HTTP_X_USER_ID"), user_name=environ.get("HTTP_X_USER_NAME"),
            project_id=environ.get("HTTP_X_PROJECT_ID"), project_name=environ.get("HTTP_X_PROJECT_NAME"),
            roles=roles, is_admin="admin" in roles, remote_address=environ.get("REMOTE_ADDR"),
            user_domain_id=environ.get("HTTP_X_USER_DOMAIN_ID", "default"), project_domain_id=environ.get("HTTP_X_PROJECT_DOMAIN_ID", "default"))
        return self.application(environ, start_response)


def keystone(application, options: dict, public: tuple[tuple[str, str], ...] = ()):
    """``application`` behind keystonemiddleware. ``options``: the ``[keystone_authtoken]`` section as plain values; ``public`` as in TokenAuth."""
    # Imported here: it costs 15 MB of memory, which a cloud with built-in identity need not pay.
    import webob.exc
    from keystonemiddleware import auth_token
    guarded = auth_token.AuthProtocol(KeystoneContext(application), {**options, "delay_auth_decision": False})

    def choose(environ, start_response):
        if is_public(environ, public):
            return application(environ, start_response)
        try:
            return guarded(environ, start_response)
        except Exception:
            # What answers requests itself lets nothing through: this is Keystone's, such as a catalog without an internal identity endpoint.
            LOG.exception("the token could not be validated")
            return webob.exc.HTTPServiceUnavailable("The Keystone service cannot be used.")(environ, start_response)
    return choose


def is_public(environ, public: tuple[tuple[str, str], ...]) -> bool:
    """Whether the request needs no token: its method and path are in ``public`` (a path may end in ``*``)."""
    path = environ.get("PATH_INFO", "") or "/"
    return any(environ["REQUEST_METHOD"] == method and (path == prefix or prefix.endswith("*") and path.startswith(prefix[:-1]))
               for method, prefix in public)
