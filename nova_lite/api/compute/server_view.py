"""How a server looks on the wire: the tables of its fields, and the related rows gathered for a whole page in a fixed number of statements."""
import functools
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from nova_lite import clock
from nova_lite.api.compute import links
from nova_lite.api.view import OMIT, Field, View
from nova_lite.compute import states
from nova_lite.db import hosts as hosts_
from nova_lite.db import servergroups
from nova_lite.db import servers as servers_
from nova_lite.db.models import Server, ServerFault
from nova_lite.network.actions import server_ports

EXTENDED = "os_compute_api:os-extended-server-attributes"
HOST_STATUS = "os_compute_api:servers:show:host_status"
EXTRA_SPECS = "os_compute_api:servers:show:flavor-extra-specs"


class Shown(NamedTuple):
    """A server with what other tables say of it. ``status``: the API's word; ``full_addresses``: with MAC and type."""

    server: Server
    status: str
    addresses: list[dict]
    tags: list[str]
    fault: ServerFault | None
    host_status: str
    groups: Sequence[str] = ()
    full_addresses: bool = True
    server_groups: Sequence[str] = ()


def gather(request, found: list[Server], full_addresses: bool = True) -> list[Shown]:
    """The related rows of ``found``: addresses, faults, and by version tags and host status, each in one statement."""
    ids = [server.id for server in found]
    if not ids:
        return []
    words = [shown_status(server) for server in found]
    failed = [server.id for server, word in zip(found, words, strict=True) if word in states.FAULT_STATUSES]
    with request.deps.db.read() as tx:
        addresses = server_ports.addresses(tx, ids)
        groups = {server.id: server_ports.security_groups(tx, server.project_id, addresses.get(server.id, ())) for server in found}
        faults = servers_.faults(tx, failed)
        tags = servers_.tags(tx, ids) if request.at_least("2.26") else {}
        status = hosts_.host_statuses(tx, {s.host for s in found if s.host}, clock.now(), request.deps.service_down_time) \
            if request.at_least("2.16") and request.can(HOST_STATUS) else {}
        wanted = {server.group_id for server in found if server.group_id is not None} if request.at_least("2.71") else set()
        in_group = servergroups.uuids(tx, wanted) if wanted else {}
    return [Shown(server, word, addresses.get(server.id, []), tags.get(server.id, []), faults.get(server.id), status.get(server.host, ""),
                  groups[server.id], full_addresses, [in_group[server.group_id]] if server.group_id in in_group else [])
            for server, word in zip(found, words, strict=True)]


def shown_status(server: Server) -> str:
    """The API's status word."""
    return "DELETED" if server.deleted else states.status(server.vm_state, server.task_state)


