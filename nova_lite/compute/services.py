"""Services as the API tells of them: each with its zone and whether it is up."""
from dataclasses import dataclass

from nova_lite.db import hosts, hypervisors
from nova_lite.db.models.compute import Service

INTERNAL = "internal"
"""The zone of services that run no guests."""
HIDDEN = ("nova-api", "nova-osapi_compute", "nova-metadata")
"""Services that clients reach anyhow, and that upstream does not list."""


@dataclass(frozen=True)
class Listed:
    """A service in its zone."""

    service: Service
    zone: str
    is_up: bool


def find(tx, deps, *, host: str | None = None, binary: str | None = None, service_id: int | str | None = None) -> list[Listed]:
    """Services by host, binary and id (number or UUID), without those of ``HIDDEN``."""
    found = [service for service in hosts.services(tx, host=host, binary=binary, service_id=service_id) if service.binary not in HIDDEN]
    zones, moment = hosts.zone_of_hosts(tx, deps.default_availability_zone), hypervisors.moment(tx)
    return [Listed(service, zones.get(service.host, deps.default_availability_zone) if service.binary == hosts.COMPUTE else INTERNAL,
                   hosts.is_up(service, moment, deps.service_down_time)) for service in found]
