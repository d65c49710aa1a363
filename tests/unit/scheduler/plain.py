"""The rules read plainly, one host at a time, as their documentation puts them: what the columns of ``scheduler.core`` are compared with."""
import dataclasses
import ipaddress
import json
import math

from hypothesis import strategies as st

from nova_lite.numa.cells import HostCell
from nova_lite.numa.wanted import GuestCell, Wanted
from nova_lite.pci.aliases import Ask
from nova_lite.scheduler.core.extras import Need
from nova_lite.scheduler.core.request import Group, Options, Request
from nova_lite.scheduler.core.table import ALWAYS, NEVER, Aggregate, HostRow, HostTable

NOW = 1000.0
ARCHITECTURES = ("x86_64", "i686", "aarch64")
AGGREGATES = (
    Aggregate(1, "east", "east", {}),
    Aggregate(2, "west", "west", {"ram_weight_multiplier": "-1.0"}),
    Aggregate(3, "ssd", None, {"ssd": "true,yes", "max_io_ops_per_host": "1", "cpu_weight_multiplier": "2.5"}),
    Aggregate(4, "gold", None, {"filter_tenant_id": "p1, p2", "ssd": "false", "max_instances_per_host": "3"}),
    Aggregate(5, "more", None, {"filter_tenant_id_2": "p3", "instance_type": "small,large", "max_io_ops_per_host": "3"}),
    Aggregate(6, "odd", None, {"max_io_ops_per_host": "many", "hw_vm_mode": "hvm", "cores": "8", "ram_weight_multiplier": "x"}),
)

kinds = st.fixed_dictionaries({"total": st.integers(0, 6)}, optional={
    "reserved": st.integers(0, 2), "ratio": st.sampled_from([1.0, 1.5]), "min": st.integers(1, 2), "max": st.integers(1, 4),
    "step": st.integers(1, 2)})
classes = st.sampled_from(["CUSTOM_GOLD", "CUSTOM_SILVER"])
products = st.sampled_from(["0443", "0444"])
devices = st.lists(products, max_size=4).map(lambda found: [
    {"address": f"d{number}", "vendor_id": "8086", "product_id": product, "dev_type": "type-PCI"} for number, product in enumerate(found)])
cells = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([64, 128])), min_size=1, max_size=2).map(lambda found: {
    "vcpu_ratio": 1.0, "memory_ratio": 1.0, "cells": [
        HostCell(number, (), tuple(range(3 * number, 3 * number + count)), (), memory).as_json() for number, (count, memory) in enumerate(found)]})
extras = st.just({}) | st.fixed_dictionaries({}, optional={"resources": st.dictionaries(classes, kinds, min_size=1), "pci": devices, "numa": cells})
extras_used = st.just({}) | st.fixed_dictionaries({}, optional={
    "resources": st.dictionaries(classes, st.integers(1, 4), min_size=1),
    "pci": st.sets(st.sampled_from(["d0", "d1", "d2", "d3"]), min_size=1).map(sorted),
    "numa": st.just({"0": {"dedicated": [1], "memory_mb": 32}})})
asked = st.lists(st.tuples(st.integers(1, 2), products), max_size=2).map(lambda found: tuple(
    Ask(f"a{product}", count, ((("product_id", product),),)) for count, product in found))
pinned = st.tuples(st.integers(1, 3), st.sampled_from([32, 64, 128])).map(lambda found: Wanted((GuestCell((), tuple(range(found[0])), found[1]),)))
needs = st.none() | st.builds(Need, st.just("1"), st.dictionaries(classes, st.integers(1, 4)).map(lambda found: tuple(sorted(found.items()))), asked,
                              st.none() | pinned)

