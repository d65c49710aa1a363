"""A host for the live network tests: namespaces of its own that last until the end of the test, and a network worker process in them.

Run as a program it is that worker process: commands come as JSON lines on standard input, answers go to standard output.
"""
import json
import pathlib
import subprocess
import sys
import time

from tests.live.machine import Machine

UDHCPC_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr flush dev $interface
ip addr add $ip/$mask dev $interface
[ -n "$mtu" ] && ip link set $interface mtu $mtu
set -- $staticroutes
while [ $# -ge 2 ]; do
    if [ "$2" = 0.0.0.0 ]; then ip route replace $1 dev $interface; else ip route replace $1 via $2 dev $interface; fi
    shift 2
done
env | grep -E '^(ip|router|staticroutes|mtu|dns|domain|hostname|lease|serverid)=' > $LEASE
exit 0
"""


class Guest:
    """A namespace with one card, plugged into a bridge of the host as a hypervisor would plug a tap."""

    def __init__(self, host: "NetworkHost", nic: dict):
        self.host, self.nic, self.name = host, nic, f"guest-{nic['port_id'][:8]}"
        host.run("ip", "netns", "add", self.name)
        host.run("ip", "link", "add", nic["tap"], "type", "veth", "peer", "name", "eth0", "netns", self.name, "address", nic["mac"])
        host.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{nic['tap']}/disable_ipv6")
        host.run("ip", "link", "set", nic["tap"], "master", nic["bridge"], "up")
        host.run("ip", "-n", self.name, "link", "set", "eth0", "up")

    def run(self, *argv: str, check: bool = True) -> str:
        return self.host.run("nsenter", f"--net=/run/netns/{self.name}", *argv, check=check)

    def dhcp(self, check: bool = True, tries: int = 5) -> dict:
        """Ask for a lease; what the server told, by udhcpc's names. Empty when no lease came."""
        lease = self.host.folder / f"{self.name}.lease"
        lease.unlink(missing_ok=True)
        self.run("env", f"LEASE={lease}", "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", str(tries), "-T", "1", "-s",
                 str(self.host.script), "-O", "staticroutes", "-O", "mtu", "-O", "hostname", check=check)
        return dict(line.split("=", 1) for line in lease.read_text().splitlines()) if lease.exists() else {}

    def get(self, url: str) -> dict:
        return json.loads(self.run("busybox", "wget", "-q", "-O", "-", url))

    def reaches(self, address: str, tries: int = 20) -> bool:
        return any(subprocess.run(self.host.argv("nsenter", f"--net=/run/netns/{self.name}", "busybox", "ping", "-c", "1", "-W", "1", address),
                                  capture_output=True).returncode == 0 for _ in range(tries))

    def unplug(self) -> None:
        self.host.run("ip", "link", "del", self.nic["tap"])
        self.host.run("ip", "netns", "del", self.name)


class NetworkHost(Machine):
    """``name`` in the database, ``my_ip`` on the underlay. ``with`` ends everything that runs in it."""

    def __init__(self, folder: pathlib.Path, name: str, my_ip: str, database_url: str):
        super().__init__(folder, name)
        self.my_ip, self.database_url = my_ip, database_url
        self.script = folder / "udhcpc.sh"
        self.script.write_text(UDHCPC_SCRIPT)
        self.script.chmod(0o755)
        self.worker = None

    def __exit__(self, *exc_info) -> None:
        self.end_processes()
        if self.worker is not None:
            self.worker.wait()
        super().__exit__(*exc_info)

    def start_worker(self) -> None:
        root = pathlib.Path(__file__).parents[2]
        argv = self.argv("env", f"PYTHONPATH={root}", sys.executable, __file__, self.database_url, str(self.folder), self.name, self.my_ip)
        self.worker = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.call("ping") == self.name

    def kill_worker(self) -> None:
        self.worker.kill()
        self.worker.wait()

    def call(self, method: str, **arguments):
        """Call the worker's method; its answer, or its error as text in an exception."""
        self.worker.stdin.write(json.dumps({"method": method, "arguments": arguments}) + "\n")
        self.worker.stdin.flush()
        answer = json.loads(self.worker.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def left(self) -> dict:
        """All that a network could leave on the host."""
        networks = self.folder / "networks"
        return {"links": sorted(link["ifname"] for link in json.loads(self.run("ip", "-j", "link"))),
                "namespaces": sorted(self.run("ls", "/run/netns").split()),
                "files": sorted(path.name for path in networks.iterdir()) if networks.exists() else [],
                "dnsmasq": self.dnsmasq()}

    def machine(self) -> dict:
        """What of the machine a network must not touch."""
        return {"routes": self.run("ip", "route", "show", "table", "all"), "rules": self.run("ip", "rule"), "nft": self.run("nft", "list", "ruleset"),
                "forward": self.run("cat", "/proc/sys/net/ipv4/ip_forward"), "addresses": self.run("ip", "-br", "-4", "addr")}

    def dnsmasq(self) -> list[int]:
        """Process ids of the dnsmasq of this host's networks."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and f"--conf-file={self.folder}/".encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return sorted(found)


def join(first: NetworkHost, second: NetworkHost) -> None:
    """A wire between two hosts: the network that tunnels go over."""
    first.run("ip", "link", "add", "under0", "type", "veth", "peer", "name", "under0", "netns", str(second.holder.pid))
    for host in (first, second):
        host.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/under0/disable_ipv6")
        host.run("ip", "addr", "add", f"{host.my_ip}/24", "dev", "under0")
        host.run("ip", "link", "set", "under0", "up")


def wait_for(condition, seconds: float = 10.0) -> bool:
    """Whether ``condition()`` becomes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def serve(database_url: str, state_path: str, name: str, my_ip: str) -> None:
    """The worker process."""
    from nova_lite import concurrency
    concurrency.patch()
    from nova_lite import log
    from nova_lite.db.engine import Database
    from nova_lite.network.actions import server_ports
    from nova_lite.network.worker import audit, firewall
    from nova_lite.network.worker.manager import NetworkWorker
    from nova_lite.network.worker.settings import NetworkSettings
    log.setup(debug=True, path=f"{state_path}/worker.log")
    db = Database(database_url)

    def metadata(environ, start_response):
        network_id, address = environ["nova_lite.network_id"], environ["REMOTE_ADDR"]
        with db.read() as tx:
            server_id = server_ports.server_of_address(tx, network_id, address)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"network": network_id, "address": address, "server": server_id}).encode()]

    rung = []
    worker = NetworkWorker(db, NetworkSettings(state_path=state_path, my_ip=my_ip), name, metadata, lambda *bell: rung.append(bell))

    def answer(method: str, arguments: dict):
        if method == "rung":
            return rung
        if method == "audit":
            return [finding["what"] for finding in audit.audit(db, NetworkSettings(state_path=state_path, my_ip=my_ip), name)]
        if method == "obstacle":
            return firewall.obstacle()
        if method == "prepare_at_once":
            each = [[network_id] for network_id in arguments["network_ids"]] * arguments["times"]
            return concurrency.map_parallel(lambda ids: worker.prepare(None, network_ids=ids), each, limit=len(each))
        context = (None,) if method in ("prepare", "refresh", "ping") else ()
        return getattr(worker, method)(*context, **arguments)

    while True:
        line = concurrency.run_native(sys.stdin.readline)
        if not line:
            return
        request = json.loads(line)
        try:
            result = {"result": answer(request["method"], request["arguments"])}
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
