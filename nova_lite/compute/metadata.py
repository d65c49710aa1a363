"""What a guest is told about itself: the tree of the metadata service and of the config drive, in OpenStack's and EC2's format. Pure.

Sources: the formats that Nova's metadata service serves (doc/source/user/metadata.rst) and that cloud-init's OpenStack and EC2 sources read.
"""
import base64
import binascii
import ipaddress
import json
import secrets

from nova_lite import exception
from nova_lite.compute import local_disks
from nova_lite.numa import wanted

OPENSTACK_VERSIONS = ("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
                      "2020-10-14")
EC2_VERSIONS = ("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04")


def _dedicated(server) -> list[int]:
    """The guest's CPUs that no other guest runs on."""
    try:
        topology = wanted.read(server.flavor, server.image.get("properties") or {})
    except exception.Invalid:
        return []
    return sorted(cpu for cell in topology.cells for cpu in cell.pinned) if topology else []


def meta_data(server, domain: str, personality: list | None = None, admin_pass: str | None = None) -> dict:
    """``meta_data.json``. ``server``: the row; ``domain`` is added to the host name; ``personality``: [{"path", "contents"}] of a new server."""
    found = {
        "uuid": server.id, "name": server.name, "hostname": fqdn(server, domain), "launch_index": server.launch_index,
        "availability_zone": server.availability_zone, "project_id": server.project_id, "meta": dict(server.meta), "devices": [],
        "dedicated_cpus": _dedicated(server), "random_seed": base64.b64encode(secrets.token_bytes(512)).decode(),
    }
    if server.key_data:
        found["public_keys"] = {server.key_name: server.key_data}
        found["keys"] = [{"name": server.key_name, "type": "ssh", "data": server.key_data}]
    if personality:
        found["files"] = [{"path": item["path"], "content_path": f"/content/{index:04d}"} for index, item in enumerate(personality)]
    if admin_pass:
        found["admin_pass"] = admin_pass
    return found


def fqdn(server, domain: str) -> str:
    """The guest's full name; a host name with dots is one already."""
    return f"{server.hostname}.{domain}" if domain and "." not in server.hostname else server.hostname


def network_data(nics: list[dict]) -> dict:
    """``network_data.json`` of network.actions.server_ports.nics."""
    links, networks, services = [], [], []
    for nic in nics:
        links.append({"id": nic["tap"], "vif_id": nic["port_id"], "type": "bridge", "mtu": nic["mtu"], "ethernet_mac_address": nic["mac"]})
        for number, address in enumerate(nic["addresses"]):
            family = f"ipv{address['version']}"
            entry = {"id": f"network{len(networks)}", "link": nic["tap"], "network_id": nic["network_id"],
                     "type": f"{family}_dhcp" if address["dhcp"] and address["version"] == 4 else family}
            if entry["type"] == family:
                entry.update(_fixed(address))
            networks.append(entry)
            if number == 0:
                services += [{"type": "dns", "address": server} for server in address["dns"]]
    return {"links": links, "networks": networks, "services": services}


def _fixed(address: dict) -> dict:

    subnet = ipaddress.ip_network(address["cidr"])
    routes = [_route(route["destination"], route["nexthop"]) for route in address["routes"]]
    if address["gateway"]:
        routes.insert(0, _route("0.0.0.0/0" if subnet.version == 4 else "::/0", address["gateway"]))
    return {"ip_address": address["address"], "netmask": str(subnet.netmask), "routes": routes,
            "services": [{"type": "dns", "address": server} for server in address["dns"]]}


def _route(destination: str, nexthop: str) -> dict:

    network = ipaddress.ip_network(destination)
    return {"network": str(network.network_address), "netmask": str(network.netmask), "gateway": nexthop}


def user_data(server) -> bytes | None:
    """The user data as the user wrote it, decoded; None where there is none."""
    if not server.user_data:
        return None
    try:
        return base64.b64decode("".join(server.user_data.split()))
    except binascii.Error:
        return server.user_data.encode()


def ec2(server, nics: list[dict], domain: str, security_groups: list[str]) -> dict:
    """The EC2 ``meta-data`` tree: dicts are folders, text is a file."""
    addresses = [item["address"] for nic in nics for item in nic["addresses"] if item["version"] == 4]
    name = fqdn(server, domain)
    tree: dict = {
        "ami-id": ec2_id("ami", server.image_id or server.id), "ami-launch-index": str(server.launch_index), "ami-manifest-path": "(unknown)",
        "block-device-mapping": {"ami": server.root_device.removeprefix("/dev/"), "root": server.root_device,
                                 **local_disks.mapping(server.disks or (), server.flavor, server.image or {})},
        "hostname": name, "instance-action": "none", "instance-id": ec2_id("i", server.id), "instance-type": server.flavor["name"],
        "local-hostname": name, "local-ipv4": addresses[0] if addresses else "", "placement": {"availability-zone": server.availability_zone or ""},
        "public-hostname": name, "public-ipv4": "", "reservation-id": server.reservation_id, "security-groups": "\n".join(security_groups),
    }
    for part, prefix in (("kernel_id", "aki"), ("ramdisk_id", "ari")):
        if server.image.get(part):
            tree[part.replace("_", "-")] = ec2_id(prefix, server.image[part]["id"])
    if server.key_data:
        tree["public-keys"] = {"0": {"_name": server.key_name, "openssh-key": server.key_data}}
    return tree


def ec2_id(prefix: str, ident: str) -> str:
    """An EC2 id of eight hexadecimal digits."""
    return f"{prefix}-{ident.replace('-', '')[:8]}"


def config_drive(server, nics: list[dict], domain: str, security_groups: list[str], vendor_data: dict) -> dict[str, bytes]:
    """Every file of the config drive: path → content. The admin password and the personality are on it only when the server is built."""
    personality = server.request.get("personality") or []
    document = meta_data(server, domain, personality, server.request.get("admin_pass"))
    script = user_data(server)
    files: dict[str, bytes] = {}
    for version in (*OPENSTACK_VERSIONS, "latest"):
        folder = f"openstack/{version}"
        files[f"{folder}/meta_data.json"] = json.dumps(document).encode()
        files[f"{folder}/network_data.json"] = json.dumps(network_data(nics)).encode()
        files[f"{folder}/vendor_data.json"] = json.dumps(vendor_data).encode()
        files[f"{folder}/vendor_data2.json"] = b"{}"
        if script is not None:
            files[f"{folder}/user_data"] = script
    for index, item in enumerate(personality):
        files[f"openstack/content/{index:04d}"] = base64.b64decode(item["contents"])
    for version in ("2009-04-04", "latest"):
        files[f"ec2/{version}/meta-data.json"] = json.dumps(_plain(ec2(server, nics, domain, security_groups))).encode()
        if script is not None:
            files[f"ec2/{version}/user-data"] = script
    return files


def _plain(tree: dict) -> dict:
    return {key: _plain(value) if isinstance(value, dict) else value for key, value in tree.items() if key != "_name"}
