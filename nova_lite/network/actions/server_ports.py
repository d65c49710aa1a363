"""The ports of servers: given with their addresses, moved, taken back, and described. What the compute room asks of this one.

Every function takes a transaction first and commits nothing. A lost race for a port raises DatabaseDeadlock: run the transaction again.
"""
import uuid
from collections.abc import Iterable, Sequence

from nova_lite import exception
from nova_lite.db import securitygroups as db_securitygroups
from nova_lite.db import server_ports as db_server_ports
from nova_lite.db.models.network import Network, Subnet
from nova_lite.network import errors, ipam
from nova_lite.network.actions.requested import check_groups, check_requested, named_networks
from nova_lite.network.naming import bridge_name, tap_name

__all__ = ["addresses", "allocate", "attach", "bind", "check_groups", "check_requested", "detach", "named_networks", "nics", "release",
           "security_groups", "server_of_address", "servers_with_address", "unbind"]

ROUNDS, MAC_TRIES = 64, 4


def allocate(tx, server_id: str, project_id: str, host: str, requested: Sequence[dict], *, zone: str = "nova", at_once: bool = False) -> list[dict]:
    """Give the server the NICs that ``check_requested`` noted, on ``host``; what it has already is bound to ``host``. Returns ``nics``.

    Three statements for new NICs, however many; two with ``at_once``, for a server that has none and whose networks were read just now: their copies
    in ``requested`` are believed. Raises NoMoreAddresses, Conflict (a port or address was taken meanwhile), NetworkNotFound (deleted meanwhile),
    DatabaseDeadlock (run the transaction again, and not ``at_once``: something of that is not so).
    """
    if not requested:
        return []
    if at_once and all("network" in nic for nic in requested):
        networks, present = {nic["network_id"]: _copied(nic["network"]) for nic in requested}, set()
    else:
        networks, present = db_server_ports.plan(tx, server_id, {nic["network_id"] for nic in requested})
    missing = [index for index in range(len(requested)) if index not in present]
    for index in missing:
        if requested[index]["network_id"] not in networks:
            raise exception.NetworkNotFound(network_id=requested[index]["network_id"])
    if present:
        db_server_ports.move_to_host(tx, server_id, host)
    bound = {"device_owner": f"compute:{zone}", "host": host, "status": "ACTIVE"}
    for index in missing:
        nic = requested[index]
        if nic["port_id"] and not db_server_ports.take_port(tx, nic["port_id"], server_id, {**bound, "request_index": index, "tag": nic["tag"]}):
            raise errors.PortInUse(port_id=nic["port_id"])
    fresh = [index for index in missing if not requested[index]["port_id"]]
    given = _make_ports(tx, server_id, project_id, networks, requested, fresh, bound) if fresh else []
    return given if len(fresh) == len(requested) else nics(tx, server_id)


def _copied(network: dict) -> list:
    """As ``plan`` has them."""
    values = {name: value for name, value in network.items() if name != "subnets"}
    return [Network(**values), *(Subnet(**subnet) for subnet in network["subnets"])]


def _make_ports(tx, server_id, project_id, networks, requested, fresh, bound) -> list[dict]:
    default = [db_securitygroups.default_id(project_id)]
    rows = [{"id": str(uuid.uuid4()), "network_id": requested[index]["network_id"], "project_id": project_id, "mac": ipam.new_mac(),
             "device_id": server_id, "server_made": True, "request_index": index, "tag": requested[index]["tag"],
             "security_groups": requested[index].get("security_groups") or default, **bound} for index in fresh]
    _insert_ports(tx, rows)
    wants = [(row, fixed_ip) for row, fixed_ip in zip(rows, (requested[index]["fixed_ip"] for index in fresh), strict=True)]
    held = claim_addresses(tx, networks, [(row["id"], row["network_id"], subnets)
                                          for row, fixed_ip in wants for subnets in _choices(networks[row["network_id"]], fixed_ip)])
    return [_nic(row, networks[row["network_id"]][0], [(address, subnet) for port_id, address, subnet in held if port_id == row["id"]])
            for row in rows]


