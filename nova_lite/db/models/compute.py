"""Tables of the compute and scheduler rooms: servers and what hangs on them, flavors, key pairs, quotas, services, hosts, allocations."""
import datetime

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Mapped, mapped_column

from nova_lite.db.models.base import Base, Json, LongText, Moment, Name, Owner, Uuid, created_at, updated_at


class Server(Base):
    """A server: what the user asked for, what it is now, and the task that works on it.

    ``disks``: what the user said of its local disks (compute.local_disks); the flavor says the rest.
    ``flavor`` and ``image_properties`` are copies, so that a changed flavor or image does not change the server. ``request`` holds what only
    the build needs (networks asked for, personality, hints, admin password) and is emptied once the server is ACTIVE. ``decision``: how the
    scheduler came to its host, or why it found none. ``task_host``: who carries out the task where that is not ``host``; empty while a
    scheduler has to say so.
    """

    __tablename__ = "servers"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    project_id: Mapped[str] = mapped_column(Owner)
    user_id: Mapped[str] = mapped_column(Owner)
    reservation_id: Mapped[str] = mapped_column(sa.String(32), index=True)
    launch_index: Mapped[int] = mapped_column(default=0)
    name: Mapped[str] = mapped_column(Name)
    hostname: Mapped[str] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(Name)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()
    changed_at: Mapped[datetime.datetime] = mapped_column(Moment, index=True)
    launched_at: Mapped[datetime.datetime | None] = mapped_column(Moment)
    terminated_at: Mapped[datetime.datetime | None] = mapped_column(Moment)
    deleted_at: Mapped[datetime.datetime | None] = mapped_column(Moment)
    deleted: Mapped[bool] = mapped_column(default=False)
    vm_state: Mapped[str] = mapped_column(sa.String(32))
    task_state: Mapped[str | None] = mapped_column(sa.String(64))
    power_state: Mapped[int] = mapped_column(default=0)
    progress: Mapped[int] = mapped_column(default=0)
    locked: Mapped[bool] = mapped_column(default=False)
    locked_reason: Mapped[str | None] = mapped_column(Name)
    host: Mapped[str | None] = mapped_column(Name)
    node: Mapped[str | None] = mapped_column(Name)
    availability_zone: Mapped[str | None] = mapped_column(Name)
    image_id: Mapped[str | None] = mapped_column(Uuid)
    image: Mapped[dict] = mapped_column(Json, default=dict)
    flavor: Mapped[dict] = mapped_column(Json)
    flavorid: Mapped[str] = mapped_column(Name)
    key_name: Mapped[str | None] = mapped_column(Name)
    key_data: Mapped[str | None] = mapped_column(LongText)
    user_data: Mapped[str | None] = mapped_column(LongText)
    config_drive: Mapped[bool] = mapped_column(default=False)
    disk_config: Mapped[str] = mapped_column(sa.String(8), default="MANUAL")
    access_ip_v4: Mapped[str | None] = mapped_column(sa.String(45))
    access_ip_v6: Mapped[str | None] = mapped_column(sa.String(45))
    root_device: Mapped[str] = mapped_column(sa.String(32), default="/dev/vda")
    disks: Mapped[list] = mapped_column(Json, default=list)
    meta: Mapped[dict] = mapped_column(Json, default=dict)
    told_password: Mapped[str | None] = mapped_column(sa.String(1020))
    trusted_certs: Mapped[list | None] = mapped_column(Json)
    request: Mapped[dict] = mapped_column(Json, default=dict)
    group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("server_groups.id", ondelete="SET NULL"), index=True)
    decision: Mapped[dict | None] = mapped_column(Json)
    task_id: Mapped[str | None] = mapped_column(sa.String(36))
    task_action: Mapped[str | None] = mapped_column(sa.String(32))
    task_started_at: Mapped[datetime.datetime | None] = mapped_column(Moment)
    task_deadline: Mapped[datetime.datetime | None] = mapped_column(Moment)
    task_request_id: Mapped[str | None] = mapped_column(sa.String(64))
    task_detail: Mapped[dict | None] = mapped_column(Json)
    task_host: Mapped[str | None] = mapped_column(Name)
    __table_args__ = (
        sa.Index("ix_servers_project", "project_id", "deleted", "created_at", "id"),
        sa.Index("ix_servers_host", "host", "deleted"),
        sa.Index("ix_servers_task", "task_deadline"),
        sa.Index("ix_servers_created", "deleted", "created_at", "id"),
        Base.__table_args__,
    )


