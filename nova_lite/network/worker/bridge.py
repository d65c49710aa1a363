"""Devices of a network on this host: bridge, namespace with the gateway, and the VXLAN tunnel to other hosts.

The gateway's and the tunnel's bridge ports are isolated: what leaves one does not enter the other. So the gateway can have the same address
and MAC on each host, and DHCP answers only the guests here. What was made last is written beside the network's other files; where that
is missing or differs in more than addresses and tunnels, gateway and tunnel are made anew. The bridge, with guests in it, stays.
"""
import contextlib
import json
import os
import socket

from nova_lite.network import ipam, naming
from nova_lite.network.worker import commands, namespace
from nova_lite.network.worker.description import Description
from nova_lite.network.worker.settings import NetworkSettings

INNER = "gw0"
FLOOD = "00:00:00:00:00:00"
FIXED = ("mtu", "vni", "my_ip", "vxlan_port", "namespace")


def device_names() -> set[str]:
    """All network devices of the namespace that the worker runs in."""
    return {name for _, name in socket.if_nameindex()}


class Devices:
    """Makes the devices of networks what their descriptions say. Callers hold the network's lock."""

    def __init__(self, settings: NetworkSettings):
        self._settings = settings

    def ensure(self, description: Description) -> bool:
        """Make it so. True when the namespace's side changed: who listens there must start again. Raises CommandFailed."""
        network_id = description.network_id
        wanted = self._wanted(description)
        names = device_names()
        known = self._known(network_id)
        if known is None or not self._whole(network_id, known, names) or any(known[key] != wanted[key] for key in FIXED[:-1]):
            known = None
        elif all(known[key] == wanted[key] for key in ("addresses", "peers")):
            return False
        self._forget(network_id)
        if known is None:
            self._make(network_id, wanted, names)
            known = {"addresses": [], "peers": []}
            names = device_names()
        self._set_addresses(network_id, known["addresses"], wanted["addresses"])
        self._set_peers(network_id, wanted, known["peers"], names)
        wanted["namespace"] = namespace.identity(naming.namespace_name(network_id))
        self._remember(network_id, wanted)
        return known["addresses"] != wanted["addresses"]

    def is_made(self, network_id: str) -> bool:
        """Whether ``ensure`` has once come to its end."""
        return self._known(network_id) is not None

    def _wanted(self, description: Description) -> dict:
        return {"mtu": description.mtu, "vni": description.vni, "my_ip": self._settings.my_ip, "vxlan_port": self._settings.vxlan_port,
                "addresses": description.interfaces(), "peers": description.tunnels(self._settings.my_ip)}

    def _whole(self, network_id: str, known: dict, names: set[str]) -> bool:
        there = {naming.bridge_name(network_id), naming.gateway_name(network_id)} <= names
        tunnel = (naming.tunnel_name(network_id) in names) == bool(known["peers"])
        return there and tunnel and known["namespace"] == namespace.identity(naming.namespace_name(network_id))

    def _make(self, network_id: str, wanted: dict, names: set[str]) -> None:
        bridge, gateway, inner = naming.bridge_name(network_id), naming.gateway_name(network_id), naming.namespace_name(network_id)
        mtu, mac = wanted["mtu"], ipam.gateway_mac(network_id)
        lines = [f"link del {name}" for name in (gateway, naming.tunnel_name(network_id)) if name in names]
        if namespace.identity(inner) is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(namespace.path(inner))
            lines.append(f"netns add {inner}")
        if bridge not in names:
            lines.append(f"link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0 "
                         "nf_call_iptables 0 nf_call_ip6tables 0 nf_call_arptables 0")
        lines += [f"link set {bridge} addrgenmode none mtu {mtu} up",
                  f"link add {gateway} mtu {mtu} type veth peer name {INNER} netns {inner} address {mac} mtu {mtu}",
                  *_port(bridge, gateway)]
        commands.batch(["ip"], lines)
        for name in (bridge, gateway):
            namespace.write_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1")
        with namespace.inside(inner):
            # A namespace may inherit the machine's settings: this one is no router.
            namespace.write_sysctl("net/ipv4/ip_forward", "0")

    def _set_addresses(self, network_id: str, old: list[str], new: list[str]) -> None:
        if old == new:
            return
        lines = [] if old else ["link set lo up", f"link set {INNER} up"]
        lines += [f"addr del {address} dev {INNER}" for address in old if address not in new]
        lines += [f"addr replace {address} dev {INNER}{' nodad' if ':' in address else ''}" for address in new if address not in old]
        commands.batch(["ip", "-n", naming.namespace_name(network_id)], lines)

    def _set_peers(self, network_id: str, wanted: dict, old: list[str], names: set[str]) -> None:
        bridge, tunnel, new = naming.bridge_name(network_id), naming.tunnel_name(network_id), wanted["peers"]
        if new and tunnel not in names:
            commands.batch(["ip"], [f"link add {tunnel} mtu {wanted['mtu']} type vxlan id {wanted['vni']} dstport {wanted['vxlan_port']} "
                                    f"local {wanted['my_ip']}", *_port(bridge, tunnel)])
            namespace.write_sysctl(f"net/ipv6/conf/{tunnel}/disable_ipv6", "1")
        if not new and tunnel in names:
            commands.batch(["ip"], [f"link del {tunnel}"])
            return
        commands.batch(["bridge"], [f"fdb append {FLOOD} dev {tunnel} dst {peer}" for peer in new if peer not in old]
                       + [f"fdb del {FLOOD} dev {tunnel} dst {peer}" for peer in old if peer not in new])

    def has_guests(self, network_id: str) -> bool:
        """Whether anything but our own ends is plugged into the bridge."""
        bridge = naming.bridge_name(network_id)
        if bridge not in device_names():
            return False
        plugged = {link["ifname"] for link in json.loads(commands.run(["ip", "-j", "link", "show", "master", bridge]) or "[]")}
        return bool(plugged - {naming.gateway_name(network_id), naming.tunnel_name(network_id)})

    def remove(self, network_id: str) -> None:
        """Remove every device of the network; what is not there is fine."""
        self._forget(network_id)
        names = device_names()
        ours = (naming.tunnel_name(network_id), naming.gateway_name(network_id), naming.bridge_name(network_id))
        inner = naming.namespace_name(network_id)
        lines = [f"link del {name}" for name in ours if name in names]
        if os.path.exists(namespace.path(inner)):
            lines.append(f"netns del {inner}")
        commands.batch(["ip"], lines)

    def _file(self, network_id: str) -> str:
        return os.path.join(self._settings.folder_of(network_id), "devices.json")

    def _known(self, network_id: str) -> dict | None:
        try:
            with open(self._file(network_id)) as file:
                known = json.load(file)
        except (FileNotFoundError, ValueError):
            return None
        return known if all(key in known for key in (*FIXED, "addresses", "peers")) else None

    def _remember(self, network_id: str, wanted: dict) -> None:
        with open(self._file(network_id), "w") as file:
            json.dump(wanted, file)

    def _forget(self, network_id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._file(network_id))


def _port(bridge: str, device: str) -> list[str]:
    return [f"link set {device} addrgenmode none master {bridge}", f"link set {device} type bridge_slave isolated on", f"link set {device} up"]
