"""What a user asked for under ``networks`` when creating a server: checked, and written down as NICs that ``server_ports.allocate`` can make.

Called by POST /servers. Statuses and texts are the Compute API's, so plain families of errors are raised here.
"""
import uuid

from nova_lite import exception
from nova_lite.db import networks as db_networks
from nova_lite.db import ports as db_ports
from nova_lite.db import securitygroups as db_securitygroups
from nova_lite.db import server_ports as db_server_ports
from nova_lite.network import errors, ipam

AMBIGUOUS = "Multiple possible networks found, use a Network ID to be more specific."
NO_SUBNET = "Network {} requires a subnet in order to boot instances on."
AUTO_NAME = "auto_allocated_network"
AUTO_CIDR = "10.100.0.0/24"
AUTO_NAMESPACE = uuid.UUID("3d6f1b4a-74b1-4c3c-9a52-4f5b4f1f3c55")
NETWORK_COPIED = ("id", "name", "mtu")
SUBNET_COPIED = ("id", "ip_version", "cidr", "gateway_ip", "enable_dhcp", "dns_nameservers", "host_routes", "allocation_pools")
"""What ``server_ports`` needs of a network and its subnets to make a NIC."""


def named_networks(requested) -> list[str]:
    """The ids of the networks that a request names, without those of its ports."""
    return [item["uuid"] for item in requested if item.get("uuid") and not item.get("port")] if isinstance(requested, list) else []


def check_requested(tx, ctx, requested, *, count: int = 1, mtu: int = 1450, known: dict[str, list] | None = None) -> list[dict]:
    """The NICs that a new server of ``ctx``'s project shall have: [{"network_id", "port_id", "fixed_ip", "tag"}], with "network": what was read
    of the network and its subnets (``NETWORK_COPIED``, "subnets") where the request names it.

    ``requested``: None (the one network there is, if any), "auto" (the same; where there is none one is made with ``mtu``), "none", or a list of
    {"uuid", "port", "fixed_ip", "tag"}. ``count``: servers in this request; a port or fixed address fits one only. ``known``: those of its
    ``named_networks`` that there are, as db.networks reads them, where the caller has read them. Raises Invalid (400: unknown
    network, port, unusable address), Forbidden (external network) or Conflict (several networks, port in use).
    """
    if requested == "none":
        return []
    if requested is None or requested == "auto" or requested == []:
        return _only_network(tx, ctx, requested == "auto", mtu)
    wanted = [{"network_id": item.get("uuid"), "port_id": item.get("port"), "fixed_ip": item.get("fixed_ip"), "tag": item.get("tag")}
              for item in requested]
    if count > 1:
        _check_count(wanted)
    _check_ports(tx, ctx, wanted)
    _check_networks(tx, ctx, wanted, known)
    return wanted


def check_groups(tx, ctx, references) -> list[str]:
    """The ids of the security groups that ``references`` name, by name or id; empty where that is the default group alone.

    Raises Invalid (no such group in the caller's project) or Conflict (several of that name).
    """
    if set(references) <= {db_securitygroups.DEFAULT_NAME}:
        return []
    default = db_securitygroups.default_id(ctx.project_id)
    found = {db_securitygroups.DEFAULT_NAME: [default], default: [default], **db_securitygroups.named(tx, ctx.project_id, references)}
    for reference in references:
        if reference not in found:
            raise exception.Invalid(f"Security group {reference} not found.")
        if len(found[reference]) > 1:
            raise exception.Conflict(f"Multiple security groups found matching '{reference}'. Use an ID to be more specific.")
    return list(dict.fromkeys(found[reference][0] for reference in references))


def _nic(network_id: str) -> dict:
    return {"network_id": network_id, "port_id": None, "fixed_ip": None, "tag": None}


def _only_network(tx, ctx, auto: bool, mtu: int) -> list[dict]:
    found = db_networks.usable_networks(tx, ctx.project_id)
    if len(found) > 1:
        raise exception.Conflict(AMBIGUOUS)
    if not found:
        return [_nic(_auto_network(tx, ctx, mtu))] if auto else []
    network_id, has_subnet = found[0]
    if not has_subnet:
        raise exception.Invalid(NO_SUBNET.format(network_id))
    return [_nic(network_id)]


