"""``POST /servers/{id}/action``: security groups, fixed addresses (until 2.43) and network information; GET a server's security groups."""
from nova_lite import exception
from nova_lite.api.body import Body, Param
from nova_lite.api.compute.server_actions import ANYTHING, PATH
from nova_lite.api.compute.servers import ignores_lock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import addresses
from nova_lite.db import securitygroups
from nova_lite.db import servers as servers_
from nova_lite.network.actions import plugged

GROUPS, MULTINIC = "os_compute_api:os-security-groups:", "os_compute_api:os-multinic:"
PROXIES_UNTIL = "2.43"
WITH_PORTS = ("TCP", "UDP")


class _Gone(exception.NovaLiteError):
    status = 410
    message = "This action only worked with the Xen hypervisor, whose driver there is no more."


def add_group(request, id):
    """``addSecurityGroup``."""
    addresses.add_group(request.deps, request.ctx, id, request.body["addSecurityGroup"]["name"].strip())


def remove_group(request, id):
    """``removeSecurityGroup``."""
    addresses.remove_group(request.deps, request.ctx, id, request.body["removeSecurityGroup"]["name"].strip())


def groups(request, server_id) -> dict:
    """The groups of the server's ports."""
    with request.deps.db.write() as tx:
        server = servers_.get(tx, request.ctx, server_id)
        found = plugged.groups_with_rules(tx, server.project_id, server_id)
        others = securitygroups.groups(tx, {rule.remote_group_id for _, rules in found for rule in rules if rule.remote_group_id})
    members = {group.id: {"name": group.name, "tenant_id": group.project_id} for group in others}
    return {"security_groups": [
        {"id": group.id, "name": group.name, "description": group.description, "tenant_id": group.project_id,
         "rules": [_rule(rule, members) for rule in rules if rule.direction == "ingress"]} for group, rules in found]}


def _rule(rule, members: dict) -> dict:
    first, last = rule.port_range_min, rule.port_range_max
    if rule.protocol and first is None and last is None:
        first, last = (1, 65535) if rule.protocol.upper() in WITH_PORTS else (-1, -1)
    anywhere = {"cidr": rule.remote_ip_prefix or ("::/0" if rule.ethertype == "IPv6" else "0.0.0.0/0")}
    return {"id": rule.id, "parent_group_id": rule.security_group_id, "ip_protocol": rule.protocol, "from_port": first, "to_port": last,
            "group": members.get(rule.remote_group_id, {}), "ip_range": {} if rule.remote_group_id else anywhere}


def add_address(request, id):
    """``addFixedIp``."""
    addresses.add_address(request.deps, request.ctx, id, str(request.body["addFixedIp"]["networkId"]), ignores_lock(request))


def remove_address(request, id):
    """``removeFixedIp``."""
    addresses.remove_address(request.deps, request.ctx, id, request.body["removeFixedIp"]["address"], ignores_lock(request))


def set_up_again(request, id):
    """``injectNetworkInfo``."""
    addresses.set_up_again(request.deps, request.ctx, id, ignores_lock(request))


def reset_network(request, id):
    """``resetNetwork``."""
    raise _Gone()


NAMED = (Param("name", {"type": "string", "minLength": 1}, required=True),)

ROUTES = (
    Route("GET", "/v2.1/servers/{server_id}/os-security-groups", groups, GROUPS + "list"),
    Route("POST", PATH, add_group, GROUPS + "add", 202, action="addSecurityGroup", body=Body("addSecurityGroup", NAMED)),
    Route("POST", PATH, remove_group, GROUPS + "remove", 202, action="removeSecurityGroup", body=Body("removeSecurityGroup", NAMED)),
    Route("POST", PATH, add_address, MULTINIC + "add", 202, action="addFixedIp", until=PROXIES_UNTIL, body=Body("addFixedIp", (
        Param("networkId", {"type": ["string", "number"], "minLength": 1, "maxLength": 36}, required=True),))),
    Route("POST", PATH, remove_address, MULTINIC + "remove", 202, action="removeFixedIp", until=PROXIES_UNTIL, body=Body("removeFixedIp", (
        Param("address", {"type": "string", "format": "ip"}, required=True),))),
    Route("POST", PATH, set_up_again, "os_compute_api:os-admin-actions:inject_network_info", 202, action="injectNetworkInfo",
          body=Body("injectNetworkInfo", schema=ANYTHING)),
    Route("POST", PATH, reset_network, None, 202, action="resetNetwork", body=Body("resetNetwork", schema=ANYTHING)),
)
