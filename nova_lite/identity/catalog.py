"""The service catalog: which services this cloud has and where. It comes from the configuration, so every process tells the same truth."""
import uuid
from dataclasses import dataclass

INTERFACES = ("public", "internal", "admin")
_IDS = uuid.UUID("6c3b7c3e-6d0e-4b7b-9d2c-0f5a1c8e4d21")


@dataclass(frozen=True)
class Service:
    """``type`` as in the OpenStack service types authority; ``url`` may hold ``%(project_id)s``."""

    type: str
    name: str
    url: str

    @property
    def id(self) -> str:
        """The same in every process and after every restart."""
        return uuid.uuid5(_IDS, self.type).hex


@dataclass(frozen=True)
class Endpoint:
    """A service's URL on one interface."""

    id: str
    service: Service
    interface: str
    url: str
    region: str


@dataclass(frozen=True)
class Catalog:
    """All services of one region."""

    region: str
    services: tuple[Service, ...]

    def endpoints(self) -> list[Endpoint]:
        """Each service on each interface; URLs as configured."""
        return [Endpoint(uuid.uuid5(_IDS, f"{service.type} {interface}").hex, service, interface, service.url, self.region)
                for service in self.services for interface in INTERFACES]

    def render(self, project_id: str | None) -> list[dict]:
        """The catalog as a token carries it. A service whose URL needs a project is left out of a token without one."""
        endpoints = self.endpoints()
        return [
            {"id": service.id, "type": service.type, "name": service.name,
             "endpoints": [{"id": e.id, "interface": e.interface, "region": e.region, "region_id": e.region,
                            "url": e.url.replace("%(project_id)s", project_id or "")} for e in endpoints if e.service is service]}
            for service in self.services if project_id is not None or "%(project_id)s" not in service.url]