hosts = st.builds(
    HostRow, id=st.just(0), name=st.just("h"), node=st.just("n"), vcpus=st.integers(1, 8), memory_mb=st.integers(1, 16), disk_gb=st.integers(1, 16),
    vcpus_used=st.integers(0, 8), memory_mb_used=st.integers(0, 16), disk_gb_used=st.integers(0, 16), vcpus_reserved=st.integers(0, 2),
    memory_mb_reserved=st.integers(0, 4), disk_gb_reserved=st.integers(0, 2), vcpu_ratio=st.sampled_from([1.0, 1.1, 2.5, 0.7]),
    memory_ratio=st.sampled_from([1.0, 1.5]), disk_ratio=st.sampled_from([1.0, 0.9]), servers=st.integers(0, 5), io_ops=st.integers(0, 4),
    build_failures=st.integers(0, 2), hypervisor_type=st.sampled_from(["QEMU", "KVM"]), hypervisor_version=st.sampled_from([0, 6001002, 7000000]),
    host_ip=st.sampled_from(["10.0.0.1", "10.0.1.7", "2001:db8::1", "odd"]), enabled=st.booleans(),
    up_until=st.sampled_from([NOW, NOW - 0.5, NOW + 30, NEVER, ALWAYS]),
    supported=st.lists(st.tuples(st.sampled_from(ARCHITECTURES), st.sampled_from(["kvm", "qemu"]), st.sampled_from(["hvm", "xen"])), max_size=2).map(
        tuple),
    traits=st.sets(st.sampled_from(["CUSTOM_A", "CUSTOM_B", "HW_X"])).map(lambda each: tuple(sorted(each))),
    cpu_info=st.sampled_from(["", '{"arch":"x86_64","topology":{"cores":4},"features":["avx","sse"]}', '{"topology":{"cores":8}}']),
    aggregates=st.sets(st.integers(1, 6), max_size=3).map(lambda each: tuple(sorted(each))),
    metrics=st.dictionaries(st.sampled_from(["cpu.percent", "cpu.idle.percent", "other"]), st.sampled_from([0.0, 0.25, 1.0]), max_size=3),
    extras=extras, extras_used=extras_used,
)
host_lists = st.lists(hosts, min_size=1, max_size=12).map(
    lambda rows: [dataclasses.replace(row, id=index, name=f"h{index}", node=f"n{index}") for index, row in enumerate(rows)])
