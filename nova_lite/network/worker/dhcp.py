"""DHCP and DNS of a network on this host: one dnsmasq in the network's namespace that knows only the ports bound here.

Its configuration is a pure function of the Description; a change of ports costs one file and a SIGHUP, a change of subnets a restart.
"""
import contextlib
import ipaddress
import logging
import os
import shutil
import signal
import socket
import struct

from nova_lite import clock, concurrency
from nova_lite.network import naming
from nova_lite.network.worker import commands, namespace
from nova_lite.network.worker.bridge import INNER
from nova_lite.network.worker.description import METADATA_ADDRESS, Description, SubnetHere
from nova_lite.network.worker.settings import NetworkSettings

LOG = logging.getLogger(__name__)
LEASE_TIME = "86400s"
STOP_SECONDS = 3.0
DHCPV6 = "dhcpv6-stateful"
COMMON = ("bind-interfaces", "except-interface=lo", "no-hosts", "no-resolv", "domain-needed", "quiet-dhcp", "quiet-dhcp6", "dhcp-authoritative",
          # Guests are told apart by MAC alone: firmware, initramfs and system of one guest send different client ids.
          "dhcp-ignore-clid", "dhcp-no-override", "dhcp-ignore=tag:!known", "no-ping", "dhcp-lease-max=65535")


def is_served(subnet: SubnetHere) -> bool:
    """Whether DHCP answers on the subnet."""
    return subnet.dhcp and subnet.server is not None and (subnet.version == 4 or subnet.ipv6_mode == DHCPV6)


def configuration(description: Description, settings: NetworkSettings, user: str) -> str:
    """dnsmasq's configuration file."""
    folder = settings.folder_of(description.network_id)
    lines = [*COMMON, f"interface={INNER}", f"user={user}", f"domain={settings.dns_domain}", f"local=/{settings.dns_domain}/",
             f"log-facility={folder}/dnsmasq.log", f"pid-file={folder}/dnsmasq.pid",
             f"dhcp-hostsfile={folder}/hosts", f"dhcp-leasefile={folder}/leases"]
    for index, subnet in enumerate(description.subnets):
        if subnet.server is not None:
            lines.append(f"synth-domain={settings.dns_domain},{subnet.cidr},host-")
        if is_served(subnet):
            lines += (_ipv4 if subnet.version == 4 else _ipv6)(f"s{index}", subnet, description, settings)
    return "\n".join(lines) + "\n"


def _ipv4(tag: str, subnet: SubnetHere, description: Description, settings: NetworkSettings) -> list[str]:
    network = ipaddress.ip_network(subnet.cidr)
    lines = [f"dhcp-range=set:{tag},{network.network_address},static,{network.netmask},{LEASE_TIME}",
             f"dhcp-option=tag:{tag},option:mtu,{description.mtu}",
             f"dhcp-option=tag:{tag},option:router{',' + subnet.gateway if subnet.gateway else ''}"]
    names = subnet.dns or settings.dns_servers
    if names:
        lines.append(f"dhcp-option=tag:{tag},option:dns-server,{','.join(names)}")
    routes = ",".join(f"{destination},{via}" for destination, via in routes_of(subnet, description))
    # Option 249 is 121 as old Windows knows it. A client that reads either ignores the router option, so the default route is in it too.
    return [*lines, f"dhcp-option=tag:{tag},option:classless-static-route,{routes}", f"dhcp-option=tag:{tag},249,{routes}"]


def routes_of(subnet: SubnetHere, description: Description) -> list[tuple[str, str]]:
    """The routes that guests on an IPv4 subnet are told: its own, the other subnets on the wire, the metadata service, the default."""
    routes = [route for route in subnet.routes if ":" not in route[0]]
    told = {destination for destination, _ in routes}
    others = [(other.cidr, "0.0.0.0") for other in description.subnets if other.version == 4 and other.id != subnet.id]
    for destination, via in (*others, (f"{METADATA_ADDRESS}/32", subnet.server), ("0.0.0.0/0", subnet.gateway)):
        if via is not None and destination not in told:
            routes.append((destination, via))
    return routes


def _ipv6(tag: str, subnet: SubnetHere, description: Description, settings: NetworkSettings) -> list[str]:
    network = ipaddress.ip_network(subnet.cidr)
    lines = ["enable-ra", f"dhcp-range=set:{tag},{network.network_address},static,{network.prefixlen},{LEASE_TIME}"]
    names = [name for name in subnet.dns if ":" in name]
    return lines + ([f"dhcp-option=tag:{tag},option6:dns-server,{','.join(f'[{name}]' for name in names)}"] if names else [])


def hosts(description: Description) -> str:
    """dnsmasq's hosts file: one address of each version for each port here that has one on a served subnet."""
    served = {subnet.id for subnet in description.subnets if is_served(subnet)}
    lines, told = [], set()
    for mac, address, subnet_id in description.leases:
        key = (mac, ":" in address)
        if subnet_id in served and key not in told:
            told.add(key)
            lines.append(f"{mac},{f'[{address}]' if ':' in address else address},{host_name(address)}")
    return "".join(f"{line}\n" for line in lines)


def host_name(address: str) -> str:
    """10.0.0.5 → host-10-0-0-5; what DNS answers for the address too."""
    return "host-" + address.replace(".", "-").replace(":", "-")