def _insert_ports(tx, rows: list[dict]) -> None:
    """Write the rows; a MAC that is taken is drawn again. What stays refused is a NIC that somebody else gave the server meanwhile."""
    left = rows
    for _ in range(MAC_TRIES):
        if db_server_ports.insert_ports(tx, left) == len(left):
            return
        made = db_server_ports.present(tx, [row["id"] for row in left])
        left = [row for row in left if row["id"] not in made]
        for row in left:
            row["mac"] = ipam.new_mac()
    raise exception.DatabaseDeadlock()


def _choices(network_and_subnets: list, fixed_ip: str | None) -> list:
    """For each address that a port gets: where from. One of IPv4 and one of IPv6, or the one asked for."""
    network, *subnets = network_and_subnets
    if fixed_ip is not None:
        home = next((subnet for subnet in subnets if ipam.in_subnet(subnet.cidr, fixed_ip)), None)
        if home is None:
            raise exception.Conflict(f"Fixed IP address {fixed_ip} is not a usable address of network {network.id}.")
        return [(fixed_ip, home)]
    by_version = [[subnet for subnet in subnets if subnet.ip_version == version] for version in (4, 6)]
    return [choice for choice in by_version if choice]


def claim_addresses(tx, networks: dict[str, list], wants: list[tuple]) -> list[tuple]:
    """Hold an address for each want, a (port id, network id, choice): a choice is subnets to draw from or a fixed (address, subnet).

    Returns (port id, address, subnet) in the order of the wants. The key of port_addresses decides every race: what was taken is drawn again
    among what is free then. Raises NoMoreAddresses, Conflict (the fixed address is taken).
    """
    held: dict[int, tuple] = {}
    taken: dict[str, set[str]] = {network_id: set() for _, network_id, _ in wants}
    for _ in range(ROUNDS):
        drawn = {}
        for index, (port_id, network_id, choice) in enumerate(wants):
            if index not in held:
                address, subnet = _draw(network_id, choice, taken[network_id])
                taken[network_id].add(address)
                drawn[index] = (port_id, address, subnet)
        rows = [{"network_id": wants[index][1], "address": address, "port_id": port_id, "subnet_id": subnet.id}
                for index, (port_id, address, subnet) in drawn.items()]
        if not rows or db_server_ports.insert_addresses(tx, rows) == len(rows):
            held.update(drawn)
            return [held[index] for index in range(len(wants))]
        now = db_server_ports.taken_addresses(tx, taken)
        mine = {(port_id, address) for _, address, port_id in now}
        held.update({index: entry for index, entry in drawn.items() if entry[:2] in mine})
        taken = {network_id: {address for other, address, _ in now if other == network_id} for network_id in taken}
    raise exception.NoMoreAddresses(network_id=", ".join(sorted(networks)))


def _draw(network_id: str, choice, taken: set[str]):
    if isinstance(choice, tuple):
        address, subnet = choice
        if address in taken:
            raise errors.IpAddressAlreadyAllocated(address=address, network_id=network_id)
        return address, subnet
    for subnet in choice:
        address = ipam.choose(subnet.allocation_pools, taken)
        if address is not None:
            return address, subnet
    raise exception.NoMoreAddresses(network_id=network_id)


def attach(tx, server_id: str, project_id: str, host: str, nic: dict, *, zone: str = "nova") -> dict:
    """Give a server one NIC more, as ``check_requested`` noted it; the NIC as in ``nics``. Raises as ``allocate``."""
    index = db_server_ports.next_index(tx, server_id)
    networks, _ = db_server_ports.plan(tx, server_id, {nic["network_id"]})
    if nic["network_id"] not in networks:
        raise exception.NetworkNotFound(network_id=nic["network_id"])
    bound = {"device_owner": f"compute:{zone}", "host": host, "status": "ACTIVE"}
    if nic["port_id"] is None:
        _make_ports(tx, server_id, project_id, networks, {index: nic}, [index], bound)
    elif not db_server_ports.take_port(tx, nic["port_id"], server_id, {**bound, "request_index": index, "tag": nic["tag"]}):
        raise errors.PortInUse(port_id=nic["port_id"])
    return next(made for made in nics(tx, server_id) if made["index"] == index)


