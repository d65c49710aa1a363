"""``POST /servers/{id}/action``: rebuild, rescue, unrescue."""
from nova_lite.api.body import Body, Param
from nova_lite.api.compute import links, server_view, values
from nova_lite.api.compute.server_actions import PATH, plain
from nova_lite.api.compute.server_body import CERTIFICATES, DESCRIPTION, DISK_CONFIG, FQDN, HOSTNAME, IPV4, IPV6, PERSONALITY
from nova_lite.api.compute.servers import CANONICAL, COLUMNS, ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import rebuild as rebuild_

CHANGES = {**COLUMNS, "metadata": "meta", "key_name": "key_name", "user_data": "user_data", "trusted_image_certificates": "trusted_certs"}
"""Field → column."""


def rebuild(request, id):
    """The server as it will be."""
    asked = request.body["rebuild"]
    if "trusted_image_certificates" in asked:
        request.authorize("os_compute_api:servers:rebuild:trusted_certs")
    changes = {CHANGES[name]: CANONICAL[name](value) if name in CANONICAL else value for name, value in asked.items() if name in CHANGES}
    server, password = rebuild_.rebuild(request.deps, request.ctx, id, rebuild_.Wanted(
        image_id=asked["imageRef"], changes=changes, metadata=asked.get("metadata", {}), personality=asked.get("personality", []),
        admin_pass=asked.get("adminPass"), preserve_ephemeral=values.truth(asked.get("preserve_ephemeral", False))), ignores_lock(request))
    shown = server_view.updated(request, server)
    shown.pop("OS-EXT-SRV-ATTR:user_data", None)  # for this answer it has another name
    if request.at_least("2.54"):
        shown["key_name"] = server.key_name
    if request.at_least("2.57"):
        shown["user_data"] = server.user_data
    request.headers["Location"] = links.of(request, "servers", id)[0]["href"]
    return {"server": {**shown, "adminPass": password}}


def rescue(request, id):
    """Boot from another image; the password of the system that comes up."""
    asked = request.body["rescue"] or {}
    return {"adminPass": rebuild_.rescue(request.deps, request.ctx, id, asked.get("rescue_image_ref"), asked.get("adminPass"),
                                         ignores_lock(request))}


REBUILD = Body("rebuild", (
    Param("imageRef", values.UUID, required=True),
    Param("name", values.NAME),
    Param("adminPass", values.TEXT),
    Param("metadata", values.METADATA),
    Param("preserve_ephemeral", values.BOOLEAN),
    Param("OS-DCF:diskConfig", DISK_CONFIG),
    Param("accessIPv4", IPV4),
    Param("accessIPv6", IPV6),
    Param("personality", PERSONALITY, until="2.56"),
    Param("description", DESCRIPTION, since="2.19"),
    Param("key_name", {**values.NAME, "type": ["string", "null"]}, since="2.54"),
    Param("user_data", {"type": ["string", "null"], "format": "base64", "maxLength": 65535}, since="2.57"),
    Param("trusted_image_certificates", CERTIFICATES, since="2.63"),
    Param("hostname", HOSTNAME, since="2.90", until="2.93"),
    Param("hostname", FQDN, since="2.94"),
))
RESCUE = Body("rescue", schema={"type": ["object", "null"], "additionalProperties": False,
                                "properties": {"adminPass": values.TEXT, "rescue_image_ref": values.UUID}})
ROUTES = (
    Route("POST", PATH, rebuild, "os_compute_api:servers:rebuild", 202, action="rebuild", body=REBUILD),
    Route("POST", PATH, rescue, "os_compute_api:os-rescue", 200, action="rescue", body=RESCUE),
    plain("unrescue", "unrescue", "os-unrescue"),
)