def parse_leases(text: str) -> list[tuple[str, str]]:
    """(mac, address) of the IPv4 leases in dnsmasq's lease file."""
    fields = [line.split() for line in text.splitlines()]
    return [(parts[1], parts[2]) for parts in fields if len(parts) >= 4 and parts[0] != "duid" and "." in parts[2]]


def release_packet(mac: str, address: str, server: str) -> bytes:
    """A DHCPRELEASE as the client itself would send it (RFC 2131)."""
    head = struct.pack("!BBBBIHH4s4s4s4s16s64s128s", 1, 1, 6, 0, 0x6E6C6974, 0, 0, socket.inet_aton(address), b"", b"", b"",
                       bytes.fromhex(mac.replace(":", "")), b"", b"")
    return head + b"\x63\x82\x53\x63" + bytes([53, 1, 7, 54, 4]) + socket.inet_aton(server) + b"\xff"


class Dhcp:
    """Runs and feeds the dnsmasq of each network. Callers hold the network's lock."""

    def __init__(self, settings: NetworkSettings):
        self._settings = settings

    def ensure(self, description: Description, changed: bool = False) -> None:
        """Have dnsmasq answer for exactly the ports here. ``changed``: its addresses changed, start it again. Raises CommandFailed."""
        network_id = description.network_id
        if not any(is_served(subnet) for subnet in description.subnets):
            self.stop(network_id)
            return
        folder = self._settings.folder_of(network_id)
        conf = configuration(description, self._settings, "nobody" if _reachable(folder) else "root")
        table = hosts(description)
        same = _read(f"{folder}/dnsmasq.conf") == conf and not changed
        pid = self.pid(network_id)
        if pid is not None and same:
            if _read(f"{folder}/hosts") != table:
                _write(f"{folder}/hosts", table)
                os.kill(pid, signal.SIGHUP)
            self._release_stale(description, table)
            return
        self.stop(network_id)
        _write(f"{folder}/hosts", table)
        self._prune_leases(network_id, table)
        _write(f"{folder}/dnsmasq.conf", conf)
        commands.run(["nsenter", f"--net={namespace.path(naming.namespace_name(network_id))}", "dnsmasq", f"--conf-file={folder}/dnsmasq.conf"])

    def pid(self, network_id: str) -> int | None:
        """The network's dnsmasq, None when it does not run."""
        folder = self._settings.folder_of(network_id)
        try:
            pid = int(_read(f"{folder}/dnsmasq.pid"))
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                # The number may have gone to another process since.
                return pid if f"--conf-file={folder}/dnsmasq.conf".encode() in file.read().split(b"\0") else None
        except (OSError, ValueError):
            return None

    def is_told(self, description: Description) -> bool:
        """Whether dnsmasq has been given exactly the ports here."""
        return _read(f"{self._settings.folder_of(description.network_id)}/hosts") == hosts(description)

    def stale(self, description: Description) -> list[tuple[str, str]]:
        """(mac, address) of the IPv4 leases that no port here has."""
        return self._stale(description.network_id, hosts(description))

    def stop(self, network_id: str) -> None:
        """End the network's dnsmasq and see it gone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            pid = self.pid(network_id)
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            end = clock.monotonic() + STOP_SECONDS
            while self.pid(network_id) is not None and clock.monotonic() < end:
                concurrency.sleep(0.005)

    def _stale(self, network_id: str, table: str) -> list[tuple[str, str]]:
        current = {tuple(line.split(",")[:2]) for line in table.splitlines()}
        return [lease for lease in parse_leases(_read(f"{self._settings.folder_of(network_id)}/leases")) if lease not in current]

    def _release_stale(self, description: Description, table: str) -> None:
        """Give back, in the guests' name, leases of ports that left: else their addresses could not be leased to others for a day."""
        stale = self._stale(description.network_id, table)
        if not stale:
            return
        with namespace.inside(naming.namespace_name(description.network_id)):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            for mac, address in stale:
                servers = [subnet.server for subnet in description.subnets if subnet.version == 4 and subnet.server
                           and ipaddress.ip_address(address) in ipaddress.ip_network(subnet.cidr)]
                for server in servers:
                    sender.sendto(release_packet(mac, address, server), (server, 67))

    def _prune_leases(self, network_id: str, table: str) -> None:
        path = f"{self._settings.folder_of(network_id)}/leases"
        gone = {address for _, address in self._stale(network_id, table)}
        if gone:
            _write(path, "".join(line for line in _read(path).splitlines(keepends=True) if line.split()[2:3] and line.split()[2] not in gone))


def _reachable(folder: str) -> bool:
    """Whether a user without rights can open files below ``folder``: then dnsmasq need not be root."""
    parts = folder.split("/")
    return all(os.stat("/".join(parts[:count]) or "/").st_mode & 1 for count in range(1, len(parts) + 1))


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(path: str, text: str) -> None:
    """Whole or not at all: dnsmasq may read at any moment."""
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.chmod(f"{path}.new", 0o644)
    os.replace(f"{path}.new", path)


def available() -> list[str]:
    """The programs that the linux driver needs and this machine lacks."""
    return [program for program in ("ip", "bridge", "nsenter", "dnsmasq") if shutil.which(program) is None]
