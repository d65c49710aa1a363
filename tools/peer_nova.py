#!/usr/bin/env python3
"""Time upstream Nova's filters and weighers on given hosts and requests: what ``bench_scheduler.py --peer-nova`` runs in Nova's virtualenv.

Standard input: JSON ``{"hosts": [...], "aggregates": [...], "requests": [...]}`` as ``bench_scheduler`` writes it. Standard output: one JSON line
``{"version": ..., "seconds": [...], "passing": [...]}``; seconds of CPU.
All of Nova's default filters and weighers are in force; no database, no placement.
"""
import datetime
import importlib.metadata
import json
import sys
import time
import uuid

import eventlet

eventlet.monkey_patch()

import nova.conf  # noqa: E402
from nova import context, objects  # noqa: E402
from nova.objects import fields  # noqa: E402
from nova.scheduler import filters, host_manager, weights  # noqa: E402
from nova.scheduler.host_manager import ReadOnlyDict  # noqa: E402

CONF = nova.conf.CONF


def make_state(host: dict, aggregates: dict):
    """One host as Nova's scheduler holds it."""
    state = host_manager.HostState(host["name"], host["node"], str(uuid.UUID(int=0)))
    state.uuid = str(uuid.uuid4())
    state.total_usable_ram_mb, state.free_ram_mb = host["memory_mb"], host["memory_mb"] - host["memory_mb_used"]
    state.total_usable_disk_gb, state.free_disk_mb = host["disk_gb"], (host["disk_gb"] - host["disk_gb_used"]) * 1024
    state.disk_mb_used, state.vcpus_total, state.vcpus_used = host["disk_gb_used"] * 1024, host["vcpus"], host["vcpus_used"]
    state.num_instances, state.num_io_ops, state.failed_builds = host["servers"], host["io_ops"], host["build_failures"]
    state.host_ip, state.hypervisor_type, state.hypervisor_version = "10.0.0.1", host["hypervisor_type"], host["hypervisor_version"]
    state.hypervisor_hostname, state.cpu_info, state.stats = host["node"], "{}", {}
    state.supported_instances = host["supported"]
    state.cpu_allocation_ratio, state.ram_allocation_ratio, state.disk_allocation_ratio = host["vcpu_ratio"], 1.0, 1.0
    state.aggregates = [aggregates[each] for each in host["aggregates"]]
    state.metrics = objects.MonitorMetricList(objects=[])
    now = datetime.datetime.now(datetime.UTC)
    state.service = ReadOnlyDict({
        "host": host["name"], "binary": "nova-compute", "topic": "compute", "disabled": not host["enabled"], "disabled_reason": "",
        "forced_down": False, "last_seen_up": now, "created_at": now, "updated_at": now, "report_count": 1})
    return state


def make_request(request: dict):
    """One request as Nova's API hands it to the scheduler."""
    flavor = objects.Flavor(vcpus=request["vcpus"], memory_mb=request["memory_mb"], root_gb=request["disk_gb"], ephemeral_gb=0, swap=0,
                            name="f", flavorid="f", extra_specs={})
    image = objects.ImageMeta(properties=objects.ImageMetaProps(hw_architecture=fields.Architecture.X86_64))
    return objects.RequestSpec(
        context=context.get_admin_context(), flavor=flavor, image=image, instance_uuid=str(uuid.uuid4()), project_id="p", num_instances=1,
        availability_zone=request["zone"], scheduler_hints={}, ignore_hosts=None, force_hosts=None, force_nodes=None, instance_group=None,
        pci_requests=objects.InstancePCIRequests(requests=[]), numa_topology=None, requested_destination=None, retry=None, limits=None,
        requested_resources=[], request_level_params=objects.RequestLevelParams())


def main() -> None:
    given = json.load(sys.stdin)
    CONF([], project="nova", default_config_files=[])
    objects.register_all()
    aggregates = {each["id"]: objects.Aggregate(id=each["id"], name=each["name"], metadata=each["meta"], hosts=[]) for each in given["aggregates"]}
    states = [make_state(host, aggregates) for host in given["hosts"]]
    filtering, weighing = filters.HostFilterHandler(), weights.HostWeightHandler()
    known = {each.__name__: each for each in filtering.get_matching_classes(CONF.filter_scheduler.available_filters)}
    enabled = [known[name]() for name in CONF.filter_scheduler.enabled_filters]
    weighers = [each() for each in weighing.get_matching_classes(CONF.filter_scheduler.weight_classes)]
    seconds, passing = [], []
    for request in given["requests"]:
        spec = make_request(request)
        begun = time.process_time()
        passed = filtering.get_filtered_objects(enabled, states, spec, 0)
        weighed = weighing.get_weighed_objects(weighers, passed, spec)
        seconds.append(time.process_time() - begun)
        passing.append(len(weighed))
    print(json.dumps({"version": importlib.metadata.version("nova"), "seconds": seconds, "passing": passing,
                      "filters": CONF.filter_scheduler.enabled_filters, "weighers": sorted(type(each).__name__ for each in weighers)}))


if __name__ == "__main__":
    main()
