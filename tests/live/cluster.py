"""A cluster on one machine: a controller and compute hosts, each in namespaces of its own, joined by a bridge inside the controller's.

The test process itself enters the controller's network namespace, so that nothing touches the machine's own network.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import uuid

import daemons
from tests.live.machine import Machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLONE_NEWNET = 0x40000000
CONTROLLER = "10.99.0.1"
PROGRAMS = ("libvirtd", "virtlogd", "virsh", "qemu-img", "qemu-system-x86_64", "dnsmasq", "unshare", "nsenter", "ip", "bridge")
"""What hosts made of namespaces need."""
LIBVIRT = """
for name in lib/libvirt log/libvirt cache/libvirt; do
    mkdir -p {folder}/var/$name /var/$name
    chmod 755 {folder}/var/$name
    mount --bind {folder}/var/$name /var/$name
done
mkdir -p {folder}/etc
cp -r /etc/libvirt {folder}/etc/libvirt
printf 'host_uuid = "%s"\\nauth_unix_rw = "none"\\n' {uuid} >>{folder}/etc/libvirt/libvirtd.conf
# Guests that move while they run: libvirtd reaches libvirtd. Nobody but the cluster's machines is on their network.
printf 'listen_tls = 0\\nlisten_tcp = 1\\nauth_tcp = "none"\\n' >>{folder}/etc/libvirt/libvirtd.conf
printf 'namespaces = []\\nsecurity_driver = "none"\\ncgroup_controllers = []\\n' >>{folder}/etc/libvirt/qemu.conf
rm -rf {folder}/etc/libvirt/qemu
mkdir {folder}/etc/libvirt/qemu
mount --bind {folder}/etc/libvirt /etc/libvirt
# A /dev/kvm that the CPU cannot back makes libvirtd probe QEMU anew before every call.
if [ -e /dev/kvm ] && ! grep -qwE 'vmx|svm' /proc/cpuinfo; then : >/run/no-kvm; chmod 600 /run/no-kvm; mount --bind /run/no-kvm /dev/kvm; fi
virtlogd -d
libvirtd -d -l
"""


def enter_network(descriptor: int) -> None:
    """Put this thread, and what it starts, into the network namespace that an open file of /proc/PID/ns/net stands for."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class ClusterDaemon(daemons.Process):
    """A daemon of ours, of the tree that the test is in, on ``machine`` or where the test itself is."""

    def __init__(self, module: str, config: pathlib.Path, log: pathlib.Path, machine: Machine | None = None):
        # Entering a mount namespace leaves the working folder behind.
        prefix = machine.argv("env", f"PYTHONPATH={ROOT}") if machine is not None else ()
        super().__init__(module, config, log, tuple(prefix))
        self._log_start = 0

    def start(self, hooks: str = "") -> None:
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        super().start(hooks)

    def runs(self) -> bool:
        """Whether it says that all its parts have started. Fails when it has ended."""
        said = self.log.read_bytes()[self._log_start:].decode(errors="replace")
        assert self.popen.poll() is None, f"{self.module} ended: {said[-4000:]}"
        return " runs, epoch " in said


