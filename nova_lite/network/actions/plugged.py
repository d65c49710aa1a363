"""Changes to the ports that a server has, while it has them: their security groups and addresses. What the compute room asks of this one.

Every function takes a transaction first and commits nothing; each returns what ``network.refresh`` must be rung for, {host: network ids}.
"""
from nova_lite import exception
from nova_lite.db import ports as db_ports
from nova_lite.db import securitygroups as db_securitygroups
from nova_lite.db import server_ports as db_server_ports
from nova_lite.db.models.network import Port
from nova_lite.network.actions import server_ports


def add_group(tx, project_id: str, server_id: str, reference: str) -> dict[str, list[str]]:
    """Every port of the server gets a group of the project, by name or id. Raises NotFound (no such group, no port), Conflict (two such names)."""
    group_id = _group(tx, project_id, reference)
    ports = _ports(tx, server_id)
    for port in ports:
        if group_id not in port.security_groups:
            db_ports.update_port(tx, port, {"security_groups": [*port.security_groups, group_id]})
    return _bells(ports)


def remove_group(tx, project_id: str, server_id: str, reference: str) -> dict[str, list[str]]:
    """Every port of the server loses a group. Raises NotFound (no such group, no port has it), Conflict as add_group."""
    group_id = _group(tx, project_id, reference)
    having = [port for port in _ports(tx, server_id) if group_id in port.security_groups]
    if not having:
        raise exception.NotFound(f"Security group {reference} not associated with the instance {server_id}")
    for port in having:
        db_ports.update_port(tx, port, {"security_groups": [held for held in port.security_groups if held != group_id]})
    return _bells(having)


def _group(tx, project_id: str, reference: str) -> str:
    default = db_securitygroups.default_id(project_id)
    if reference in (db_securitygroups.DEFAULT_NAME, default):
        return default
    found = db_securitygroups.named(tx, project_id, [reference]).get(reference, [])
    if not found:
        raise exception.NotFound(f"Security group {reference} is not found for project {project_id}")
    if len(found) > 1:
        raise exception.Conflict(f"Multiple security groups found matching '{reference}'. Use an ID to be more specific.")
    return found[0]


def _ports(tx, server_id: str) -> list[Port]:
    ports = db_server_ports.held(tx, server_id)
    if not ports:
        raise exception.NotFound(f"instance_id {server_id} could not be found as device id on any ports")
    return ports


def _bells(ports: list[Port]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for port in ports:
        if port.host and port.network_id not in found.setdefault(port.host, []):
            found[port.host].append(port.network_id)
    return found


def add_address(tx, server_id: str, network_id: str) -> dict[str, list[str]]:
    """The server's first port on the network gets one address more, of IPv4 where there is such a subnet. Raises Invalid."""
    port = next((held for held in db_server_ports.held(tx, server_id) if held.network_id == network_id), None)
    networks, _ = db_server_ports.plan(tx, server_id, {network_id})
    subnets = sorted(networks[network_id][1:], key=lambda subnet: subnet.ip_version) if port is not None else []
    if not subnets:
        raise exception.Invalid(f"Network {network_id} could not be found for instance {server_id}, or has no subnet.")
    try:
        server_ports.claim_addresses(tx, networks, [(port.id, network_id, [each for each in subnets if each.ip_version == subnets[0].ip_version])])
    except exception.NoMoreAddresses as error:
        raise exception.Invalid(str(error))
    return _bells([port])


def remove_address(tx, server_id: str, address: str) -> dict[str, list[str]]:
    """The server's port that has the address loses it. Raises Invalid when none has."""
    for port in db_server_ports.held(tx, server_id):
        if any(entry["ip_address"] == address for entry in db_ports.addresses_of(tx, [port.id]).get(port.id, [])):
            db_ports.remove_addresses(tx, port.id, [address])
            return _bells([port])
    raise exception.Invalid(f"Fixed IP address {address} not found for instance {server_id}.")


def groups_with_rules(tx, project_id: str, server_id: str) -> list[tuple]:
    """(SecurityGroup, its rules) of each group that the server's ports have; ``project_id``: the server's."""
    db_securitygroups.ensure_default(tx, project_id)
    ids = [group_id for port in db_server_ports.held(tx, server_id) for group_id in port.security_groups]
    groups = db_securitygroups.groups(tx, dict.fromkeys(ids))
    rules = db_securitygroups.rules_of(tx, [group.id for group in groups])
    return [(group, rules.get(group.id, [])) for group in groups]
