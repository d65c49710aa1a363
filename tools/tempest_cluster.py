#!/usr/bin/env python3
"""The cloud of ``tools/tempest.sh -d libvirt -H N``: a controller and compute hosts in namespaces, as tests/live/cluster.py makes them.

    tempest_cluster.py serve FOLDER HOSTS    run it until a signal comes; FOLDER/cluster.json then tells where it is, once all of it serves
    tempest_cluster.py plug FOLDER NETWORK   run in the controller's network namespace: give it an address on a network of guests
    tempest_cluster.py audit FOLDER          print what the audits of all hosts say
"""
import argparse
import ipaddress
import json
import os
import pathlib
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import daemons  # noqa: E402
from tests.live.cluster import Cluster  # noqa: E402
from tests.services.postgresql import PostgreSQL  # noqa: E402
from tests.services.rabbitmq import RabbitMQ  # noqa: E402

FILTERS = ("AvailabilityZoneFilter", "ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter", "ServerGroupAntiAffinityFilter",
           "ServerGroupAffinityFilter", "DifferentHostFilter", "SameHostFilter")
# Two cores that emulate guests are late with everything: a host is not down for it. Most guests of Tempest's are asked to shut down before they
# have booted, and have to be waited for in vain.
OPTIONS = {"service": {"report_interval": 5, "down_time": 60, "sweep_interval": 10}, "compute": {"shutdown_timeout": 8},
           "scheduler": {"enabled_filters": ",".join(FILTERS)}, "spice": {"enabled": True},
           # As in a cloud by default: tests go beyond them.
           "quota": {"instances": 10, "cores": 20, "ram": 51200}}
BRIDGE, WIRE = "guests", "tempest0"
# Longer than hosts take to see that a network has gone.
SETTLE = "40"


def serve(folder: pathlib.Path, hosts: int) -> None:
    """Machines, broker, database and daemons, until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder, hosts, apis=1, schedulers=1, options=OPTIONS, consoles=True)
    with cluster:
        try:
            cluster.start(RabbitMQ, PostgreSQL)
        except Exception:
            print(cluster.logs())
            raise
        found = {"endpoint": cluster.base(), "password": daemons.PASSWORD, "controller": cluster.controller.holder.pid,
                 "hosts": {host.name: host.holder.pid for host in cluster.hosts}}
        (folder / "cluster.json.new").write_text(json.dumps(found))
        os.replace(folder / "cluster.json.new", folder / "cluster.json")
        signal.pause()


def load(folder: pathlib.Path) -> dict:
    """What ``serve`` has written."""
    return json.loads((folder / "cluster.json").read_text())


def run(pid: int, *argv: str) -> str:
    """A program's output, run in the namespaces of a machine; it must succeed."""
    return subprocess.run(["nsenter", "-t", str(pid), "-n", "-m", "-u", *argv], check=True, capture_output=True, text=True).stdout


def plug(folder: pathlib.Path, name: str) -> None:
    """A bridge of the controller gets an address on the network and a wire to the network's bridge on each host.

    A host has the network's bridge as long as something is plugged in, so a server makes it there, and the wire keeps it. The wires' ends are
    isolated, as those of the hosts' tunnels are: the controller reaches each host's guests by its wire alone, and no frame goes in circles.
    """
    found = load(folder)
    token = daemons.log_in(found["endpoint"])
    networks, compute = (daemons.Rest(f"{found['endpoint']}/{service}", token) for service in ("network/v2.0", "compute/v2.1"))
    network = networks.get(f"/networks?name={name}").json["networks"][0]
    subnet = networks.get(f"/subnets/{network['subnets'][0]}").json["subnet"]
    port = networks.post("/ports", {"port": {"network_id": network["id"], "name": "tempest"}}).json["port"]
    address = f"{port['fixed_ips'][0]['ip_address']}/{ipaddress.ip_network(subnet['cidr']).prefixlen}"
    ip("link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0")
    flavor = min(compute.get("/flavors/detail").json["flavors"], key=lambda flavor: flavor["ram"])["id"]
    image = compute.get("/images").json["images"][0]["id"]
    for host, pid in found["hosts"].items():
        body = {"name": f"plug-{host}", "imageRef": image, "flavorRef": flavor, "availability_zone": f"nova:{host}",
                "networks": [{"uuid": network["id"]}]}
        server = compute.post("/servers", {"server": body}).json["server"]["id"]
        daemons.wait_until(f"a server on {host}", lambda server=server: is_active(compute, server), 300, 0.5)
        join(pid, host, f"br{network['id'][:11]}")
        answer = compute.delete(f"/servers/{server}")
        assert answer.status == 204, answer
    ip("addr", "add", address, "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    print(f"Tempest has {address} on {name}")


def is_active(compute: daemons.Rest, server_id: str) -> bool:
    server = compute.get(f"/servers/{server_id}").json["server"]
    if server["status"] == "ERROR":
        raise RuntimeError(server["fault"]["message"])
    return server["status"] == "ACTIVE"


def join(pid: int, host: str, bridge: str) -> None:
    """A wire from this namespace's bridge to the host's."""
    here = f"guests-{host}"[:15]
    mtu = run(pid, "cat", f"/sys/class/net/{bridge}/mtu").strip()
    ip("link", "add", here, "mtu", mtu, "type", "veth", "peer", "name", WIRE, "mtu", mtu, "netns", str(pid))
    ip("link", "set", here, "master", BRIDGE, "up")
    ip("link", "set", here, "type", "bridge_slave", "isolated", "on")
    run(pid, "ip", "link", "set", WIRE, "addrgenmode", "none", "master", bridge)
    run(pid, "ip", "link", "set", WIRE, "type", "bridge_slave", "isolated", "on")
    run(pid, "ip", "link", "set", WIRE, "up")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def audit(folder: pathlib.Path) -> None:
    """The audits' own words, under the name of each host. What ``plug`` keeps there is let go."""
    hosts = load(folder)["hosts"]
    for pid in hosts.values():
        subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "link", "del", WIRE], stderr=subprocess.DEVNULL, check=False)
    for host, pid in hosts.items():
        command = ["nsenter", "-t", str(pid), "-n", "-m", "-u", "env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "nova_lite.cmd.manage",
                   "--config-file", str(folder / f"{host}.conf"), "audit",
                   "--settle", SETTLE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"audit of {host}: {done.stdout.strip() or done.stderr.strip()}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for function, words in ((serve, (("hosts", int),)), (plug, (("name", str),)), (audit, ())):
        command = commands.add_parser(function.__name__)
        command.set_defaults(run=function)
        command.add_argument("folder", type=pathlib.Path)
        for word, kind in words:
            command.add_argument(word, type=kind)
    options = vars(parser.parse_args())
    options.pop("run")(**options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
