"""Weighers over the columns of a host: free RAM, vCPUs and disk, work under way, failed builds, servers, hypervisor version, PCI devices."""
import numpy as np

from nova_lite.scheduler.core.weighers.rule import Weigher

SIZES = 8
"""How many sizes of servers, the most frequent ones, a hole is measured by."""

MOST_DEVICES = 100.0

DEARNESS = 2.0
"""What a lost server counts against a host that is full by as much; from 1 to 5 the trace of Azure packs alike."""


def column(name):
    """A weigher that is one column as it stands."""
    def prepare(query):
        values = getattr(query.table, name)
        return lambda rows: values[rows]
    return prepare


def pci(query):
    """Less for each free PCI device, up to so many: servers without devices stay away from them, others use up what has been begun."""
    holdings = query.table.holdings
    if not holdings.devices.any():
        return None
    return lambda rows: MOST_DEVICES - np.minimum(holdings.devices[rows], MOST_DEVICES - 1)


def best_fit(query):
    """How full a host is, vCPUs and RAM in equal parts of what it may promise: the fullest that still fits keeps large holes whole."""
    table = query.table
    return lambda rows: (table.vcpus_used[rows] / np.maximum(table.vcpus_cap[rows], 1.0)
                         + table.memory_used[rows] / np.maximum(table.memory_cap[rows], 1.0))


def holes(query):
    """Best fit, less ``DEARNESS`` for each server that would find no room any more if this one went there; each size by its share of demand.

    Sizes are learned from what was placed since the scheduler's start. So a small server fills a gap that is of no use to larger ones before it
    takes room that they would find.
    """
    table, request, full = query.table, query.request, best_fit(query)
    sizes = [(size, count) for size, count in table.demand.most_common(SIZES) if count > 0]
    total = sum(count for _size, count in sizes)

    def weigh(rows):
        vcpus, memory = table.vcpus_cap[rows] - table.vcpus_used[rows], table.memory_cap[rows] - table.memory_used[rows]
        lost = np.zeros(len(vcpus))
        for (size_vcpus, size_memory), count in sizes:
            before = _slots(vcpus, memory, size_vcpus, size_memory)
            lost += (before - _slots(vcpus - request.vcpus, memory - request.memory_mb, size_vcpus, size_memory)) * (count / total)
        return full(rows) - DEARNESS * lost
    return weigh


def _slots(vcpus, memory, size_vcpus, size_memory):
    return np.floor(np.minimum(vcpus / max(size_vcpus, 1), memory / max(size_memory, 1)))


WEIGHERS = (
    Weigher("RAMWeigher", column("memory_free"), "ram_weight_multiplier", floor=0.0),
    Weigher("CPUWeigher", column("vcpus_free"), "cpu_weight_multiplier", floor=0.0),
    Weigher("DiskWeigher", column("disk_free"), "disk_weight_multiplier", floor=0.0),
    Weigher("IoOpsWeigher", column("io_ops"), "io_ops_weight_multiplier", default=-1.0, floor=0.0),
    Weigher("BuildFailureWeigher", column("build_failures"), "build_failure_weight_multiplier", default=1000000.0, sign=-1.0, consumes=False),
    Weigher("NumInstancesWeigher", column("servers"), "num_instances_weight_multiplier", default=0.0),
    Weigher("HypervisorVersionWeigher", column("hypervisor_version"), "hypervisor_version_weight_multiplier", consumes=False),
    Weigher("PCIWeigher", pci, "pci_weight_multiplier"),
    Weigher("HolesWeigher", holes, "holes_weight_multiplier", default=0.0),
    Weigher("BestFitWeigher", best_fit, "best_fit_weight_multiplier", default=0.0),
)
