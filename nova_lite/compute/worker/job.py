"""A Job: one task of one server on this host, with all that its steps need."""
import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

from nova_lite.compute import metadata
from nova_lite.compute.worker import disks
from nova_lite.compute.worker.transfer import Channel
from nova_lite.context import RequestContext
from nova_lite.db import extras
from nova_lite.db.engine import Database
from nova_lite.db.models import Server
from nova_lite.image.keeper import Keeper
from nova_lite.network.actions import server_ports
from nova_lite.numa import cells
from nova_lite.numa import wanted as topologies
from nova_lite.virt import types
from nova_lite.virt.driver import Driver, Fetch


@dataclasses.dataclass(frozen=True)
class Workshop:
    """What every job on this host shares. ``network``, ``scheduler``: RPC clients; ``fetch``: image bytes by id; ``images`` takes new ones.

    Timeouts in seconds; ``shelved_offload_time``: after how many a shelved server leaves its host, 0 at once, -1 never.
    """

    db: Database
    host: str
    driver: Driver
    network: Any
    scheduler: Any
    fetch: Fetch
    images: Keeper
    shutdown_timeout: int = 60
    reboot_timeout: int = 60
    max_attempts: int = 3
    down_time: float = 60.0
    shelved_offload_time: float = 0
    dns_domain: str = "novalocal"
    compute: Any = None
    departures: Any = None
    """RPC clients of the compute workers (interfaces.compute, interfaces.departures)."""
    channel: Channel = Channel()
    """How disks go between hosts."""
    departing: dict = dataclasses.field(default_factory=dict)
    """Guests that are being ended here because their servers move away; see departures."""
    vendor_data: dict = dataclasses.field(default_factory=dict)
    peers: Any = None
    """RPC client of the other compute workers (interfaces.live)."""
    live_turns: Any = None
    """A semaphore: moves of running guests that this host is the source of at once; None: any number."""


@dataclasses.dataclass(frozen=True)
class Job:
    """``server`` is the row as it was when the job began, ``token`` its task's; ``alternates`` other hosts that could take a build.

    ``again``: the task was begun before by a worker that is gone. ``secret``: what came with the bell and is written nowhere.
    ``epoch``: the worker's. ``failures``: builds that failed on the host since the last good one.
    """

    shop: Workshop
    ctx: RequestContext
    server: Server
    token: str
    started: datetime.datetime
    alternates: tuple[str, ...] = ()
    again: bool = False
    secret: str | None = None
    epoch: int | None = None
    failures: int = 0


Handler = Callable[[Job], dict | None]
"""Carries out a job; the columns to change at its success, or None when it ended the task itself."""


def prepare_networks(job: Job, nics: list[dict]) -> None:
    """Have the network worker of this host make what the NICs plug into. Raises RpcTimeout and the worker's errors."""
    ids = sorted({nic["network_id"] for nic in nics})
    if ids:
        job.shop.network.prepare(job.ctx, job.shop.host, network_ids=ids)


def changed(job: Job, **columns) -> Job:
    """The job with its server as it would be with other values in ``columns``; nothing is written."""
    present = {attribute.key: getattr(job.server, attribute.key) for attribute in Server.__mapper__.column_attrs}
    return dataclasses.replace(job, server=Server(**{**present, **columns}))


def describe(job: Job, nics: list[dict], groups: list[str] = ()) -> types.Guest:
    """The guest of the job's server as the driver wants it."""
    server, properties = job.server, job.server.image.get("properties", {})
    topology = topologies.read(server.flavor, properties)
    boots = server.request.get("rescue_image") or server.image
    flavor = server.flavor
    drive = None
    if server.config_drive:
        drive = metadata.config_drive(server, nics, job.shop.dns_domain, list(groups), job.shop.vendor_data)
    promised = _promised(job) if flavor["extra_specs"] or topology else {}
    return types.Guest(
        server_id=server.id, name=server.name, project_id=server.project_id, user_id=server.user_id, flavor_name=flavor["name"],
        vcpus=flavor["vcpus"], memory_mb=flavor["memory_mb"], disks=disks.of_server(server, drive is not None),
        nics=tuple(types.Nic(nic["port_id"], nic["mac"], nic["bridge"], nic["tap"], properties.get("hw_vif_model", "virtio"), nic["mtu"])
                   for nic in nics),
        kernel=disks.source(boots.get("kernel_id")), ramdisk=disks.source(boots.get("ramdisk_id")),
        kernel_cmdline=properties.get("os_command_line"), properties=properties, extra_specs=flavor["extra_specs"], config_drive=drive,
        pci=tuple(types.PciDevice(device["address"], device.get("managed", True)) for device in promised.get("pci", ())),
        topology=topology, lying=cells.read_assignment(promised["numa"]) if "numa" in promised else None)


def _promised(job: Job) -> dict:
    """What this host has promised the server in its present flavor besides room: ``guest`` of its hold (db.extras)."""
    with job.shop.db.read() as tx:
        holds = extras.of_server(tx, job.server.id, job.shop.host)
    return holds.get(job.server.flavorid, {}).get("guest", {})


def description(job: Job) -> tuple[types.Guest, list[dict]]:
    """The guest of a server that has its ports, and the NICs themselves."""
    with job.shop.db.read() as tx:
        nics = server_ports.nics(tx, job.server.id)
        groups = server_ports.security_groups(tx, job.server.project_id, nics)
    return describe(job, nics, groups), nics
