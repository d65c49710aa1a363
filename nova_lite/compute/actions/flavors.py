"""What administrators may ask about flavors: create, describe, delete, share, and set extra specs. Each is one transaction."""
import uuid

from nova_lite import context as context_
from nova_lite import exception
from nova_lite.db import flavors
from nova_lite.db.models.compute import Flavor

LARGEST_FLOAT = 3.40282e+38


def create(deps, *, name: str, ram: int, vcpus: int, disk: int, flavorid: str | None = None, ephemeral: int = 0, swap: int = 0,
           rxtx_factor: float | str = 1.0, is_public: bool = True, description: str | None = None) -> Flavor:
    """A new flavor; ``ram`` and ``swap`` in MB, disks in GB; without ``flavorid`` it gets a UUID. Raises Invalid and Conflict."""
    factor = float(rxtx_factor)
    if not 0 < factor <= LARGEST_FLOAT:
        raise exception.Invalid(f"Invalid input received: 'rxtx_factor' argument must be a float between 0 and {LARGEST_FLOAT:g}")
    flavor = Flavor(flavorid=flavorid or str(uuid.uuid4()), name=name, memory_mb=ram, vcpus=vcpus, root_gb=disk, ephemeral_gb=ephemeral, swap=swap,
                    rxtx_factor=factor, is_public=is_public, disabled=False, description=description, extra_specs={})
    with deps.db.write() as tx:
        flavors.add(tx, flavor)
    return flavor


def describe(deps, flavorid: str, description: str | None) -> Flavor:
    """Change the description, the only thing of a flavor that may change. Raises FlavorNotFound."""
    with deps.db.write() as tx:
        flavor = flavors.get_locked(tx, flavorid)
        flavor.description = description
    return flavor


def delete(deps, flavorid: str) -> None:
    """Delete a flavor; servers keep their copies. Raises FlavorNotFound."""
    with deps.db.write() as tx:
        flavors.delete(tx, flavorid)


def share(deps, ctx: context_.RequestContext, flavorid: str, project_id: str, *, only_private: bool) -> list[str]:
    """Let a project use the flavor; returns all that may. Raises FlavorNotFound, and Conflict when it may already
    or, with ``only_private``, when all may.
    """
    with deps.db.write() as tx:
        flavor = flavors.get(tx, ctx, flavorid)
        if only_private and flavor.is_public:
            raise exception.Conflict("Can not add access to a public flavor.")
        flavors.add_access(tx, flavor, project_id)
        return flavors.list_access(tx, flavor)


def unshare(deps, ctx: context_.RequestContext, flavorid: str, project_id: str) -> list[str]:
    """No longer let a project use the flavor; returns those that still may. Raises FlavorNotFound and NotFound."""
    with deps.db.write() as tx:
        flavor = flavors.get(tx, ctx, flavorid)
        flavors.remove_access(tx, flavor, project_id)
        return flavors.list_access(tx, flavor)


def set_extra_specs(deps, flavorid: str, specs: dict[str, str]) -> None:
    """Add or replace extra specs. Raises FlavorNotFound."""
    with deps.db.write() as tx:
        flavor = flavors.get_locked(tx, flavorid)
        flavor.extra_specs = {**flavor.extra_specs, **specs}


def delete_extra_spec(deps, flavorid: str, key: str) -> None:
    """Remove one extra spec. Raises FlavorNotFound and NotFound."""
    with deps.db.write() as tx:
        flavor = flavors.get_locked(tx, flavorid)
        if key not in flavor.extra_specs:
            raise missing_extra_spec(flavorid, key)
        flavor.extra_specs = {name: value for name, value in flavor.extra_specs.items() if name != key}


def missing_extra_spec(flavorid: str, key: str) -> exception.NotFound:
    """The error of an extra spec that a flavor does not have."""
    return exception.NotFound(f"Flavor {flavorid} has no extra specs with key {key}.")