class ServerGroup(Base):
    """Servers to be kept near to or away from each other: those whose ``group_id`` it is.

    ``version`` counts the claims for its servers: whoever claims has to know the last one.
    """

    __tablename__ = "server_groups"
    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(Uuid, unique=True)
    project_id: Mapped[str] = mapped_column(Owner, index=True)
    user_id: Mapped[str] = mapped_column(Owner)
    name: Mapped[str] = mapped_column(Name)
    policy: Mapped[str] = mapped_column(sa.String(32))
    rules: Mapped[dict] = mapped_column(Json, default=dict)
    version: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime.datetime] = created_at()


class ServerTag(Base):
    """One tag of a server."""

    __tablename__ = "server_tags"
    server_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(sa.String(80), primary_key=True)


class ServerFault(Base):
    """Why a server is in ERROR: what the API shows as ``fault``."""

    __tablename__ = "server_faults"
    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("servers.id", ondelete="CASCADE"), index=True)
    code: Mapped[int] = mapped_column(default=500)
    message: Mapped[str] = mapped_column(Name)
    details: Mapped[str | None] = mapped_column(LongText)
    created_at: Mapped[datetime.datetime] = created_at()


class ServerAction(Base):
    """An action asked for: the audit row of a request, with its result.

    ``events``: the steps done of it as lines of JSON, the oldest first; db.servers reads and writes them. They are in this row because
    whoever adds one changes the row as well.
    """

    __tablename__ = "server_actions"
    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("servers.id", ondelete="CASCADE"))
    action: Mapped[str] = mapped_column(Name)
    request_id: Mapped[str] = mapped_column(sa.String(64))
    user_id: Mapped[str | None] = mapped_column(Owner)
    project_id: Mapped[str | None] = mapped_column(Owner)
    start_time: Mapped[datetime.datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime.datetime] = mapped_column(Moment)
    finish_time: Mapped[datetime.datetime | None] = mapped_column(Moment)
    message: Mapped[str | None] = mapped_column(Name)
    events: Mapped[str | None] = mapped_column(LongText)
    __table_args__ = (sa.Index("ix_server_actions_server", "server_id", "request_id"), Base.__table_args__)


