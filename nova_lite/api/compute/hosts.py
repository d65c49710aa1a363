"""Hosts, until 2.42: services by host, what each project has on one host, and whether it takes servers. Nobody here has power over hosts."""
from nova_lite import exception
from nova_lite.api import body, resource
from nova_lite.api.body import Param
from nova_lite.api.compute import values
from nova_lite.compute import services
from nova_lite.compute.actions import services as actions
from nova_lite.db import hosts, hypervisors

POLICY = "os_compute_api:os-hosts:"
LAST = "2.42"
SWITCH = {"type": "string", "enum": [word for verb in ("enable", "disable") for word in (verb, verb.capitalize(), verb.upper())]}
UPDATE = body.Body(None, (Param("status", SWITCH), Param("maintenance_mode", SWITCH)),
                   rules={"anyOf": [{"required": ["status"]}, {"required": ["maintenance_mode"]}]})
LIST = body.Query((Param("zone", values.TEXT),), strict_since="2.75")


def index(request) -> dict:
    """Each enabled service with its host and zone."""
    zone = request.param("zone")
    with request.deps.db.read() as tx:
        found = services.find(tx, request.deps)
    return {"hosts": [{"host_name": item.service.host, "service": item.service.binary.removeprefix("nova-"), "zone": item.zone}
                      for item in found if not item.service.disabled and zone in (None, "", item.zone)]}


def show(request, host: str) -> dict:
    """What the host has, what is used, and what was promised, in all and to each project."""
    with request.deps.db.read() as tx:
        found = hosts.hypervisors(tx, name=host)
        if not found:
            raise exception.HostNotFound(host=host)
        row, promised = found[0][0], hypervisors.promised(tx, host)
    rows = [("(total)", row.vcpus, row.memory_mb, row.disk_gb),
            ("(used_now)", row.vcpus_used, row.memory_mb_used + row.memory_mb_reserved, row.disk_gb_used + row.disk_gb_reserved),
            ("(used_max)", *_sum(promised))]
    rows += [(project_id, *_sum([pair for pair in promised if pair[0] == project_id])) for project_id in dict(promised)]
    return {"host": [{"resource": {"host": host, "project": project, "cpu": cpu, "memory_mb": memory, "disk_gb": disk}}
                     for project, cpu, memory, disk in rows]}


def _sum(promised: list[tuple[str, dict]]) -> tuple[int, int, int]:
    flavors = [flavor for _, flavor in promised]
    return (sum(flavor["vcpus"] for flavor in flavors), sum(flavor["memory_mb"] for flavor in flavors),
            sum(flavor["root_gb"] + flavor["ephemeral_gb"] for flavor in flavors))


def update(request, host: str) -> dict:
    """Let the host take servers, or not. There is no maintenance mode."""
    _known(request, host)
    if "maintenance_mode" in request.body:
        raise exception.Unsupported()
    disabled = request.body["status"].lower() == "disable"
    actions.update(request.deps, request.ctx, hosts.COMPUTE, host, disabled=disabled)
    return {"host": host, "status": "disabled" if disabled else "enabled"}


def power(request, host: str) -> None:
    """``startup``, ``shutdown``, ``reboot``."""
    _known(request, host)
    raise exception.Unsupported()


def _known(request, host: str) -> None:
    with request.deps.db.read() as tx:
        hosts.get(tx, host)


POWER = (("startup", "start"), ("shutdown", "shutdown"), ("reboot", "reboot"))
"""What the path calls an action, and what its policy does."""

ROUTES = (
    resource.Route("GET", "/v2.1/os-hosts", index, POLICY + "list", query=LIST, until=LAST),
    resource.Route("GET", "/v2.1/os-hosts/{host}", show, POLICY + "show", until=LAST),
    resource.Route("PUT", "/v2.1/os-hosts/{host}", update, POLICY + "update", body=UPDATE, until=LAST),
    *(resource.Route("GET", f"/v2.1/os-hosts/{{host}}/{verb}", power, POLICY + policy, until=LAST) for verb, policy in POWER),
)
