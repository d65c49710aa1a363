"""What projects used in a span of time: hours of servers and of their parts. Functions of values; the rows come from db.server_usage."""
import dataclasses
import datetime


@dataclasses.dataclass(frozen=True)
class ServerUsage:
    """One server's share. ``hours`` within the span; ``uptime`` in seconds since its launch, or until its end."""

    server_id: str
    project_id: str
    name: str
    flavor: str
    state: str
    hours: float
    uptime: int
    vcpus: int
    memory_mb: int
    local_gb: int
    started_at: datetime.datetime
    ended_at: datetime.datetime | None


@dataclasses.dataclass(frozen=True)
class ProjectUsage:
    """A project's servers in a span, and sums of hours: of servers, and of each vCPU, MB and GB that they had."""

    project_id: str
    begin: datetime.datetime
    end: datetime.datetime
    servers: list[ServerUsage]

    @property
    def hours(self) -> float:
        """Of servers."""
        return sum(server.hours for server in self.servers)

    @property
    def vcpu_hours(self) -> float:
        """Of vCPUs."""
        return sum(server.vcpus * server.hours for server in self.servers)

    @property
    def memory_mb_hours(self) -> float:
        """Of MB of memory."""
        return sum(server.memory_mb * server.hours for server in self.servers)

    @property
    def local_gb_hours(self) -> float:
        """Of GB of local disks."""
        return sum(server.local_gb * server.hours for server in self.servers)


def of_server(row, begin: datetime.datetime, end: datetime.datetime, now: datetime.datetime) -> ServerUsage:
    """``row``: of db.server_usage.COLUMNS, launched."""
    flavor = row.flavor
    ran = min(end, row.terminated_at or end) - max(begin, row.launched_at)
    return ServerUsage(
        server_id=row.id, project_id=row.project_id, name=row.name, flavor=flavor["name"], state="terminated" if row.terminated_at else row.vm_state,
        hours=max(0.0, ran.total_seconds() / 3600), uptime=max(0, int(((row.terminated_at or now) - row.launched_at).total_seconds())),
        vcpus=flavor["vcpus"], memory_mb=flavor["memory_mb"], local_gb=flavor["root_gb"] + flavor["ephemeral_gb"],
        started_at=row.launched_at, ended_at=row.terminated_at)


def by_project(rows, begin: datetime.datetime, end: datetime.datetime, now: datetime.datetime) -> list[ProjectUsage]:
    """The rows' servers, gathered by project in the order of the rows."""
    found: dict[str, list[ServerUsage]] = {}
    for row in rows:
        found.setdefault(row.project_id, []).append(of_server(row, begin, end, now))
    return [ProjectUsage(project_id, begin, end, servers) for project_id, servers in found.items()]
