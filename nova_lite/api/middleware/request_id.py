"""Gives each request its id, answers it in ``x-openstack-request-id``, and logs one line a request."""
import logging
import re

from nova_lite import clock, context, log

LOG = logging.getLogger(__name__)
REQUEST_ID = "nova_lite.request_id"
_GLOBAL = re.compile(r"^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


class RequestId:
    """Outermost middleware. A caller's own ``X-OpenStack-Request-ID`` of the right form goes to the log as the global id."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        request_id = context.new_request_id()
        environ[REQUEST_ID] = request_id
        log.set_request_id(request_id)
        started = clock.monotonic()
        outer = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        outer = outer if _GLOBAL.match(outer) else ""

        def start(status, headers, exc_info=None):
            LOG.info("%s %s %s %.1f ms %s", environ["REQUEST_METHOD"], environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
                     status.split(" ", 1)[0], (clock.monotonic() - started) * 1000, outer)
            named = [("x-openstack-request-id", request_id)]
            if environ.get("SCRIPT_NAME", "").startswith("/compute"):
                named.append(("x-compute-request-id", request_id))
            return start_response(status, [h for h in headers if h[0].lower() != "x-openstack-request-id"] + named, exc_info)

        return self.application(environ, start)