@functools.lru_cache(maxsize=65536)
def host_id(project_id: str, host: str | None) -> str:
    """An opaque name of the host that differs between projects: SHA-224 of project and host, as Nova makes it."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest() if host else ""


def addresses_by_network(shown: Shown) -> dict[str, list[dict]]:
    """The ``addresses`` field; empty while the server is being built."""
    if shown.server.vm_state == states.BUILDING:
        return {}
    found: dict[str, list[dict]] = {}
    for item in shown.addresses:
        entry = {"version": item["version"], "addr": item["address"]}
        if shown.full_addresses:
            entry.update({"OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": item["mac"]})
        found.setdefault(item["network"], []).append(entry)
    return found


def _flavor_link(shown: Shown, request) -> dict:
    flavorid = shown.server.flavorid
    return {"id": flavorid, "links": links.bookmark(request, "flavors", flavorid)}


def _flavor_copy(shown: Shown, request) -> dict:
    flavor = shown.server.flavor
    copy = {"vcpus": flavor["vcpus"], "ram": flavor["memory_mb"], "disk": flavor["root_gb"], "ephemeral": flavor["ephemeral_gb"],
            "swap": flavor["swap"], "original_name": flavor["name"]}
    if request.can(EXTRA_SPECS):
        copy["extra_specs"] = flavor["extra_specs"]
    return copy


def _image(shown: Shown, request) -> dict | str:
    image_id = shown.server.image_id
    if not image_id:
        return ""
    return {"id": image_id, "links": links.bookmark(request, "images", image_id)}


def _fault(shown: Shown, request) -> dict | object:
    fault = shown.fault
    if fault is None or shown.status not in states.FAULT_STATUSES:
        return OMIT
    found = {"code": fault.code, "created": clock.isoformat(fault.created_at), "message": fault.message}
    if fault.details and (request.ctx.is_admin or fault.code != 500):
        found["details"] = fault.details
    return found


def _progress(shown: Shown, request) -> int | object:
    return shown.server.progress if shown.status in states.PROGRESS_STATUSES else OMIT


def _groups(shown: Shown, request) -> list | object:
    return [{"name": name} for name in shown.groups] if shown.groups else OMIT


def _hostname_for_all(shown: Shown, request) -> str | object:
    return OMIT if request.can(EXTENDED) else shown.server.hostname


def _moment(name: str):
    return lambda shown, request: clock.isoformat_micro(getattr(shown.server, name))


def _boot_part(name: str):
    return lambda shown, request: shown.server.image.get("properties", {}).get(name) or ""


IDENTITY = (
    Field("id", "server.id"),
    Field("name", "server.name"),
    Field("links", lambda shown, request: links.of(request, "servers", shown.server.id)),
)
CORE = (
    *IDENTITY,
    Field("accessIPv4", lambda shown, request: shown.server.access_ip_v4 or ""),
    Field("accessIPv6", lambda shown, request: shown.server.access_ip_v6 or ""),
    Field("addresses", lambda shown, request: addresses_by_network(shown)),
    Field("created", lambda shown, request: clock.isoformat(shown.server.created_at)),
    Field("flavor", _flavor_link, until="2.46"),
    Field("flavor", _flavor_copy, since="2.47"),
    Field("hostId", lambda shown, request: host_id(shown.server.project_id, shown.server.host)),
    Field("image", _image),
    Field("metadata", "server.meta"),
    Field("status", "status"),
    Field("tenant_id", "server.project_id"),
    Field("user_id", "server.user_id"),
    Field("updated", lambda shown, request: clock.isoformat(shown.server.updated_at or shown.server.created_at)),
    Field("OS-DCF:diskConfig", "server.disk_config"),
    Field("fault", _fault),
    Field("progress", _progress),
    Field("locked", "server.locked", since="2.9"),
    Field("description", "server.description", since="2.19"),
    Field("tags", "tags", since="2.26"),
    Field("trusted_image_certificates", "server.trusted_certs", since="2.63"),
    Field("locked_reason", "server.locked_reason", since="2.73"),
)
EXTENSIONS = (
    Field("OS-EXT-AZ:availability_zone", lambda shown, request: shown.server.availability_zone or ""),
    Field("config_drive", lambda shown, request: "True" if shown.server.config_drive else ""),
    Field("key_name", "server.key_name"),
    Field("OS-SRV-USG:launched_at", _moment("launched_at")),
    Field("OS-SRV-USG:terminated_at", _moment("terminated_at")),
    Field("security_groups", _groups),
    Field("OS-EXT-SRV-ATTR:host", "server.host", policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:instance_name", lambda shown, request: guest_name(shown.server.id), policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:hypervisor_hostname", "server.node", policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:hostname", "server.hostname", since="2.3", policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:kernel_id", _boot_part("kernel_id"), since="2.3", policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:launch_index", "server.launch_index", since="2.3", policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:ramdisk_id", _boot_part("ramdisk_id"), since="2.3", policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:reservation_id", "server.reservation_id", since="2.3", policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:root_device_name", "server.root_device", since="2.3", policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:user_data", "server.user_data", since="2.3", policy=EXTENDED),
    Field("OS-EXT-SRV-ATTR:hostname", _hostname_for_all, since="2.90"),
    Field("OS-EXT-STS:task_state", "server.task_state"),
    Field("OS-EXT-STS:vm_state", "server.vm_state"),
    Field("OS-EXT-STS:power_state", "server.power_state"),
    Field("os-extended-volumes:volumes_attached", lambda shown, request: []),
    Field("host_status", "host_status", since="2.16", policy=HOST_STATUS),
    Field("pinned_availability_zone", lambda shown, request: shown.server.request.get("availability_zone"), since="2.96"),
)

BRIEF = View(*IDENTITY)
"""An item of ``GET /servers``."""
DETAIL = View(*CORE, *EXTENSIONS)
"""An item of ``GET /servers/detail``."""
SHOW = View(*CORE, *EXTENSIONS, Field("server_groups", "server_groups", since="2.71"))
"""``GET /servers/{id}``, and the answer to an update from 2.75 on."""
UPDATED = View(*CORE, Field("server_groups", "server_groups", since="2.71"))
"""The answer to an update until 2.74."""


def guest_name(server_id: str) -> str:
    """The hypervisor's name of a server's guest."""
    return f"instance-{server_id[:8]}"


def show(request, server: Server) -> dict:
    """The whole server."""
    return SHOW.render(gather(request, [server])[0], request)


def updated(request, server: Server) -> dict:
    """The server as an update answers it."""
    if request.at_least("2.75"):
        return show(request, server)
    return UPDATED.render(gather(request, [server], full_addresses=False)[0], request)
