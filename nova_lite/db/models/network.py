"""Tables of the network room: networks, subnets, ports with their addresses, security groups with their rules."""
import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from nova_lite.db.models.base import Base, Json, Name, Uuid, created_at, updated_at

__all__ = ["Network", "Port", "PortAddress", "SecurityGroup", "SecurityGroupRule", "Subnet"]


class Network(Base):
    """A layer-2 network. ``vni`` is its number in tunnels between hosts; ``auto_allocated`` the one that ``networks: auto`` made."""

    __tablename__ = "networks"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    project_id: Mapped[str] = mapped_column(Uuid, index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    shared: Mapped[bool] = mapped_column(default=False)
    external: Mapped[bool] = mapped_column(default=False)
    mtu: Mapped[int] = mapped_column(default=1450)
    vni: Mapped[int] = mapped_column(unique=True)
    auto_allocated: Mapped[bool] = mapped_column(default=False)
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()


class Subnet(Base):
    """A range of addresses on a network. ``allocation_pools``: [{"start", "end"}]; ``host_routes``: [{"destination", "nexthop"}]."""

    __tablename__ = "subnets"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    network_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("networks.id"), index=True)
    project_id: Mapped[str] = mapped_column(Uuid, index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    ip_version: Mapped[int] = mapped_column(default=4)
    cidr: Mapped[str] = mapped_column(sa.String(64))
    gateway_ip: Mapped[str | None] = mapped_column(sa.String(45))
    enable_dhcp: Mapped[bool] = mapped_column(default=True)
    dns_nameservers: Mapped[list] = mapped_column(Json, default=list)
    host_routes: Mapped[list] = mapped_column(Json, default=list)
    allocation_pools: Mapped[list] = mapped_column(Json, default=list)
    ipv6_address_mode: Mapped[str | None] = mapped_column(sa.String(16))
    ipv6_ra_mode: Mapped[str | None] = mapped_column(sa.String(16))
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()


class Port(Base):
    """A plug on a network. ``device_id``: the server's id or ''; ``host``: where it is plugged, NULL while nowhere.

    ``request_index``: which NIC of the server it is, NULL for ports of no server; the unique key on it makes allocation repeatable.
    ``server_made``: it came with the server and goes with it; a port that the user made is only unplugged.
    """

    __tablename__ = "ports"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    network_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("networks.id"))
    project_id: Mapped[str] = mapped_column(Uuid, index=True)
    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    mac: Mapped[str] = mapped_column(sa.String(17))
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(sa.String(16), default="DOWN")
    device_id: Mapped[str] = mapped_column(Name, default="")
    device_owner: Mapped[str] = mapped_column(Name, default="")
    host: Mapped[str | None] = mapped_column(Name)
    server_made: Mapped[bool] = mapped_column(default=False)
    request_index: Mapped[int | None] = mapped_column()
    tag: Mapped[str | None] = mapped_column(sa.String(64))
    security_groups: Mapped[list] = mapped_column(Json, default=list)
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()
    __table_args__ = (
        sa.UniqueConstraint("network_id", "mac"),
        sa.UniqueConstraint("device_id", "request_index"),
        sa.Index("ix_ports_host", "host", "network_id"),
        Base.__table_args__,
    )


class PortAddress(Base):
    """An address held by a port. The primary key is the promise that no address of a network is ever given twice."""

    __tablename__ = "port_addresses"
    network_id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    address: Mapped[str] = mapped_column(sa.String(45), primary_key=True)
    port_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("ports.id", ondelete="CASCADE"), index=True)
    subnet_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("subnets.id"), index=True)


class SecurityGroup(Base):
    """A named set of rules of a project. The id of a project's default group follows from the project's id (db.securitygroups)."""

    __tablename__ = "security_groups"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    project_id: Mapped[str] = mapped_column(Uuid, index=True)
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str] = mapped_column(Name, default="")
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()


class SecurityGroupRule(Base):
    """What a security group lets pass. NULL in a column is any."""

    __tablename__ = "security_group_rules"
    id: Mapped[str] = mapped_column(Uuid, primary_key=True)
    security_group_id: Mapped[str] = mapped_column(Uuid, sa.ForeignKey("security_groups.id", ondelete="CASCADE"), index=True)
    project_id: Mapped[str] = mapped_column(Uuid, index=True)
    direction: Mapped[str] = mapped_column(sa.String(8))
    ethertype: Mapped[str] = mapped_column(sa.String(4))
    protocol: Mapped[str | None] = mapped_column(sa.String(40))
    port_range_min: Mapped[int | None] = mapped_column()
    port_range_max: Mapped[int | None] = mapped_column()
    remote_ip_prefix: Mapped[str | None] = mapped_column(sa.String(64))
    remote_group_id: Mapped[str | None] = mapped_column(Uuid)
    description: Mapped[str] = mapped_column(Name, default="")
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime.datetime] = created_at()
    updated_at: Mapped[datetime.datetime | None] = updated_at()