def detach(tx, server_id: str, port_id: str) -> list[str]:
    """Take one port from a server: deleted if it came with the server, else freed. Ids of networks (none: it had no such port) to refresh."""
    return db_server_ports.release(tx, server_id, port_id)


def release(tx, server_id: str) -> list[str]:
    """Delete the ports that came with the server, free those that the user made. Returns network ids: ring ``network.refresh`` for them."""
    return db_server_ports.release(tx, server_id)


def unbind(tx, server_id: str) -> list[str]:
    """Leave the server its ports and addresses but plug them nowhere (rescheduled, shelved). Returns network ids: ring ``refresh``."""
    return db_server_ports.move_to_host(tx, server_id, None)


def bind(tx, server_id: str, host: str) -> list[str]:
    """Plug the server's ports, addresses and all, in on another host. Returns network ids: have ``host`` prepare them."""
    return db_server_ports.move_to_host(tx, server_id, host)


def nics(tx, server_id: str) -> list[dict]:
    """Everything a guest, its metadata and config drive must be told, in NIC order and one statement.

    [{"port_id", "index", "network_id", "network_name", "bridge", "tap", "mac", "mtu", "tag", "project_id", "security_groups", "addresses":
    [{"address", "version", "subnet_id", "cidr", "gateway", "dns", "routes", "dhcp"}]}]; ``routes`` are {"destination", "nexthop"}.
    """
    ports: dict[str, tuple] = {}
    for port, network, address, subnet in db_server_ports.plugs(tx, server_id):
        row = {"id": port.id, "network_id": port.network_id, "project_id": port.project_id, "mac": port.mac, "tag": port.tag,
               "request_index": port.request_index, "security_groups": port.security_groups}
        known = ports.setdefault(port.id, (row, network, []))
        if address is not None:
            known[2].append((address.address, subnet))
    return [_nic(*known) for known in ports.values()]


def _nic(row: dict, network, held: list[tuple]) -> dict:
    return {
        "port_id": row["id"], "index": row["request_index"], "network_id": network.id, "network_name": network.name,
        "bridge": bridge_name(network.id), "tap": tap_name(row["id"]), "mac": row["mac"], "mtu": network.mtu, "tag": row["tag"],
        "project_id": row["project_id"], "security_groups": row["security_groups"],
        "addresses": [{"address": address, "version": subnet.ip_version, "subnet_id": subnet.id, "cidr": subnet.cidr,
                       "gateway": subnet.gateway_ip, "dns": subnet.dns_nameservers, "routes": subnet.host_routes, "dhcp": subnet.enable_dhcp}
                      for address, subnet in held]}


def addresses(tx, server_ids: Iterable[str]) -> dict[str, list[dict]]:
    """{server id: [{"network", "address", "version", "mac", "port_id", "security_groups"}]} in NIC order and one statement.

    ``security_groups`` are ids; see ``security_groups`` for names. Servers without addresses are left out.
    """
    found: dict[str, list[dict]] = {}
    for server_id, network, address, mac, port_id, groups in db_server_ports.address_rows(tx, list(server_ids)):
        found.setdefault(server_id, []).append({"network": network, "address": address, "version": 6 if ":" in address else 4, "mac": mac,
                                                "port_id": port_id, "security_groups": groups})
    return found


def security_groups(tx, project_id: str, entries: Iterable[dict]) -> list[str]:
    """Names of the groups that one server's ``addresses`` (or ``nics``) name, each once; no statement for the project's default group."""
    ids = list(dict.fromkeys(group_id for entry in entries for group_id in entry["security_groups"]))
    default = db_securitygroups.default_id(project_id)
    others = [group_id for group_id in ids if group_id != default]
    known = {default: db_securitygroups.DEFAULT_NAME, **(db_securitygroups.names(tx, others) if others else {})}
    return [known[group_id] for group_id in ids if group_id in known]


def server_of_address(tx, network_id: str, address: str) -> str | None:
    """The server that has the address on the network: whose metadata is asked for."""
    return db_server_ports.server_of_address(tx, network_id, address)


def servers_with_address(tx, pattern: str, version: int = 4) -> list[str]:
    """Ids of servers that have an address matching an SQL LIKE pattern; for the ``ip`` and ``ip6`` filters of the server list."""
    return db_server_ports.servers_with_address(tx, pattern, version)
