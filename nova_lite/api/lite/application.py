"""The application at ``/lite``. Bodies are those of the Compute API at its newest version, or the one that the version header names."""
from nova_lite.api import faults, microversions, resource
from nova_lite.api.compute.versions import MAXIMUM, MINIMUM
from nova_lite.api.lite import scheduler

ROUTES = scheduler.ROUTES


class Newest(microversions.Negotiator):
    """Whoever names no version gets the newest one."""

    def negotiate(self, headers) -> tuple[int, int]:
        """The version asked for, or the newest. Raises Invalid and NotAcceptable."""
        return microversions.parse(self.maximum) if self._asked(headers) is None else super().negotiate(headers)


def application(deps, policy, *, public_url: str | None = None, max_body: int = 1 << 20) -> resource.Application:
    """The WSGI application to mount at ``/lite``. ``deps``: compute.actions.deps.Deps; ``max_body`` in bytes."""
    return resource.Application("lite", ROUTES, deps, policy, faults.compute, public_url=public_url, negotiator=Newest("compute", MINIMUM, MAXIMUM),
                                max_body=max_body)
