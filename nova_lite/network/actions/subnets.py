"""What users ask about subnets: create, change, delete, with the arithmetic that keeps addresses apart."""
from nova_lite.db import host_networks as db_host_networks
from nova_lite.db import networks as db_networks
from nova_lite.db import ports as db_ports
from nova_lite.db.models.network import Subnet
from nova_lite.network import errors, ipam
from nova_lite.network.actions.deps import Deps

MAX_NAME_SERVERS, MAX_ROUTES = 5, 20
BAD_VERSION = "Invalid input for operation: Version {} of cidr {} does not match the ip_version {}."
BAD_MODE = "Invalid input for operation: ipv6_ra_mode and ipv6_address_mode must both be 'dhcpv6-stateful' or both be unset, on an IPv6 subnet."


def create(deps: Deps, ctx, entries: list[dict], authorize) -> list[Subnet]:
    """Write subnets, all or none; each entry has network_id, cidr, ip_version and what else was given. ``authorize(network)`` raises.

    Raises NetworkNotFound, OverQuota, Invalid, InvalidInput (overlap), Conflict (pools).
    """
    with deps.db.write() as tx:
        made = []
        for entry in entries:
            network = db_networks.get_network(tx, ctx, entry["network_id"])
            authorize(network)
            db_networks.lock_network(tx, network.id)
            deps.check_quota(tx, network.project_id, "subnets", Subnet)
            values = _checked(entry)
            for other in db_networks.subnets_of(tx, [network.id]).get(network.id, []):
                if other.ip_version == values["ip_version"] and ipam.network_of(other.cidr).overlaps(ipam.network_of(values["cidr"])):
                    raise errors.InvalidInput(f"Invalid input for operation: Requested subnet with cidr: {values['cidr']} for network: {network.id} "
                                              f"overlaps with another subnet {other.id} ({other.cidr}).")
            made.append(db_networks.create_subnet(tx, {**values, "project_id": network.project_id}))
        hosts = {network_id: db_host_networks.hosts_of(tx, network_id) for network_id in {subnet.network_id for subnet in made}}
    for network_id, names in hosts.items():
        deps.tell(names, network_id)
    return made


def _checked(entry: dict) -> dict:
    network = ipam.network_of(entry["cidr"])
    if network.version != entry["ip_version"]:
        raise errors.InvalidInput(BAD_VERSION.format(network.version, network, entry["ip_version"]))
    if network.prefixlen == 0:
        raise errors.InvalidInput("Invalid input for operation: 0 is not allowed as CIDR prefix length.")
    modes = {entry.get("ipv6_ra_mode"), entry.get("ipv6_address_mode")}
    if len(modes) > 1 or (modes != {None} and network.version == 4):
        raise errors.InvalidInput(BAD_MODE)
    gateway = entry.get("gateway_ip", ipam.first_host(network))
    gateway = ipam.check_gateway(network, gateway) if gateway is not None else None
    pools = entry.get("allocation_pools")
    return {**entry, **_checked_lists(entry, network.version), "cidr": str(network), "gateway_ip": gateway,
            "allocation_pools": ipam.check_pools(network, pools, gateway) if pools else ipam.default_pools(network, gateway)}


def _checked_lists(entry: dict, version: int) -> dict:
    found = {}
    if entry.get("dns_nameservers") is not None:
        found["dns_nameservers"] = [ipam.canonical(name) for name in entry["dns_nameservers"]]
        if len(found["dns_nameservers"]) > MAX_NAME_SERVERS:
            raise errors.InvalidInput(f"Invalid input for operation: at most {MAX_NAME_SERVERS} DNS name servers.")
    if entry.get("host_routes") is not None:
        found["host_routes"] = [{"destination": str(ipam.network_of(route["destination"])), "nexthop": ipam.canonical(route["nexthop"])}
                                for route in entry["host_routes"]]
        if any(ipam.network_of(route["destination"]).version != version for route in found["host_routes"]):
            raise errors.InvalidInput(f"Invalid input for operation: host routes of an IPv{version} subnet must be of IPv{version}.")
        if len(found["host_routes"]) > MAX_ROUTES:
            raise errors.InvalidInput(f"Invalid input for operation: at most {MAX_ROUTES} host routes.")
    return found


def update(deps: Deps, ctx, subnet_id: str, values: dict, authorize) -> Subnet:
    """Change columns; servers learn of it at their next DHCP request. Raises SubnetNotFound, Invalid, Conflict (gateway or pool in use)."""
    with deps.db.write() as tx:
        subnet = db_networks.get_subnet(tx, ctx, subnet_id)
        authorize(subnet)
        db_networks.lock_network(tx, subnet.network_id)
        network = ipam.network_of(subnet.cidr)
        changes = {**values, **_checked_lists(values, subnet.ip_version)}
        gateway = changes.get("gateway_ip", subnet.gateway_ip)
        if gateway is not None and gateway != subnet.gateway_ip:
            gateway = changes["gateway_ip"] = ipam.check_gateway(network, gateway)
            if gateway in db_ports.addresses_on_subnet(tx, subnet_id):
                raise errors.IpAddressAlreadyAllocated(address=gateway, network_id=subnet.network_id)
        if "allocation_pools" in changes or gateway != subnet.gateway_ip:
            changes["allocation_pools"] = ipam.check_pools(network, changes.get("allocation_pools", subnet.allocation_pools), gateway)
        db_networks.update_subnet(tx, subnet, changes)
        hosts = db_host_networks.hosts_of(tx, subnet.network_id)
    deps.tell(hosts, subnet.network_id)
    return subnet


def delete(deps: Deps, ctx, subnet_id: str, authorize) -> None:
    """Remove a subnet without ports. Raises SubnetNotFound, SubnetInUse."""
    with deps.db.write() as tx:
        subnet = db_networks.get_subnet(tx, ctx, subnet_id)
        authorize(subnet)
        db_networks.lock_network(tx, subnet.network_id)
        if db_ports.in_use_on_subnet(tx, subnet_id) is not None or not db_networks.delete_subnet(tx, subnet_id):
            raise errors.SubnetInUse(subnet_id=subnet_id)
        hosts = db_host_networks.hosts_of(tx, subnet.network_id)
    deps.tell(hosts, subnet.network_id)
