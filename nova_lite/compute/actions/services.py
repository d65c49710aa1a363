"""What administrators may ask about services: enable, disable, force down, delete. The schedulers hear of it after the commit."""
from nova_lite import exception
from nova_lite.compute.actions.deps import ring
from nova_lite.db import aggregates, hosts, hypervisors


def check_binary(binary: str) -> None:
    """Raises Invalid for a service that runs no guests: there is nothing to enable or disable."""
    if binary != hosts.COMPUTE:
        raise exception.Invalid(f"Updating a {binary} service is not supported. Only nova-compute services can be updated.")


def update(deps, ctx, binary: str, host: str, *, disabled: bool | None = None, reason: str | None = None, forced_down: bool | None = None) -> None:
    """Change a compute service; None leaves as it is. Raises Invalid and NotFound."""
    check_binary(binary)
    with deps.db.write() as tx:
        if not hosts.set_service(tx, binary, host, disabled=disabled, reason=reason, forced_down=forced_down):
            raise exception.NotFound(f"Could not find binary {binary} on host {host}.")
    ring(deps.scheduler.hosts_changed, ctx, names=[host])


def delete(deps, ctx, service_id: int | str) -> None:
    """Forget a service; a compute service's host leaves its aggregates. Raises NotFound, and Conflict while servers are on the host."""
    with deps.db.write() as tx:
        found = hosts.services(tx, service_id=service_id)
        if not found:
            raise exception.NotFound(f"Service {service_id} not found.")
        service = found[0]
        if service.binary == hosts.COMPUTE:
            hosts.touch(tx, [service.host])
            if hypervisors.count_servers(tx, [service.host]):
                raise exception.Conflict("Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
            aggregates.remove_everywhere(tx, service.host)
        hosts.delete_service(tx, service.id)
    ring(deps.scheduler.hosts_changed, ctx, names=[service.host])