class ComputeHost(Machine):
    """A host with a libvirtd of its own, a compute and a network worker."""

    def __init__(self, folder: pathlib.Path, name: str, address: str):
        super().__init__(folder, name)
        self.address = address
        self.state = folder / "state"
        self.state.mkdir(mode=0o755)

    def set_up(self) -> str:
        return LIBVIRT.format(folder=self.folder, uuid=uuid.uuid4())

    def join(self, controller: Machine) -> None:
        """A wire to the controller's bridge."""
        port = f"to-{self.name}"
        controller.run("ip", "link", "add", port, "type", "veth", "peer", "name", "lan0", "netns", str(self.holder.pid))
        controller.run("ip", "link", "set", port, "master", "lan", "up")
        self.run("ip", "addr", "add", f"{self.address}/24", "dev", "lan0")
        self.run("ip", "link", "set", "lan0", "up")
        self._own_links = self._links()

    def domains(self) -> dict[str, str]:
        """Server id → name of libvirt's domains, running or not."""
        return dict(line.split() for line in self.run("virsh", "-q", "list", "--all", "--uuid", "--name").splitlines() if line.strip())

    def domain_state(self, server_id: str) -> str:
        """As virsh says it: ``running``, ``shut off``."""
        return self.run("virsh", "-q", "domstate", server_id).strip()

    def left(self) -> dict[str, list[str]]:
        """All that servers could leave here; every list is empty on a clean host."""
        running = self.comms()
        return {"domains": sorted(self.domains().values()), "links": sorted(self._links() - self._own_links),
                "namespaces": self.run("ls", "/run/netns").split(), "disks": _names(self.state / "servers"),
                "networks and leases": _names(self.state / "networks"),
                "processes": [name for name in running if name == "dnsmasq" or name.startswith("qemu-system")]}

    def _links(self) -> set[str]:
        return {link["ifname"] for link in json.loads(self.run("ip", "-j", "link"))}