def _auto_network(tx, ctx, mtu: int) -> str:
    """The project's automatic network. Its id follows from the project's, so that requests that race make one."""
    network_id = str(uuid.uuid5(AUTO_NAMESPACE, ctx.project_id))
    made = db_networks.create_network(tx, {"id": network_id, "project_id": ctx.project_id, "name": AUTO_NAME, "mtu": mtu, "auto_allocated": True})
    if made is not None:
        network = ipam.network_of(AUTO_CIDR)
        gateway = ipam.first_host(network)
        db_networks.create_subnet(tx, {"network_id": network_id, "project_id": ctx.project_id, "name": "auto_allocated_subnet", "ip_version": 4,
                                       "cidr": AUTO_CIDR, "gateway_ip": gateway, "allocation_pools": ipam.default_pools(network, gateway)})
    return network_id


def _check_count(wanted: list[dict]) -> None:
    for nic in wanted:
        if nic["fixed_ip"]:
            raise exception.Invalid("Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified.")
        if nic["port_id"]:
            raise exception.Invalid("Failed to launch multiple instances with a port: max_count cannot be greater than 1 if a port is specified.")


def _check_ports(tx, ctx, wanted: list[dict]) -> None:
    """Check the ports asked for and note their networks."""
    ids = [nic["port_id"] for nic in wanted if nic["port_id"]]
    if not ids:
        return
    found = db_ports.requested_ports(tx, ctx.project_id, ids)
    for nic in wanted:
        if not nic["port_id"]:
            continue
        if nic["port_id"] not in found:
            raise exception.Invalid(f"Port id {nic['port_id']} could not be found.")
        port, has_address = found[nic["port_id"]]
        if port.device_id or ids.count(port.id) > 1:
            raise errors.PortInUse(port_id=port.id)
        if not has_address:
            raise exception.Invalid(f"Port {port.id} requires a FixedIP in order to be used.")
        nic["network_id"], nic["fixed_ip"] = port.network_id, None


def _check_networks(tx, ctx, wanted: list[dict], known: dict[str, list] | None) -> None:
    plain = [nic for nic in wanted if not nic["port_id"]]
    ids = {nic["network_id"] for nic in plain}
    if not ids:
        return
    found = known if known is not None else db_networks.requested_networks(tx, ctx, ids)
    lost = sorted(ids - set(found))
    if lost:
        raise exception.Invalid(f"Network {', '.join(lost)} could not be found.")
    for network_id in sorted(ids):
        network, *subnets = found[network_id]
        if not subnets:
            raise exception.Invalid(NO_SUBNET.format(network_id))
        if network.external and not network.shared and not ctx.is_admin:
            raise exception.Forbidden(f"It is not allowed to create an interface on external network {network_id}")
    for nic in plain:
        nic["network"] = _copy(*found[nic["network_id"]])
    asked = [nic for nic in plain if nic["fixed_ip"]]
    if asked:
        _check_addresses(tx, found, asked)


def _copy(network, *subnets) -> dict:
    return {**{name: getattr(network, name) for name in NETWORK_COPIED},
            "subnets": [{name: getattr(subnet, name) for name in SUBNET_COPIED} for subnet in subnets]}


def _check_addresses(tx, found: dict[str, list], asked: list[dict]) -> None:
    taken = {(network_id, address) for network_id, address, _ in db_server_ports.taken_addresses(tx, {nic["network_id"] for nic in asked})}
    for nic in asked:
        address = ipam.canonical(nic["fixed_ip"])
        if not any(ipam.in_subnet(subnet.cidr, address) and subnet.gateway_ip != address for subnet in found[nic["network_id"]][1:]):
            raise exception.Invalid(f"Fixed IP address {address} is not a usable address of network {nic['network_id']}.")
        if (nic["network_id"], address) in taken:
            raise exception.Invalid(f"Fixed IP address {address} is already in use on network {nic['network_id']}.")
        taken.add((nic["network_id"], address))
        nic["fixed_ip"] = address