class Flavor(Base):
    """A size of server: RAM in MB, disks in GB, swap in MB."""

    __tablename__ = "flavors"
    id: Mapped[int] = mapped_column(primary_key=True)
    flavorid: Mapped[str] = mapped_column(Name, unique=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    memory_mb: Mapped[int]
    vcpus: Mapped[int]
    root_gb: Mapped[int] = mapped_column(default=0)
    ephemeral_gb: Mapped[int] = mapped_column(default=0)
    swap: Mapped[int] = mapped_column(default=0)
    rxtx_factor: Mapped[float] = mapped_column(sa.Double, default=1.0)
    is_public: Mapped[bool] = mapped_column(default=True)
    disabled: Mapped[bool] = mapped_column(default=False)
    description: Mapped[str | None] = mapped_column(LongText)
    extra_specs: Mapped[dict] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()


class FlavorAccess(Base):
    """A project that may use a flavor that is not public."""

    __tablename__ = "flavor_access"
    flavor_id: Mapped[int] = mapped_column(sa.ForeignKey("flavors.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[str] = mapped_column(Owner, primary_key=True)


class KeyPair(Base):
    """A public key of a user, by name."""

    __tablename__ = "key_pairs"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(Owner)
    name: Mapped[str] = mapped_column(Name)
    type: Mapped[str] = mapped_column(sa.String(8), default="ssh")
    fingerprint: Mapped[str] = mapped_column(Name)
    public_key: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[datetime.datetime] = created_at()
    __table_args__ = (sa.UniqueConstraint("user_id", "name"), Base.__table_args__)


class QuotaLimit(Base):
    """A limit that differs from the configured default. ``scope``: a project id, ``class:<name>``, ``<project>/<user>``, or
    ``network:<project>``. -1 is unlimited."""

    __tablename__ = "quota_limits"
    scope: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    hard_limit: Mapped[int]


class QuotaUsage(Base):
    """How much of a resource a project uses; changed in the transaction that adds or removes what it counts."""

    __tablename__ = "quota_usages"
    project_id: Mapped[str] = mapped_column(Owner, primary_key=True)
    resource: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    in_use: Mapped[int] = mapped_column(sa.BigInteger, default=0)


class Service(Base):
    """A daemon of one binary on one host, and when it was last heard. ``epoch`` counts its starts."""

    __tablename__ = "services"
    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(Uuid, unique=True)
    binary: Mapped[str] = mapped_column(sa.String(64))
    host: Mapped[str] = mapped_column(Name)
    disabled: Mapped[bool] = mapped_column(default=False)
    disabled_reason: Mapped[str | None] = mapped_column(Name)
    forced_down: Mapped[bool] = mapped_column(default=False)
    epoch: Mapped[int] = mapped_column(default=0)
    address: Mapped[str | None] = mapped_column(Name)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = mapped_column(Moment)
    last_seen_at: Mapped[datetime.datetime | None] = mapped_column(Moment)
    __table_args__ = (sa.UniqueConstraint("host", "binary"), Base.__table_args__)


class Host(Base):
    """A compute host: what it has, how much may be promised, and what is claimed. ``used`` columns equal the sum of its allocations.

    ``changed_at`` moves with every change that the scheduler must see, ``version`` counts them, ``facts_version`` those that are not usage.
    ``own_ratios``: what the host said of its ratio columns, which its aggregates may override (db.ratios). ``extras``: what it has besides,
    ``extras_used``: what is claimed of that (db.extras).
    """

    __tablename__ = "hosts"
    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(Uuid, unique=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    hypervisor_hostname: Mapped[str] = mapped_column(Name)
    hypervisor_type: Mapped[str] = mapped_column(sa.String(64))
    hypervisor_version: Mapped[int] = mapped_column(default=0)
    host_ip: Mapped[str] = mapped_column(sa.String(45), default="127.0.0.1")
    vcpus: Mapped[int]
    memory_mb: Mapped[int]
    disk_gb: Mapped[int]
    disk_available_gb: Mapped[int] = mapped_column(default=0)
    vcpus_used: Mapped[int] = mapped_column(default=0)
    memory_mb_used: Mapped[int] = mapped_column(default=0)
    disk_gb_used: Mapped[int] = mapped_column(default=0)
    vcpus_reserved: Mapped[int] = mapped_column(default=0)
    memory_mb_reserved: Mapped[int] = mapped_column(default=0)
    disk_gb_reserved: Mapped[int] = mapped_column(default=0)
    vcpu_ratio: Mapped[float] = mapped_column(sa.Double, default=4.0)
    memory_ratio: Mapped[float] = mapped_column(sa.Double, default=1.0)
    disk_ratio: Mapped[float] = mapped_column(sa.Double, default=1.0)
    own_ratios: Mapped[dict] = mapped_column(Json, default=dict)
    servers: Mapped[int] = mapped_column(default=0)
    build_failures: Mapped[int] = mapped_column(default=0)
    cpu_info: Mapped[dict] = mapped_column(Json, default=dict)
    supported: Mapped[list] = mapped_column(Json, default=list)
    traits: Mapped[list] = mapped_column(Json, default=list)
    metrics: Mapped[dict] = mapped_column(Json, default=dict)
    extras: Mapped[dict] = mapped_column(Json, default=dict)
    extras_used: Mapped[dict] = mapped_column(Json, default=dict)
    epoch: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=0)
    facts_version: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime.datetime] = created_at()
    changed_at: Mapped[datetime.datetime] = mapped_column(Moment, index=True)

Host.builds = orm.column_property(
    sa.select(sa.func.count()).where(Server.host == Host.name, Server.deleted.is_(False), Server.task_action == "create")
    .correlate_except(Server).scalar_subquery(), deferred=True, raiseload=True)
"""How many servers are being built there; read where a query asks for it."""


class Allocation(Base):
    """What one server takes of one host. A move holds two: one for each host. ``extras``: see db.extras; NULL for most."""

    __tablename__ = "allocations"
    server_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("servers.id"), primary_key=True)
    host_id: Mapped[int] = mapped_column(sa.ForeignKey("hosts.id"), primary_key=True, index=True)
    vcpus: Mapped[int]
    memory_mb: Mapped[int]
    disk_gb: Mapped[int]
    extras: Mapped[dict | None] = mapped_column(Json)
    created_at: Mapped[datetime.datetime] = created_at()


class Aggregate(Base):
    """A named set of hosts with metadata; ``availability_zone`` is the metadata key of that name, kept where SQL can see it."""

    __tablename__ = "aggregates"
    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(Uuid, unique=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    availability_zone: Mapped[str | None] = mapped_column(Name)
    meta: Mapped[dict] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()
    hosts: Mapped[list["AggregateHost"]] = orm.relationship(lazy="raise", cascade="all, delete-orphan")


class AggregateHost(Base):
    """A host's membership in an aggregate."""

    __tablename__ = "aggregate_hosts"
    aggregate_id: Mapped[int] = mapped_column(sa.ForeignKey("aggregates.id", ondelete="CASCADE"), primary_key=True)
    host: Mapped[str] = mapped_column(Name, primary_key=True, index=True)
    created_at: Mapped[datetime.datetime] = created_at()