def _names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class Cluster:
    """The machines: a controller and ``hosts`` compute hosts. ``start`` runs a cloud on them, ``stop`` ends it; one at a time.

    ``options``: sections of the configuration besides those of ``config``. ``consoles``: whether a console proxy runs on the controller.
    """

    def __init__(self, folder: pathlib.Path, hosts: int = 2, apis: int = 2, schedulers: int = 2, options: dict[str, dict] | None = None,
                 consoles: bool = False):
        self.folder = folder
        self.controller = Machine(folder / "controller", "controller")
        self.hosts = [ComputeHost(folder / f"host{n}", f"host{n}", f"10.99.0.{10 + n}") for n in range(1, hosts + 1)]
        self._counts = {"api": apis, "scheduler": schedulers}
        self._options, self._consoles = options or {}, consoles
        self.processes: dict[str, ClusterDaemon] = {}
        self._ports = [8774 + number for number in range(apis)]
        self._services: list = []

    def __enter__(self) -> "Cluster":
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._inside = contextlib.ExitStack()
        with self._inside:
            self._inside.callback(os.close, self._home)
            self._inside.enter_context(self.controller)
            self._inside.callback(enter_network, self._home)
            with open(f"/proc/{self.controller.holder.pid}/ns/net") as handle:
                enter_network(handle.fileno())
            for words in (("link", "add", "lan", "type", "bridge"), ("addr", "add", f"{CONTROLLER}/24", "dev", "lan"), ("link", "set", "lan", "up")):
                self.controller.run("ip", *words)
            for host in self.hosts:
                self._inside.enter_context(host)
                host.join(self.controller)
            self._inside = self._inside.pop_all()
        return self

    def __exit__(self, *exc_info) -> None:
        self.stop()
        self._inside.close()

    # ---- a cloud on these machines -------------------------------------------------------------------------------------------
    def start(self, broker_class, database_class) -> None:
        """Broker, database, first users, every daemon; returns once all report."""
        self.broker = broker_class(CONTROLLER)
        self._services.append(self.broker)
        self.database = database_class(CONTROLLER)
        self._services.append(self.database)
        self.database_url = self.database.fresh_database()
        self.manage("bootstrap")
        for number, port in enumerate(self._ports, 1):
            self._add(f"api{number}", "api", self.config(f"api{number}", port=port))
        for number in range(1, self._counts["scheduler"] + 1):
            name = f"scheduler{number}"
            self._add(name, "scheduler", self.config(name))
        if self._consoles:
            self._add("consoleproxy", "consoleproxy", self.config("consoleproxy"))
        for host in self.hosts:
            config = self.config(host.name, host)
            for module in ("network", "compute"):
                self._add(f"{module}@{host.name}", module, config, host)
        self.wait_up()

    def stop(self) -> dict[str, int | None]:
        """End daemons, all at once, then broker and database; the daemons' exit statuses."""
        for process in self.processes.values():
            if process.popen.poll() is None:
                process.popen.terminate()
        statuses = {}
        for name, process in self.processes.items():
            # Not process.stop: a second signal would meet an interpreter that has put its handlers away.
            try:
                statuses[name] = process.popen.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                statuses[name] = process.popen.returncode
        self.processes.clear()
        while self._services:
            self._services.pop().close()
        return statuses

    def wait_up(self) -> None:
        """Return once every daemon serves or reports."""
        daemons.wait_until("all daemons are up", self._all_up, 90, 0.2)

    def revive(self) -> None:
        """Start what a failed story left dead."""
        for process in self.processes.values():
            if process.popen.poll() is not None:
                process.start()
        if self.broker.pid is None:
            self.broker.start()
        self.wait_up()

    def host(self, name: str) -> ComputeHost:
        """The machine of that name."""
        return next(host for host in self.hosts if host.name == name)

    def _add(self, name: str, module: str, config: pathlib.Path, host: ComputeHost | None = None) -> None:
        self.processes[name] = ClusterDaemon(module, config, self.folder / f"{name}.log", host)
        self.processes[name].start()

    def _all_up(self) -> bool:
        if not all(process.runs() for process in self.processes.values()):
            return False
        if any(daemons.Rest(self.base(number)).get("/healthz").status != 200 for number in range(1, len(self._ports) + 1)):
            return False
        up = [line.split() for line in self.manage("service", "list").splitlines()[1:]]
        # Neither APIs nor console proxies report.
        return len([words for words in up if words[3] == "up"]) == len(self.processes) - len(self._ports) - int(self._consoles)

    def config(self, name: str, host: ComputeHost | None = None, port: int = 8774) -> pathlib.Path:
        """The configuration file of a daemon."""
        path = self.folder / f"{name}.conf"
        state = host.state if host is not None else self.folder / "controller-state"
        sections = {
            "DEFAULT": {"state_path": state, "host": name, "my_ip": host.address if host is not None else CONTROLLER},
            "api": {"listen": CONTROLLER, "port": port, "public_url": self.base(1)},
            "database": {"connection": self.database_url}, "rpc": {"url": self.broker.url, "round_trip_interval": 2},
            "identity": {"admin_password": daemons.PASSWORD},
            "service": {"report_interval": 2, "down_time": 15, "sweep_interval": 3},
            "image": {"service_secret": "a secret that all daemons of the cluster share", "url": f"{self.base(1)}/image"},
            "quota": dict.fromkeys(("instances", "cores", "ram"), -1),
            "compute": {"shutdown_timeout": 20},
        }
        for section, values in self._options.items():
            sections[section] = {**sections.get(section, {}), **values}
        daemons.write_config(path, sections)
        return path

    def manage(self, *words: str) -> str:
        """``nova-lite-manage``; its standard output."""
        done = subprocess.run([sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(self.config("manage")), *words],
                              capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def base(self, api: int = 1) -> str:
        """The URL of an API process."""
        return f"http://{CONTROLLER}:{self._ports[api - 1]}"

    def client(self, service: str = "compute/v2.1", api: int = 1, microversion: str | None = "2.90") -> daemons.Rest:
        """A REST client of one service at one of the API processes, as admin."""
        base = self.base(api)
        return daemons.Rest(f"{base}/{service}", daemons.log_in(base), microversion if service.startswith("compute") else None)

    def memory(self) -> dict[str, float]:
        """PSS of each daemon in MB."""
        return {name: process.proportional_memory() / 1e6 for name, process in self.processes.items()}

    def logs(self) -> str:
        """The end of every daemon's log, for a failed test."""
        texts = []
        for name, process in self.processes.items():
            texts.append(f"==== {name}\n" + process.log.read_text(errors="replace")[-4000:])
        return "\n".join(texts)
