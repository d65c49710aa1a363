"""Services, endpoints and regions, read only: they come from the configuration."""
from nova_lite import exception
from nova_lite.api.identity import collection
from nova_lite.api.resource import Request, Route
from nova_lite.identity.catalog import Endpoint, Service


def _service(service: Service, request: Request) -> dict:
    return {"id": service.id, "type": service.type, "name": service.name, "description": "", "enabled": True,
            "links": {"self": f"{request.base_url}/v3/services/{service.id}"}}


def _endpoint(endpoint: Endpoint, request: Request) -> dict:
    return {"id": endpoint.id, "interface": endpoint.interface, "url": endpoint.url, "service_id": endpoint.service.id,
            "region": endpoint.region, "region_id": endpoint.region, "enabled": True,
            "links": {"self": f"{request.base_url}/v3/endpoints/{endpoint.id}"}}


def _region(request: Request) -> dict:
    region = request.deps.catalog.region
    return {"id": region, "description": "", "parent_region_id": None, "links": {"self": f"{request.base_url}/v3/regions/{region}"}}


def _fits(request: Request, **values: str) -> bool:
    return all(request.param(name) in (None, value) for name, value in values.items())


def list_services(request: Request) -> dict:
    found = [service for service in request.deps.catalog.services if _fits(request, type=service.type, name=service.name)]
    return collection.render(request, "services", "/v3/services", found, _service)


def show_service(request: Request, service_id: str) -> dict:
    for service in request.deps.catalog.services:
        if service.id == service_id:
            return {"service": _service(service, request)}
    raise exception.NotFound(f"Could not find service: {service_id}.")


def list_endpoints(request: Request) -> dict:
    found = [endpoint for endpoint in request.deps.catalog.endpoints()
             if _fits(request, interface=endpoint.interface, service_id=endpoint.service.id, region_id=endpoint.region)]
    return collection.render(request, "endpoints", "/v3/endpoints", found, _endpoint)


def show_endpoint(request: Request, endpoint_id: str) -> dict:
    for endpoint in request.deps.catalog.endpoints():
        if endpoint.id == endpoint_id:
            return {"endpoint": _endpoint(endpoint, request)}
    raise exception.NotFound(f"Could not find endpoint: {endpoint_id}.")


def list_regions(request: Request) -> dict:
    return {"regions": [_region(request)], "links": {"self": f"{request.base_url}/v3/regions", "previous": None, "next": None}}


def show_region(request: Request, region_id: str) -> dict:
    if region_id != request.deps.catalog.region:
        raise exception.NotFound(f"Could not find region: {region_id}.")
    return {"region": _region(request)}


ROUTES = (
    Route("GET", "/v3/services", list_services, "identity:list_services"),
    Route("GET", "/v3/services/{service_id}", show_service, "identity:list_services"),
    Route("GET", "/v3/endpoints", list_endpoints, "identity:list_endpoints"),
    Route("GET", "/v3/endpoints/{endpoint_id}", show_endpoint, "identity:list_endpoints"),
    Route("GET", "/v3/regions", list_regions, "identity:list_regions"),
    Route("GET", "/v3/regions/{region_id}", show_region, "identity:get_region"),
)
