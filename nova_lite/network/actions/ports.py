"""What users ask about ports: create, change, delete. Ports of servers come and go by ``server_ports``."""
from nova_lite import exception
from nova_lite.db import host_networks as db_host_networks
from nova_lite.db import networks as db_networks
from nova_lite.db import ports as db_ports
from nova_lite.db import securitygroups as db_securitygroups
from nova_lite.db.models.network import Port
from nova_lite.network import errors, ipam
from nova_lite.network.actions import server_ports
from nova_lite.network.actions.deps import Deps

MAC_TRIES = 16


def create(deps: Deps, ctx, entries: list[dict]) -> list[Port]:
    """Write ports with their addresses, all or none. Each entry: network_id, project_id, perhaps mac, fixed_ips, security_groups and the rest.

    Raises NetworkNotFound, OverQuota, MacAddressInUse, NoMoreAddresses, IpAddressAlreadyAllocated, Invalid, SecurityGroupNotFound.
    """
    with deps.db.write() as tx:
        made = []
        for entry in entries:
            network, *subnets = db_networks.requested_networks(tx, ctx, {entry["network_id"]}).get(entry["network_id"], [None])
            if network is None:
                raise exception.NetworkNotFound(network_id=entry["network_id"])
            deps.check_quota(tx, entry["project_id"], "ports", Port)
            columns = {name: value for name, value in entry.items() if name != "fixed_ips"}
            columns["security_groups"] = _groups(tx, entry["project_id"], entry.get("security_groups"))
            port = _insert(tx, network.id, columns)
            _give(tx, port, network, subnets, entry.get("fixed_ips"))
            made.append(port)
        return made


def _insert(tx, network_id: str, columns: dict) -> Port:
    for _ in range(1 if columns.get("mac") else MAC_TRIES):
        port = db_ports.create_port(tx, {**columns, "mac": columns.get("mac") or ipam.new_mac()})
        if port is not None:
            return port
    raise errors.MacAddressInUse(network_id=network_id, mac=columns.get("mac"))


def _groups(tx, project_id: str, asked: list[str] | None) -> list[str]:
    if asked is None:
        return [db_securitygroups.default_id(project_id)]
    lost = db_securitygroups.missing(tx, project_id, asked)
    if lost is not None:
        raise errors.SecurityGroupNotFound(group_id=lost)
    return list(dict.fromkeys(asked))


def _give(tx, port: Port, network, subnets: list, asked: list[dict] | None) -> None:
    """Addresses for a new port: one of each version where none is asked for, none where an empty list is."""
    if asked is None:
        choices = [choice for choice in ([s for s in subnets if s.ip_version == version] for version in (4, 6)) if choice]
    else:
        choices = [_choice(network.id, subnets, one) for one in asked]
    server_ports.claim_addresses(tx, {network.id: [network, *subnets]}, [(port.id, network.id, choice) for choice in choices])


def _choice(network_id: str, subnets: list, asked: dict):
    """A subnet to draw from, or a fixed (address, subnet)."""
    home = next((subnet for subnet in subnets if subnet.id == asked.get("subnet_id")), None)
    if asked.get("subnet_id") is not None and home is None:
        raise errors.InvalidInput(f"Invalid input for operation: Failed to create port on network {network_id}, because fixed_ips included "
                                  f"invalid subnet {asked['subnet_id']}.")
    if asked.get("ip_address") is None:
        if home is None:
            raise errors.InvalidInput("Invalid input for operation: IP allocation requires subnet_id or ip_address.")
        return [home]
    address = ipam.canonical(asked["ip_address"])
    fitting = [subnet for subnet in ([home] if home else subnets) if ipam.in_subnet(subnet.cidr, address) and subnet.gateway_ip != address]
    if not fitting:
        raise (errors.InvalidIpForSubnet(address=address, subnet_id=home.id) if home
               else errors.InvalidIpForNetwork(address=address, network_id=network_id))
    return address, fitting[0]


def update(deps: Deps, ctx, port_id: str, values: dict, authorize) -> Port:
    """Change columns and addresses. ``authorize(port, network)`` raises. Raises PortNotFound, PortBound, and as ``create`` does."""
    with deps.db.write() as tx:
        port = db_ports.get_port(tx, ctx, port_id)
        network, subnets = db_host_networks.describe(tx, port.network_id)
        authorize(port, network)
        if port.request_index is not None and {"device_id", "device_owner", "mac"} & set(values):
            raise errors.PortBound(port_id=port_id, server_id=port.device_id, what="device_id, device_owner and mac_address")
        columns = {name: value for name, value in values.items() if name != "fixed_ips"}
        if "security_groups" in columns:
            columns["security_groups"] = _groups(tx, port.project_id, columns["security_groups"] or [])
        if columns.get("mac", port.mac) != port.mac and db_ports.mac_taken(tx, port.network_id, columns["mac"]):
            raise errors.MacAddressInUse(network_id=port.network_id, mac=columns["mac"])
        if values.get("fixed_ips") is not None:
            _change_addresses(tx, port, network, subnets, values["fixed_ips"])
        db_ports.update_port(tx, port, columns)
    deps.tell([port.host] if port.host else [], port.network_id)
    return port


def _change_addresses(tx, port: Port, network, subnets: list, asked: list[dict]) -> None:
    held = db_ports.addresses_of(tx, [port.id]).get(port.id, [])
    kept, fresh = [], []
    for one in asked:
        same = next((entry for entry in held if entry not in kept and one.get("subnet_id", entry["subnet_id"]) == entry["subnet_id"]
                     and one.get("ip_address", entry["ip_address"]) == entry["ip_address"]), None)
        (fresh if same is None else kept).append(one if same is None else same)
    db_ports.remove_addresses(tx, port.id, [entry["ip_address"] for entry in held if entry not in kept])
    if fresh:
        _give(tx, port, network, subnets, fresh)


def delete(deps: Deps, ctx, port_id: str, authorize) -> None:
    """Remove a port that no server has. Raises PortNotFound, PortInUse."""
    with deps.db.write() as tx:
        port = db_ports.get_port(tx, ctx, port_id)
        authorize(port, db_host_networks.describe(tx, port.network_id)[0])
        if port.request_index is not None:
            raise errors.PortInUse(port_id=port_id)
        db_ports.delete_port(tx, port_id)

