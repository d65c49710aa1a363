"""Request: what a server needs of a host, as one immutable value, and Options, what the operator configured.

``Request.of`` reads the copies that a server's row carries (flavor, image, request). Called by ``scheduler.manager``.
"""
import dataclasses
import math
from collections.abc import Mapping

from nova_lite.pci.aliases import Alias
from nova_lite.scheduler.core import resources
from nova_lite.scheduler.core.extras import Need

LEGACY_PROPERTIES = {
    "architecture": "hw_architecture", "hypervisor_type": "img_hv_type", "vm_mode": "hw_vm_mode",
    "hypervisor_version_requires": "img_hv_requested_version",
}
DEFAULT_FILTERS = (
    "AvailabilityZoneFilter", "ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter", "ServerGroupAntiAffinityFilter",
    "ServerGroupAffinityFilter",
)
NO_ITEMS: Mapping = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """A server group. ``hosts``: how many of its servers each host has; ``max_per_host`` counts for anti-affinity."""

    id: str
    policy: str
    hosts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    max_per_host: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One server's needs. Memory in MB, disk in GB.

    ``force_host``/``force_node`` skip the filters that are not about room; ``host``/``node`` name a destination that every filter still
    judges. ``excluded``: hosts not to use again. ``server_hosts``: where the servers that the hints name are. ``extras``: what else it needs.
    """

    vcpus: int
    memory_mb: int
    disk_gb: int
    zone: str | None = None
    project_id: str | None = None
    force_host: str | None = None
    force_node: str | None = None
    host: str | None = None
    node: str | None = None
    excluded: frozenset[str] = frozenset()
    flavor_name: str = ""
    image_id: str | None = None
    image: Mapping = dataclasses.field(default_factory=dict)
    extra_specs: Mapping = dataclasses.field(default_factory=dict)
    hints: Mapping = dataclasses.field(default_factory=dict)
    server_hosts: Mapping = dataclasses.field(default_factory=dict)
    group: Group | None = None
    extras: Need | None = None

    @classmethod
    def of(cls, flavor: Mapping, image: Mapping | None, request: Mapping | None, *, project_id: str | None = None,
           image_id: str | None = None, default_zone: str | None = None, server_hosts: Mapping = NO_ITEMS, group: Group | None = None,
           options: "Options | None" = None) -> "Request":
        """A request from the JSON copies in a server's row. ``default_zone``: zone of servers that ask for none."""
        image, request = image or NO_ITEMS, request or NO_ITEMS
        destination = request.get("destination") or NO_ITEMS
        properties = properties_of(image)
        need = Need.of(flavor, properties, options or Options())
        return cls(
            **amounts(flavor, 0 if need is None else need.dedicated),
            zone=request.get("availability_zone") or default_zone, project_id=project_id,
            force_host=request.get("force_host"), force_node=request.get("force_node"),
            host=destination.get("host"), node=destination.get("node"), excluded=frozenset(request.get("excluded") or ()),
            flavor_name=flavor.get("name") or "", image_id=image_id, image=properties,
            extra_specs=flavor.get("extra_specs") or NO_ITEMS, hints=request.get("hints") or NO_ITEMS,
            server_hosts=server_hosts, group=group, extras=need)


def amounts(flavor: Mapping, dedicated: int = 0) -> dict[str, int]:
    """vCPUs, MB of RAM, GB of disk that a server of the flavor takes; its extra specs may say otherwise (``resources:VCPU=0``).

    ``dedicated``: how many of its vCPUs are dedicated ones, which are counted elsewhere.
    """
    said = resources.said(flavor.get("extra_specs") or NO_ITEMS)
    own = {"vcpus": int(flavor["vcpus"]) - dedicated, "memory_mb": int(flavor["memory_mb"]), "disk_gb": disk_gb(flavor)}
    return own | {column: said[name] for name, column in resources.COLUMNS.items() if name in said}


def properties_of(image: Mapping) -> dict:
    """The properties in the copy of an image that a server keeps, under their present names."""
    return {LEGACY_PROPERTIES.get(name, name): value for name, value in (image.get("properties") or NO_ITEMS).items()}


def disk_gb(flavor: Mapping) -> int:
    """GB of disk that a server of the flavor takes: root, ephemeral, and swap (MB) rounded up."""
    return int(flavor.get("root_gb") or 0) + int(flavor.get("ephemeral_gb") or 0) + math.ceil(int(flavor.get("swap") or 0) / 1024)


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """The operator's choices, under the names of Nova's options (save ``max_servers_per_host``: its max_instances_per_host).

    ``multipliers``: the ``*_weight_multiplier`` values that differ from the weighers' defaults. ``pci_aliases``: as pci.aliases reads them.
    """

    enabled_filters: tuple[str, ...] = DEFAULT_FILTERS
    multipliers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    host_subset_size: int = 1
    shuffle_best_same_weighed_hosts: bool = False
    max_io_ops_per_host: int = 8
    max_servers_per_host: int = 50
    image_properties_default_architecture: str | None = None
    metrics_weight_setting: tuple[tuple[str, float], ...] = ()
    metrics_required: bool = True
    metrics_weight_of_unavailable: float = -10000.0
    image_props_weight_setting: tuple[tuple[str, float], ...] = ()
    isolated_images: tuple[str, ...] = ()
    isolated_hosts: tuple[str, ...] = ()
    restrict_isolated_hosts_to_isolated_images: bool = True
    aggregate_image_properties_isolation_namespace: str | None = None
    aggregate_image_properties_isolation_separator: str = "."
    pci_aliases: Mapping[str, Alias] = dataclasses.field(default_factory=dict)
