"""Room: RAM, vCPUs and disk, with reserved amounts and allocation ratios. No single server may exceed what a host really has."""
from nova_lite.scheduler.core.filters.rule import Filter


def ram(query):
    table, amount = query.table, query.request.memory_mb
    return lambda rows: table.memory_room[rows] >= amount


def vcpus(query):
    table, amount = query.table, query.request.vcpus
    return lambda rows: table.vcpus_room[rows] >= amount


def disk(query):
    table, amount = query.table, query.request.disk_gb
    return (lambda rows: table.disk_room[rows] >= amount) if amount else None


FILTERS = (
    Filter("RamFilter", ram, "lacks {request.memory_mb} MB of RAM", "lack {request.memory_mb} MB of RAM", consumes=True, when_forced=True),
    Filter("CoreFilter", vcpus, "lacks {request.vcpus} vCPUs", "lack {request.vcpus} vCPUs", consumes=True, when_forced=True),
    Filter("DiskFilter", disk, "lacks {request.disk_gb} GB of disk", "lack {request.disk_gb} GB of disk", consumes=True, when_forced=True),
)
