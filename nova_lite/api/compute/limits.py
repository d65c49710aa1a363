"""Limits: what a project may have and what it uses, in the words of the oldest clients."""
from nova_lite.api import body, resource
from nova_lite.api.body import Param
from nova_lite.api.compute import quota_fields, values
from nova_lite.api.view import Field, View
from nova_lite.compute import quota

POLICY = "os_compute_api:limits"
OF_PROJECT = body.Query((Param("tenant_id", values.TEXT),), strict_since="2.75")


def _limit(name: str):
    return lambda found, _request: found[0][name]


def _used(name: str):
    return lambda found, _request: found[1].get(name, 0)


ABSOLUTE = View(
    Field("maxTotalInstances", _limit("instances")),
    Field("maxTotalCores", _limit("cores")),
    Field("maxTotalRAMSize", _limit("ram")),
    Field("maxTotalKeypairs", _limit("key_pairs")),
    Field("maxServerMeta", _limit("metadata_items")),
    Field("maxImageMeta", _limit("metadata_items"), until="2.38"),
    Field("maxPersonality", _limit("injected_files"), until="2.56"),
    Field("maxPersonalitySize", _limit("injected_file_content_bytes"), until="2.56"),
    Field("maxServerGroups", _limit("server_groups")),
    Field("maxServerGroupMembers", _limit("server_group_members")),
    Field("maxTotalFloatingIps", _limit("floating_ips"), until="2.35"),
    Field("maxSecurityGroups", _limit("security_groups"), until="2.35"),
    Field("maxSecurityGroupRules", _limit("security_group_rules"), until="2.35"),
    Field("totalInstancesUsed", _used("instances")),
    Field("totalCoresUsed", _used("cores")),
    Field("totalRAMUsed", _used("ram")),
    Field("totalServerGroupsUsed", _used("server_groups")),
    Field("totalFloatingIpsUsed", _used("floating_ips"), until="2.35"),
    Field("totalSecurityGroupsUsed", _used("security_groups"), until="2.35"),
)


def index(request) -> dict:
    """The limits of the caller's project, or of another one."""
    project_id = request.param("tenant_id")
    if project_id is None:
        project_id = request.ctx.project_id
    else:
        request.authorize(f"{POLICY}:other_project")
    with request.deps.db.read() as tx:
        found = quota.limits(tx, project_id, None, quota_fields.defaults(request)).of_project, quota.used(tx, project_id, None)
    return {"limits": {"rate": [], "absolute": ABSOLUTE.render(found, request)}}


ROUTES = (resource.Route("GET", "/v2.1/limits", index, POLICY, query=OF_PROJECT),)
