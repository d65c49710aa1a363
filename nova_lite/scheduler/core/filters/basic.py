"""Availability zone, compute service enabled and alive, and what the image demands of the hypervisor."""
import re

from nova_lite.scheduler.core.filters.rule import Filter

ARCHITECTURES = {
    "x86-64": "x86_64", "x86_32": "i686", "amd64": "x86_64", "x64": "x86_64", "i386": "i686", "i486": "i686", "i586": "i686", "x86": "i686",
    "ppc64el": "ppc64le", "arm64": "aarch64",
}
VM_MODES = {"pv": "xen", "hv": "hvm", "baremetal": "hvm"}
COMPARISONS = {
    "<": lambda x, y: x < y, "<=": lambda x, y: x <= y, "==": lambda x, y: x == y, "!=": lambda x, y: x != y, ">=": lambda x, y: x >= y,
    ">": lambda x, y: x > y,
}
PREDICATE = re.compile(r"^\s*(<=|>=|<|>|!=|==)\s*([0-9][0-9.]*)\s*$")


def all_hosts(query):
    return None


def availability_zone(query):
    if query.request.zone is None:
        return None
    table, zone = query.table, query.table.zones.find(query.request.zone)
    return lambda rows: table.zone[rows] == zone


def compute(query):
    table, now = query.table, query.now
    return lambda rows: table.enabled[rows] & (table.up_until[rows] >= now)


def canonical_architecture(name: str | None) -> str | None:
    """The one spelling of an architecture: ``amd64`` is ``x86_64``."""
    name = name.lower() if name else None
    return ARCHITECTURES.get(name, name)


def version_satisfies(version: int, predicate: str) -> bool:
    """Whether a version number (6001002 is 6.1.2) satisfies ``>=6.0, <7``. A predicate that cannot be read is satisfied by none."""
    have = (version // 1000000, version // 1000 % 1000, version % 1000)
    for part in predicate.split(","):
        match = PREDICATE.match(part)
        if match is None:
            return False
        numbers = [int(number) for number in match.group(2).split(".") if number]
        if not COMPARISONS[match.group(1)](have, tuple((numbers + [0, 0])[:3])):
            return False
    return True


def image_properties(query):
    table, image = query.table, query.request.image
    mode = str(image["hw_vm_mode"]).lower() if image.get("hw_vm_mode") else None
    wanted = tuple(value for value in (
        canonical_architecture(image.get("hw_architecture") or query.options.image_properties_default_architecture),
        str(image["img_hv_type"]).lower() if image.get("img_hv_type") else None,
        VM_MODES.get(mode, mode)) if value)
    if not wanted:
        return None
    classes = table.lookup(table.supported_sets, ("image", wanted),
                           lambda supported: any(all(value in triple for value in wanted) for triple in supported))
    predicate = image.get("img_hv_requested_version")
    if not predicate:
        return lambda rows: classes[table.supported_class[rows]]
    return lambda rows: classes[table.supported_class[rows]] & _versions(table.hypervisor_version[rows], str(predicate))


def _versions(column, predicate):
    mask = column == 0
    for version in set(column[~mask].tolist()):
        if version_satisfies(int(version), predicate):
            mask |= column == version
    return mask


FILTERS = (
    Filter("AllHostsFilter", all_hosts, "", ""),
    Filter("AvailabilityZoneFilter", availability_zone, "is in another zone", "are in other zones"),
    Filter("ComputeFilter", compute, "is disabled or down", "are disabled or down", when_forced=True),
    Filter("ImagePropertiesFilter", image_properties, "cannot run the image's architecture, hypervisor type or VM mode",
           "cannot run the image's architecture, hypervisor type or VM mode"),
)
