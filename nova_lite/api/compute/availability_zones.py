"""Availability zones: where servers may be asked to run, and for administrators which hosts are there."""
from nova_lite import clock
from nova_lite.api import resource
from nova_lite.compute import services

POLICY = "os_compute_api:os-availability-zone:"


def _zones(listed: list) -> list[tuple[str, bool]]:
    """(zone, whether any service there is enabled), those first."""
    enabled = {item.zone for item in listed if not item.service.disabled}
    return sorted(((zone, zone in enabled) for zone in {item.zone for item in listed}), key=lambda pair: (not pair[1], pair[0]))


def _listed(request) -> list:
    with request.deps.db.read() as tx:
        return services.find(tx, request.deps)


def index(request) -> dict:
    """Zones by name."""
    return {"availabilityZoneInfo": [{"zoneName": zone, "zoneState": {"available": available}, "hosts": None}
                                     for zone, available in _zones(_listed(request)) if zone != services.INTERNAL]}


def detail(request) -> dict:
    """Zones with the services of their hosts."""
    listed = _listed(request)
    return {"availabilityZoneInfo": [{"zoneName": zone, "zoneState": {"available": available}, "hosts": _hosts(listed, zone) if available else None}
                                     for zone, available in _zones(listed)]}


def _hosts(listed: list, zone: str) -> dict:
    hosts: dict[str, dict] = {}
    for item in listed:
        if item.zone == zone and not item.service.disabled:
            hosts.setdefault(item.service.host, {})[item.service.binary] = {
                "available": item.is_up, "active": True, "updated_at": clock.isoformat_micro(item.service.last_seen_at)}
    return hosts


ROUTES = (
    resource.Route("GET", "/v2.1/os-availability-zone", index, POLICY + "list"),
    resource.Route("GET", "/v2.1/os-availability-zone/detail", detail, POLICY + "detail"),
)