names = st.sampled_from([f"h{index}" for index in range(12)])
properties = st.fixed_dictionaries({}, optional={
    "hw_architecture": st.sampled_from(["x86_64", "amd64", "aarch64", "vax"]), "img_hv_type": st.sampled_from(["kvm", "QEMU"]),
    "hw_vm_mode": st.sampled_from(["hvm", "hv", "pv"]), "img_hv_requested_version": st.sampled_from([">=6.0", ">=6.1,<7", "6", "!=7.0.0"]),
    "ssd": st.sampled_from(["true", "no"]),
})
groups = st.none() | st.builds(Group, id=st.just("g"), policy=st.sampled_from(["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]),
                               hosts=st.dictionaries(names, st.integers(1, 3), max_size=4), max_per_host=st.integers(1, 2))
WANTS = (">= 4", "<= 4", "== 8", "!= 8", "= 2", ">= x", ">=", "s== QEMU", "s!= KVM", "s< Q", "s>= R", "s<= L", "s> L", "<in> avx", "<in>",
         "<all-in> avx sse", "<all-in> avx vmx", "<or> true <or> 8", "<or> QEMU", "8", "true", "yes", "QEMU", "")
extra_specs = st.dictionaries(st.sampled_from([
    "ssd", "cores", "aggregate_instance_extra_specs:ssd", "aggregate_instance_extra_specs:cores", "capabilities:vcpus_used",
    "capabilities:hypervisor_type", "capabilities:cpu_info:features", "capabilities:cpu_info:topology:cores", "capabilities:nothing",
    "capabilities:host_ip", "num_io_ops", "hw:cpu_policy", "free_ram_mb"]), st.sampled_from(WANTS), max_size=2) | st.dictionaries(
    st.sampled_from(["trait:CUSTOM_A", "trait:CUSTOM_B", "trait:HW_X"]), st.sampled_from(["required", "forbidden"]), max_size=2)
operands = st.sampled_from(["$free_ram_mb", "$num_io_ops", "$vcpus_total", "$hypervisor_type", "$host", "$cpu_info.topology.cores", "$unknown",
                            "$cpu_info.arch", 4, 2.5, 0, "QEMU", "x86_64", "h3", True])
comparisons = st.lists(operands, max_size=3).flatmap(lambda items: st.sampled_from(["=", "<", ">", "<=", ">=", "in"]).map(lambda op: [op, *items]))
queries = st.recursive(comparisons, lambda inner: st.tuples(st.sampled_from(["and", "or", "not"]), st.lists(inner, max_size=3)).map(
    lambda pair: [pair[0], *pair[1]]), max_leaves=5)
hints = st.fixed_dictionaries({}, optional={
    "different_host": st.lists(st.sampled_from(["s1", "s2", "s3"]), max_size=2) | st.just("s1"),
    "same_host": st.lists(st.sampled_from(["s1", "s2", "s3"]), max_size=2),
    "build_near_host_ip": st.sampled_from(["10.0.0.9", "2001:db8::9", "nonsense"]), "cidr": st.sampled_from(["/16", "/24", "/64", "x"]),
    "query": queries.map(json.dumps) | st.sampled_from(["{", '["xor", 1]', '"and"', "[]", '[["and"]]'])})
requests = st.builds(
    Request, vcpus=st.integers(1, 5), memory_mb=st.integers(1, 8), disk_gb=st.integers(0, 6), zone=st.sampled_from([None, "east", "nova", "mars"]),
    project_id=st.sampled_from(["p1", "p3", "p9"]), excluded=st.sets(names, max_size=2).map(frozenset), image=properties, group=groups,
    flavor_name=st.sampled_from(["small", "tiny"]), image_id=st.sampled_from([None, "i1", "i2"]), extra_specs=extra_specs, hints=hints,
    server_hosts=st.dictionaries(st.sampled_from(["s1", "s2"]), names), extras=needs)
options = st.builds(
    Options, metrics_weight_setting=st.sampled_from([(), (("cpu.percent", -1.0),), (("cpu.percent", 2.0), ("nobody.tells", 1.0)),
                                                     (("cpu.percent", -1.0), ("cpu.idle.percent", 0.5), ("nobody.tells", 0.0))]),
    metrics_required=st.booleans(), metrics_weight_of_unavailable=st.sampled_from([-10000.0, 0.0]),
    max_io_ops_per_host=st.integers(1, 4), max_servers_per_host=st.integers(1, 5),
    image_properties_default_architecture=st.sampled_from([None, "x86_64"]), isolated_images=st.sampled_from([(), ("i1",)]),
    isolated_hosts=st.sampled_from([(), ("h0", "h2", "gone")]), restrict_isolated_hosts_to_isolated_images=st.booleans(),
    aggregate_image_properties_isolation_namespace=st.sampled_from([None, "hw_vm", "ssd"]),
    aggregate_image_properties_isolation_separator=st.sampled_from([".", "_"]))


def table_of(rows) -> HostTable:
    """A table of the rows, in the world of AGGREGATES."""
    table = HostTable()
    table.set_aggregates(AGGREGATES)
    for row in rows:
        table.put(row)
    return table


def aggregates_of(host: HostRow) -> list[Aggregate]:
    return [aggregate for aggregate in AGGREGATES if aggregate.id in host.aggregates]


def metadata_of(host: HostRow) -> dict[str, set[str]]:
    """All metadata of the host's aggregates, values split at commas."""
    found: dict[str, set[str]] = {}
    for aggregate in aggregates_of(host):
        for key, value in aggregate.meta.items():
            found.setdefault(key, set()).update(part.strip() for part in value.split(","))
    return found


def has_room(host: HostRow, request: Request) -> bool:
    return all(amount <= total and used + amount <= math.floor((total - reserved) * ratio) for amount, total, used, reserved, ratio in (
        (request.vcpus, host.vcpus, host.vcpus_used, host.vcpus_reserved, host.vcpu_ratio),
        (request.memory_mb, host.memory_mb, host.memory_mb_used, host.memory_mb_reserved, host.memory_ratio),
        (request.disk_gb, host.disk_gb, host.disk_gb_used, host.disk_gb_reserved, host.disk_ratio)) if amount)


def zone(host: HostRow, request: Request, options: Options) -> bool:
    zones = [aggregate.zone for aggregate in aggregates_of(host) if aggregate.zone]
    return request.zone is None or request.zone == (zones[0] if zones else "nova")


def alive(host: HostRow, request: Request, options: Options) -> bool:
    return host.enabled and host.up_until >= NOW


SPELLINGS = {"amd64": "x86_64", "hv": "hvm", "pv": "xen", "QEMU": "qemu"}
VERSIONS = {
    (">=6.0", 6001002): True, (">=6.0", 7000000): True, (">=6.1,<7", 6001002): True, (">=6.1,<7", 7000000): False, ("6", 6001002): False,
    ("6", 7000000): False, ("!=7.0.0", 6001002): True, ("!=7.0.0", 7000000): False,
}


def image(host: HostRow, request: Request, options: Options) -> bool:
    wanted = [request.image.get("hw_architecture") or options.image_properties_default_architecture, request.image.get("img_hv_type"),
              request.image.get("hw_vm_mode")]
    wanted = [SPELLINGS.get(value, value) for value in wanted if value]
    if not wanted:
        return True
    version = request.image.get("img_hv_requested_version")
    fits = not version or not host.hypervisor_version or VERSIONS[version, host.hypervisor_version]
    return fits and any(set(wanted) <= set(triple) for triple in host.supported)


def anti_affinity(host: HostRow, request: Request, options: Options) -> bool:
    group = request.group
    return group is None or group.policy != "anti-affinity" or group.hosts.get(host.name, 0) < group.max_per_host


def affinity(host: HostRow, request: Request, options: Options) -> bool:
    group = request.group
    return group is None or group.policy != "affinity" or not group.hosts or host.name in group.hosts


def hinted(request: Request, hint: str) -> list[str]:
    value = request.hints.get(hint) or []
    return [value] if isinstance(value, str) else value


def different_host(host: HostRow, request: Request, options: Options) -> bool:
    return host.name not in [request.server_hosts.get(server) for server in hinted(request, "different_host")]


def same_host(host: HostRow, request: Request, options: Options) -> bool:
    servers = hinted(request, "same_host")
    return not servers or host.name in [request.server_hosts.get(server) for server in servers]


def near(host: HostRow, request: Request, options: Options) -> bool:
    if "build_near_host_ip" not in request.hints:
        return True
    try:
        network = ipaddress.ip_network(request.hints["build_near_host_ip"] + request.hints.get("cidr", "/24"), strict=False)
        return ipaddress.ip_address(host.host_ip) in network
    except ValueError:
        return False


def satisfies(value: str, want: str) -> bool:
    """The operators of extra specs."""
    first, *rest = want.split() or [""]
    if first == "<or>":
        return value in [word for word in rest if word != "<or>"]
    if first not in ("=", "==", "!=", ">=", "<=", "s==", "s!=", "s<", "s<=", "s>", "s>=", "<in>", "<all-in>"):
        return value == want
    if not rest:
        return False
    if first in ("<in>", "<all-in>"):
        return all(word in value for word in (rest if first == "<all-in>" else rest[:1]))
    one, two = value, rest[0]
    if not first.startswith("s"):
        try:
            one, two = float(one), float(two)
        except ValueError:
            return False
    return {"=": one >= two, "==": one == two, "!=": one != two, ">=": one >= two, "<=": one <= two, "s==": one == two, "s!=": one != two,
            "s<": one < two, "s<=": one <= two, "s>": one > two, "s>=": one >= two}[first]


def aggregate_extra_specs(host: HostRow, request: Request, options: Options) -> bool:
    have = metadata_of(host)
    for key, want in request.extra_specs.items():
        scope, *rest = key.split(":", 1)
        if rest and scope != "aggregate_instance_extra_specs":
            continue
        if not any(satisfies(value, want) for value in have.get(rest[0] if rest else key, ())):
            return False
    return True


def attribute(host: HostRow, path: list[str]):
    """What a host says of itself under Nova's names; None where it says nothing."""
    known = {
        "vcpus_used": host.vcpus_used, "vcpus_total": host.vcpus, "hypervisor_type": host.hypervisor_type, "host_ip": host.host_ip,
        "num_io_ops": host.io_ops, "free_ram_mb": host.memory_mb - host.memory_mb_reserved - host.memory_mb_used, "host": host.name,
        "cpu_info": json.loads(host.cpu_info or "{}")}
    value = known
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def capabilities(host: HostRow, request: Request, options: Options) -> bool:
    for key, want in request.extra_specs.items():
        scope, *path = key.split(":")
        if scope != "capabilities":
            if path or attribute(host, [scope]) is None:
                continue
            path = [scope]
        value = attribute(host, path)
        if value is None or not satisfies(str(value), want):
            return False
    return True


def traits(host: HostRow, request: Request, options: Options) -> bool:
    return all((key.removeprefix("trait:") in host.traits) is (value == "required")
               for key, value in request.extra_specs.items() if key.startswith("trait:"))


def image_isolation(host: HostRow, request: Request, options: Options) -> bool:
    namespace = options.aggregate_image_properties_isolation_namespace
    prefix = namespace + options.aggregate_image_properties_isolation_separator if namespace else ""
    return all(request.image[key] in values for key, values in metadata_of(host).items() if key.startswith(prefix) and key in request.image)


def project_isolation(host: HostRow, request: Request, options: Options) -> bool:
    projects = [project for key, values in metadata_of(host).items() if key.startswith("filter_tenant_id") for project in values]
    return not projects or request.project_id in projects


def type_affinity(host: HostRow, request: Request, options: Options) -> bool:
    flavors = metadata_of(host).get("instance_type")
    return not flavors or request.flavor_name in flavors


def limit_of(host: HostRow, key: str, default: int) -> int:
    values = [aggregate.meta[key] for aggregate in aggregates_of(host) if key in aggregate.meta]
    return min((int(value) for value in values), default=default) if all(value.isdigit() for value in values) else default


def isolated(host: HostRow, request: Request, options: Options) -> bool:
    image_isolated, host_isolated = request.image_id in options.isolated_images, host.name in options.isolated_hosts
    if options.restrict_isolated_hosts_to_isolated_images:
        return image_isolated == host_isolated
    return host_isolated or not image_isolated


def metrics(host: HostRow, request: Request, options: Options) -> bool:
    """The host tells every metric that is to be weighed, whatever its ratio."""
    return all(name in host.metrics for name, _ratio in options.metrics_weight_setting)


def custom_resources(host: HostRow, request: Request, options: Options) -> bool:
    """Each class: within what one server may take, and the sum within what is promised."""
    for name, amount in request.extras.resources if request.extras else ():
        kind = host.extras.get("resources", {}).get(name)
        if kind is None or amount < kind.get("min", 1) or amount > kind.get("max", 9) or amount % kind.get("step", 1):
            return False
        used = host.extras_used.get("resources", {}).get(name, 0)
        if used + amount > math.floor((kind["total"] - kind.get("reserved", 0)) * kind.get("ratio", 1.0)):
            return False
    return True


def free_devices(host: HostRow) -> list[str]:
    """Products of the devices that nobody has."""
    return [device["product_id"] for device in host.extras.get("pci", []) if device["address"] not in host.extras_used.get("pci", [])]


def pci_devices(host: HostRow, request: Request, options: Options) -> bool:
    """Of each product as many free devices as all asks for it together want."""
    wanted = [dict(ask.specs[0])["product_id"] for ask in (request.extras.pci if request.extras else ()) for _ in range(ask.count)]
    return all(free_devices(host).count(product) >= wanted.count(product) for product in wanted)


def numa_topology(host: HostRow, request: Request, options: Options) -> bool:
    """A cell with as many free dedicated CPUs and as much free memory; and devices, which may be anywhere here."""
    asked = request.extras.numa if request.extras else None
    if asked is None:
        return True
    count, memory, found = len(asked.cells[0].pinned), asked.cells[0].memory_mb, False
    for cell in host.extras.get("numa", {}).get("cells", []):
        used = host.extras_used.get("numa", {}).get(str(cell["id"]), {})
        first = 3 * cell["id"]
        there = [cpu for cpu in range(first, first + 3) if str(cpu) in cell["dedicated"].replace("-", f",{first + 1},")]
        free = [cpu for cpu in there if cpu not in used.get("dedicated", [])]
        found |= len(free) >= count and cell["memory_mb"] - used.get("memory_mb", 0) >= memory
    return found and pci_devices(host, request, options)


def told(host: HostRow, options: Options) -> float:
    """The sum of what the host tells, each times its ratio; the option's value where it lacks one that counts."""
    counted = [(name, ratio) for name, ratio in options.metrics_weight_setting if ratio]
    if any(name not in host.metrics for name, _ratio in counted):
        return options.metrics_weight_of_unavailable
    return sum(host.metrics[name] * ratio for name, ratio in counted)


def ask(tree, host: HostRow) -> bool:
    """A JSON query for one host."""
    if not tree:
        return True
    values = []
    for item in tree[1:]:
        if isinstance(item, list):
            values.append(ask(item, host))
        elif not (isinstance(item, str) and item.startswith("$")):
            values.append(item)
        elif item != "$unknown":
            values.append(attribute(host, item[1:].split(".")))
    if tree[0] in ("and", "or", "not"):
        return {"and": all(values), "or": any(values), "not": any(not value for value in values)}[tree[0]]
    if len(values) < 2:
        return False
    if tree[0] == "in":
        return values[0] in values[1:]
    return all(compare(tree[0], values[0], value) for value in values[1:])


def compare(sign: str, one, two) -> bool:
    if sign == "=":
        return one == two
    try:
        return {"<": lambda: one < two, ">": lambda: one > two, "<=": lambda: one <= two, ">=": lambda: one >= two}[sign]()
    except TypeError:
        return False


def json_query(host: HostRow, request: Request, options: Options) -> bool:
    if not request.hints.get("query"):
        return True
    return request.hints["query"] == "[]" or (request.hints["query"] not in ("{", '["xor", 1]', '"and"', '[["and"]]')
                                              and ask(json.loads(request.hints["query"]), host))


FILTERS = {
    "ServerGroupAffinityFilter": affinity,
    "DifferentHostFilter": different_host,
    "SameHostFilter": same_host,
    "SimpleCIDRAffinityFilter": near,
    "ComputeCapabilitiesFilter": capabilities,
    "TraitsFilter": traits,
    "AggregateImagePropertiesIsolation": image_isolation,
    "AggregateInstanceExtraSpecsFilter": aggregate_extra_specs,
    "AggregateMultiTenancyIsolation": project_isolation,
    "AggregateTypeAffinityFilter": type_affinity,
    "IoOpsFilter": lambda host, request, options: host.io_ops < options.max_io_ops_per_host,
    "NumInstancesFilter": lambda host, request, options: host.servers < options.max_servers_per_host,
    "AggregateIoOpsFilter": lambda host, request, options: host.io_ops < limit_of(host, "max_io_ops_per_host", options.max_io_ops_per_host),
    "AggregateNumInstancesFilter": lambda host, request, options: host.servers < limit_of(
        host, "max_instances_per_host", options.max_servers_per_host),
    "IsolatedHostsFilter": isolated,
    "JsonFilter": json_query,
    "MetricsFilter": metrics,
    "CustomResourcesFilter": custom_resources,
    "PciPassthroughFilter": pci_devices,
    "NUMATopologyFilter": numa_topology,
    "AllHostsFilter": lambda host, request, options: True,
    "AvailabilityZoneFilter": zone,
    "ComputeFilter": alive,
    "ImagePropertiesFilter": image,
    "ServerGroupAntiAffinityFilter": anti_affinity,
}


def weight_columns(rows, request: Request) -> list[tuple[str, float, float, list[float], float | None]]:
    """(option, default multiplier, sign, raw weights, floor) of each weigher."""
    group = request.group
    soft = [float(group.hosts.get(host.name, 0)) if group else 0.0 for host in rows]
    return [
        ("ram_weight_multiplier", 1.0, 1.0, [float(h.memory_mb - h.memory_mb_reserved - h.memory_mb_used) for h in rows], 0.0),
        ("cpu_weight_multiplier", 1.0, 1.0, [(h.vcpus - h.vcpus_reserved) * h.vcpu_ratio - h.vcpus_used for h in rows], 0.0),
        ("disk_weight_multiplier", 1.0, 1.0, [float(h.disk_gb - h.disk_gb_reserved - h.disk_gb_used) for h in rows], 0.0),
        ("io_ops_weight_multiplier", -1.0, 1.0, [float(h.io_ops) for h in rows], 0.0),
        ("build_failure_weight_multiplier", 1000000.0, -1.0, [float(h.build_failures) for h in rows], None),
        ("num_instances_weight_multiplier", 0.0, 1.0, [float(h.servers) for h in rows], None),
        ("pci_weight_multiplier", 1.0, 1.0, [100.0 - min(len(free_devices(h)), 99) for h in rows], None),
        ("hypervisor_version_weight_multiplier", 1.0, 1.0, [float(h.hypervisor_version) for h in rows], None),
        ("soft_affinity_weight_multiplier", 1.0, 1.0, soft if group and group.policy == "soft-affinity" else [0.0] * len(rows), None),
        ("soft_anti_affinity_weight_multiplier", 1.0, -1.0, soft if group and group.policy == "soft-anti-affinity" else [0.0] * len(rows), None),
    ]


def full(host: HostRow) -> float:
    """How full a host is: parts of what it may promise of vCPUs and of RAM, added."""
    parts = ((host.vcpus_used, (host.vcpus - host.vcpus_reserved) * host.vcpu_ratio),
             (host.memory_mb_used, (host.memory_mb - host.memory_mb_reserved) * host.memory_ratio))
    return sum(used / max(math.floor(cap), 1) for used, cap in parts)


def lost_servers(host: HostRow, request: Request, demand: dict[tuple[int, int], int]) -> float:
    """How many servers fewer fit once the request is there, each size by its share of demand."""
    vcpus = math.floor((host.vcpus - host.vcpus_reserved) * host.vcpu_ratio) - host.vcpus_used
    memory = math.floor((host.memory_mb - host.memory_mb_reserved) * host.memory_ratio) - host.memory_mb_used
    lost = 0.0
    for (size_vcpus, size_memory), count in demand.items():
        before = min(vcpus // size_vcpus, memory // size_memory)
        after = min((vcpus - request.vcpus) // size_vcpus, (memory - request.memory_mb) // size_memory)
        lost += (before - after) * count / sum(demand.values())
    return lost


def multiplier_of(host: HostRow, option: str, base: float) -> float:
    """The least of what the host's aggregates say, else the option; a value that is no number counts as not said."""
    try:
        return min((float(aggregate.meta[option]) for aggregate in aggregates_of(host) if option in aggregate.meta), default=base)
    except ValueError:
        return base


def weigh(rows, request: Request, options: Options) -> list[float]:
    """The weight in all of each host, normalised over ``rows``."""
    totals = [0.0] * len(rows)
    for option, default, sign, raw, floor in weight_columns(rows, request):
        if floor is not None:
            raw = [max(value, floor) for value in raw]
        low, high = min(raw) if floor is None else floor, max(raw)
        if high <= low:
            continue
        for index, host in enumerate(rows):
            multiplier = multiplier_of(host, option, options.multipliers.get(option, default))
            totals[index] += sign * multiplier * (raw[index] - low) / (high - low)
    return totals


def passing(rows, request: Request, options: Options) -> list[HostRow]:
    """The hosts that each rule lets through."""
    return [host for host in rows if host.name not in request.excluded and has_room(host, request)
            and traits(host, request, options) and custom_resources(host, request, options)
            and pci_devices(host, request, options) and all(FILTERS[name](host, request, options) for name in options.enabled_filters)]
