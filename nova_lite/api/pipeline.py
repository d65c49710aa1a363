"""The whole WSGI pipeline in one place: request id → path prefix → authentication → the service's Application."""
import json
from collections.abc import Callable

import webob

from nova_lite.api.middleware import request_id


class Prefixes:
    """Hands a request to the application of its first path segment (``{"/identity": app}``), with SCRIPT_NAME moved along.

    ``/healthz`` answers 200 ``{"status": "ok"}`` when ``health()`` finds no fault, else 503 with the faults; ``/metrics`` what ``metrics()``
    gives; ``/`` lists the services.
    """

    def __init__(self, applications: dict[str, Callable], health: Callable[[], list[str]], metrics: Callable[[], bytes]):
        self.applications, self.health, self.metrics = applications, health, metrics

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "")
        head, _, rest = path.lstrip("/").partition("/")
        application = self.applications.get(f"/{head}")
        if application is not None:
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + f"/{head}"
            environ["PATH_INFO"] = f"/{rest}" if rest or path.endswith("/") else ""
            return application(environ, start_response)
        if head == "healthz":
            return self._health()(environ, start_response)
        if head == "metrics":
            return webob.Response(body=self.metrics(), content_type="text/plain", charset="UTF-8")(environ, start_response)
        if head == "":
            url = webob.Request(environ).application_url.rstrip("/")
            return _json(200, {"services": {name.strip("/"): f"{url}{name}" for name in self.applications}})(environ, start_response)
        return _json(404, {"error": {"code": 404, "title": "Not Found", "message": f"No service at /{head}"}})(environ, start_response)

    def _health(self) -> webob.Response:
        wrong = self.health()
        return _json(503 if wrong else 200, {"status": "failing" if wrong else "ok", "reasons": wrong})


def _json(status: int, content: dict) -> webob.Response:
    return webob.Response(status=status, body=json.dumps(content).encode(), content_type="application/json", charset="UTF-8")


def build(applications: dict[str, Callable], health: Callable[[], list[str]], metrics: Callable[[], bytes]):
    """The application to serve: ``applications`` by prefix, each already behind its own authentication."""
    return request_id.RequestId(Prefixes(applications, health, metrics))
