"""Routes as rows, and the Application that interprets them: match, negotiate, authorize, validate, call, render, and turn errors into faults."""
import functools
import json
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import routes
import webob

from nova_lite import context as context_
from nova_lite import exception
from nova_lite.api import body as body_
from nova_lite.api import faults, microversions

LOG = logging.getLogger(__name__)
CONTEXT = "nova_lite.context"
DEADLOCK_TRIES = 5
_PROJECT_ID = re.compile(r"^[0-9a-f-]+$")
UNEXPECTED = "Unexpected API Error. The request id {request_id} finds it in the log of the API.\n{kind}"


@dataclass(frozen=True)
class Route:
    """One operation. ``handler(request, **path_values)`` returns a JSON value, None, or a webob.Response.

    ``policy``: the rule checked before the handler with the caller's own project as target (None: anyone). ``action``: the key of an action body
    (``POST .../action``). ``since``/``until``: microversions. ``raw``: the body is a stream that the handler reads itself.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    policy: str | None = None
    success: int = 200
    body: body_.Body | None = None
    query: body_.Query | None = None
    action: str | None = None
    since: str | None = None
    until: str | None = None
    raw: bool = False


class Request:
    """What a handler gets: the caller (``ctx``), ``version``, validated ``body`` and ``query``, the room's ``deps``, and the answer's headers."""

    def __init__(self, http: webob.Request, application: "Application", ctx: context_.RequestContext, version):
        self.http, self.application, self.ctx, self.version = http, application, ctx, version
        self.deps = application.deps
        self.body: Any = None
        self.query: dict[str, list[str]] = {}
        self.headers: dict[str, str] = {}
        self.status: int | None = None
        self._verdicts: dict[str, bool] = {}

    @functools.cached_property
    def base_url(self) -> str:
        """The service's URL as the client reached it, without a slash at the end (``http://host:8774/compute``)."""
        return (self.application.public_url or self.http.application_url).rstrip("/")

    def at_least(self, version: str) -> bool:
        """Whether the request's microversion is ``version`` or later. For rows that cannot say it; never for behaviour that a table can name."""
        return self.version >= microversions.parse(version)

    def can(self, rule: str, target: dict | None = None) -> bool:
        """Whether policy lets the caller do ``rule`` (on a thing of their own project, unless ``target`` says whose)."""
        if target is not None:
            return self.application.policy.allows(rule, self.ctx, target)
        if rule not in self._verdicts:
            self._verdicts[rule] = self.application.policy.allows(rule, self.ctx)
        return self._verdicts[rule]

    def authorize(self, rule: str, target: dict | None = None) -> None:
        """Raises PolicyNotAuthorized."""
        if not self.can(rule, target):
            raise exception.PolicyNotAuthorized(action=rule)

    def param(self, name: str, default: str | None = None) -> str | None:
        """The (last) value of a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else default


class Application:
    """One service's WSGI application over its table of Routes.

    ``deps``: what its handlers need (a frozen dataclass made by the wiring); ``policy``: a policy.Policy; ``fault``: the service's error format;
    ``negotiator``: None for services without microversions; ``project_prefix``: accept ``/v2.1/<project id>/...`` too.
    """

    def __init__(self, name: str, table: Iterable[Route], deps: Any, policy, fault: faults.Fault, *, public_url: str | None = None,
                 negotiator: microversions.Negotiator | None = None, project_prefix: str | None = None, max_body: int = 1 << 20):
        self.name, self.deps, self.policy, self.fault, self.negotiator = name, deps, policy, fault, negotiator
        self.public_url, self.max_body, self.project_prefix = public_url, max_body, project_prefix
        self.table = tuple(table)
        self._mapper = routes.Mapper(register=False)
        self._mapper.minimization = False
        self._rows: dict[str, dict[str, list[Route]]] = {}
        for route in self.table:
            if route.path not in self._rows:
                self._rows[route.path] = {}
                self._mapper.connect(route.path, route.path, table_key=route.path)
            self._rows[route.path].setdefault(route.method, []).append(route)
        self._collections = {path.split("/")[2] for path in self._rows if project_prefix and path.startswith(f"/{project_prefix}/")}

    def __call__(self, environ, start_response):
        http = webob.Request(environ)
        ctx = environ.get(CONTEXT) or context_.RequestContext()
        try:
            response = self._answer(http, ctx)
        except exception.NovaLiteError as error:
            response = self._known_error(error, ctx)
        except Exception as error:
            LOG.exception("unexpected error in %s %s", http.method, http.path)
            response = self.fault(500, UNEXPECTED.format(request_id=ctx.request_id, kind=type(error)), error)
        return response(environ, start_response)

    def _known_error(self, error: exception.NovaLiteError, ctx) -> webob.Response:
        if error.status >= 500:
            LOG.warning("answering %s: %s", error.status, error)
        response = self.fault(error.status, str(error), error)
        if error.status == 503:
            response.headers["Retry-After"] = "1"
        return response

    def _answer(self, http: webob.Request, ctx) -> webob.Response:
        path = self._without_project(http.path_info.rstrip("/") or "/", ctx)
        match = self._mapper.match(path)
        if match is None:
            raise exception.NotFound()
        rows = self._rows[match.pop("table_key")]
        version, headers = None, {}
        if self.negotiator is not None:
            try:
                version = self.negotiator.negotiate(http.headers)
            except exception.NovaLiteError as error:
                response = self._known_error(error, ctx)
                response.headers.update(self.negotiator.response_headers(microversions.parse(self.negotiator.minimum)))
                return response
            headers = self.negotiator.response_headers(version)
        try:
            response = self._dispatch(http, ctx, version, rows, match)
        except exception.NovaLiteError as error:
            response = self._known_error(error, ctx)
        response.headers.update(headers)
        return response

    def _without_project(self, path: str, ctx) -> str:
        if not self.project_prefix:
            return path
        parts = path.split("/")
        if len(parts) < 3 or parts[1] != self.project_prefix or parts[2] in self._collections or not _PROJECT_ID.match(parts[2]):
            return path
        if ctx.project_id is not None and parts[2] != ctx.project_id:
            raise exception.Invalid(f"Malformed request URL: URL's project_id '{parts[2]}' doesn't match "
                                    f"Context's project_id '{ctx.project_id}'")
        return "/".join(parts[:2] + parts[3:]) or "/"

    def _dispatch(self, http: webob.Request, ctx, version, rows: dict[str, list[Route]], values: dict) -> webob.Response:
        method = "GET" if http.method == "HEAD" and "HEAD" not in rows else http.method
        if method not in rows:
            response = self.fault(405, "The method specified is not allowed for this resource.", None)
            response.headers["Allow"] = ", ".join(sorted(rows))
            return response
        candidates = body_.alive(rows[method], version)
        if not candidates:
            raise exception.NotFound()
        request = Request(http, self, ctx, version)
        content = None
        if not candidates[0].raw:
            content = self._content(http)
        route = self._by_action(rows[method], candidates, content)
        if route.policy is not None:
            request.authorize(route.policy)
        self._validate(route, request, content)
        return self._render(route, request, self._handle(route, request, values))

    def _handle(self, route: Route, request: Request, values: dict) -> Any:
        # A handler writes in one transaction and rings after its commit, so a deadlock's victim has done nothing yet and may be run again.
        for _ in range(DEADLOCK_TRIES - 1):
            try:
                return route.handler(request, **values)
            except exception.DatabaseDeadlock:
                if route.raw:
                    raise
        return route.handler(request, **values)

    def _content(self, http: webob.Request) -> Any:
        length = http.content_length
        if length is not None and length > self.max_body:
            raise exception.TooLarge("Request is too large.")
        if http.method not in ("POST", "PUT", "PATCH") and not length:
            return None
        raw = http.body_file.read(self.max_body + 1) if http.is_body_readable else b""
        if len(raw) > self.max_body:
            raise exception.TooLarge("Request is too large.")
        if not raw:
            return None
        kind = (http.content_type or "application/json").split(";")[0].strip()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith(("+json", "-patch"))):
            raise _UnsupportedMediaType(f"Unsupported Content-Type: {kind}")
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise exception.Invalid("Malformed request body: cannot understand JSON") from error

    def _by_action(self, everywhere: list[Route], candidates: list[Route], content: Any) -> Route:
        if candidates[0].action is None:
            return candidates[0]
        if not isinstance(content, dict) or not content:
            raise exception.Invalid("Malformed request body")
        for route in candidates:
            if route.action in content:
                return route
        if any(route.action in content for route in everywhere):
            raise exception.NotFound()
        raise exception.Invalid(f"There is no such action: {next(iter(content))}")

    def _validate(self, route: Route, request: Request, content: Any) -> None:
        try:
            request.query = {name: request.http.GET.getall(name) for name in request.http.GET}
        except UnicodeDecodeError as error:
            raise exception.Invalid("Query string is not UTF-8 encoded") from error
        if route.query is not None:
            request.query = route.query.validate(request.query, request.version)
        if route.body is not None:
            if content is None:
                raise exception.Invalid("Malformed request body" if route.body.root is None else f"None is not of type 'object': "
                                        f"the request body must carry '{route.body.root}'")
            route.body.validate(content, request.version)
        request.body = content

    def _render(self, route: Route, request: Request, result: Any) -> webob.Response:
        if isinstance(result, webob.Response):
            response = result
        elif result is None:
            response = webob.Response(status=request.status or route.success)
            response.headers.pop("Content-Type", None)
            response.content_length = None if response.status_int == 204 else 0
        else:
            content = orjson.dumps(result, option=orjson.OPT_NON_STR_KEYS)
            response = webob.Response(status=request.status or route.success, body=content, content_type="application/json")
            response.charset = None
        response.headers.update(request.headers)
        return response


class _UnsupportedMediaType(exception.NovaLiteError):
    status = 415
