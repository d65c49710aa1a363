#!/usr/bin/env python3
"""Time the scheduler's core: single decisions, requests for many servers, anti-affinity, load and memory, at several numbers of hosts.

    tools/with_venv.sh python tools/bench_scheduler.py --hosts 100,1000,10000,100000 --json result.json

Hosts are heterogeneous: three zones, 200 aggregates, 2 % disabled, about 40 % full; all default filters and weighers are in force.
``--peer-nova`` times upstream Nova's filters and weighers on the same hosts and requests, from PyPI in a virtualenv under ~/.cache that is made
once (pip takes some minutes), and prints how many times longer it takes for a decision. ``--database`` loads the hosts from an SQLite file.
"""
import argparse
import dataclasses
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
import venv

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nova_lite.scheduler.core.request import Group, Options, Request  # noqa: E402
from nova_lite.scheduler.core.select import Rules, select, undo  # noqa: E402
from nova_lite.scheduler.core.table import Aggregate, HostRow, HostTable  # noqa: E402

ZONES, AGGREGATES = 3, 200
NOW = 1000.0
FLAVORS = ((1, 2048, 10), (2, 4096, 20), (4, 8192, 40), (8, 16384, 80))


def make_hosts(count: int, rng: random.Random) -> list[HostRow]:
    """Hosts of four sizes, about 40 % full."""
    supported = (("x86_64", "kvm", "hvm"), ("i686", "kvm", "hvm"))
    found = []
    for index in range(count):
        cores = rng.choice((16, 32, 64, 96))
        memory, disk, full = cores * rng.choice((2048, 4096, 8192)), rng.choice((1000, 2000, 4000)), rng.uniform(0.2, 0.6)
        found.append(HostRow(
            id=index, name=f"host-{index:06}", node=f"node-{index:06}", vcpus=cores, memory_mb=memory, disk_gb=disk,
            vcpus_used=int(cores * 4 * full), memory_mb_used=int(memory * full), disk_gb_used=int(disk * full), memory_mb_reserved=512,
            vcpu_ratio=4.0, servers=rng.randint(5, 30), io_ops=rng.randint(0, 3), build_failures=int(rng.random() < 0.01),
            hypervisor_type="QEMU", hypervisor_version=rng.choice((7002000, 8000000)), enabled=rng.random() > 0.02, up_until=NOW + 60,
            supported=supported, aggregates=(index % ZONES, rng.randrange(ZONES, AGGREGATES))))
    return found


def make_table(rows: list[HostRow]) -> HostTable:
    """A table of the rows, a third of them in each zone."""
    table = HostTable()
    table.set_aggregates(Aggregate(index, f"aggregate-{index}", f"zone-{index}" if index < ZONES else None, {"rack": str(index)})
                         for index in range(AGGREGATES))
    for row in rows:
        table.put(row)
    return table


def make_request(rng: random.Random, **more) -> Request:
    """One of four flavors, in one of the zones or any, for an x86_64 image."""
    vcpus, memory, disk = rng.choice(FLAVORS)
    zone = rng.choice((None, "zone-0", "zone-1", "zone-2"))
    return Request(vcpus, memory, disk, zone=zone, project_id="p", image={"hw_architecture": "x86_64"}, **more)


def singles(table, rules, rng, count: int) -> dict:
    """Seconds of single decisions, each with two alternates; what they place is taken back."""
    requests = [make_request(rng) for _ in range(count)]
    durations = []
    for request in requests:
        begun = time.perf_counter()
        selection = select(table, request, rules=rules, now=NOW, alternates=2)
        durations.append(time.perf_counter() - begun)
        for name in selection.hosts:
            undo(table, request, name)
    durations.sort()
    return {"p50_ms": 1e3 * durations[count // 2], "p99_ms": 1e3 * durations[int(count * 0.99)], "per_second": count / sum(durations)}


def batch(table, rules, count: int) -> dict:
    """Milliseconds for one request for ``count`` servers; the best of three."""
    request = Request(1, 2048, 10, project_id="p", image={"hw_architecture": "x86_64"})
    best, placed = float("inf"), 0
    for _turn in range(3):
        begun = time.perf_counter()
        selection = select(table, request, count, rules=rules, now=NOW, alternates=2)
        best, placed = min(best, time.perf_counter() - begun), len(selection.hosts)
        for name in selection.hosts:
            undo(table, request, name)
    return {"ms": 1e3 * best, "placed": placed}


def anti_affinity(table, rules, groups: int = 20, size: int = 50) -> float:
    """Decisions a second for groups whose servers must be apart, each group placed as one request."""
    count, spent = 0, 0.0
    for number in range(groups):
        request = Request(1, 2048, 10, group=Group(str(number), "anti-affinity"))
        begun = time.perf_counter()
        selection = select(table, request, min(size, len(table) // 2), rules=rules, now=NOW)
        spent += time.perf_counter() - begun
        count += len(selection.hosts)
        for name in selection.hosts:
            undo(table, request, name)
    return count / spent


def peer_python() -> pathlib.Path:
    """The interpreter of a virtualenv with Nova from PyPI."""
    folder = pathlib.Path.home() / ".cache" / "nova-lite" / "peer-nova"
    python, done = folder / "bin" / "python", folder / "complete"
    if not done.exists():
        print(f"Installing nova from PyPI into {folder}", flush=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "nova"], check=True)
        done.touch()
    return python


def against_nova(rows: list[HostRow], table, rules, rng, decisions: int) -> dict:
    """Median CPU time of a decision of Nova's filters and weighers and of ours, on the same hosts and requests, one after the other."""
    requests = [make_request(rng) for _ in range(decisions)]
    given = {"hosts": [dataclasses.asdict(row) for row in rows],
             "aggregates": [{"id": each.id, "name": each.name, "meta": dict(each.meta)} for each in table.aggregates.values()],
             "requests": [{"vcpus": each.vcpus, "memory_mb": each.memory_mb, "disk_gb": each.disk_gb, "zone": each.zone} for each in requests]}
    done = subprocess.run([peer_python(), pathlib.Path(__file__).with_name("peer_nova.py")], input=json.dumps(given).replace("Infinity", "0"),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    peer = json.loads(done.stdout.splitlines()[-1])
    ours = []
    for request in requests * 20:
        begun = time.process_time()
        selection = select(table, request, rules=rules, now=NOW)
        ours.append(time.process_time() - begun)
        for name in selection.hosts:
            undo(table, request, name)
    theirs, mine = statistics.median(peer["seconds"]), statistics.median(ours)
    return {"version": peer["version"], "nova_ms": 1e3 * theirs, "ours_ms": 1e3 * mine, "ratio": theirs / mine, "passing": peer["passing"],
            "filters": peer["filters"], "weighers": peer["weighers"]}


def load_from_database(rows: list[HostRow]) -> float:
    """Seconds that a scheduler takes to read the hosts from an SQLite file into its table."""
    from nova_lite import clock
    from nova_lite.db.engine import Database
    from nova_lite.db.models import Host, Service
    from nova_lite.scheduler.hosts import HostView
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/state.db")
        db.create_all()
        now = clock.now()
        names = ("vcpus", "memory_mb", "disk_gb", "vcpus_used", "memory_mb_used", "disk_gb_used", "memory_mb_reserved", "vcpu_ratio", "servers",
                 "io_ops", "build_failures", "hypervisor_type", "hypervisor_version", "supported")
        with db.write() as tx:
            tx.execute(Service.__table__.insert(), [{"uuid": row.name, "binary": "nova-compute", "host": row.name, "epoch": 1, "last_seen_at": now,
                                                     "disabled": not row.enabled} for row in rows])
            tx.execute(Host.__table__.insert(), [{"uuid": row.name, "name": row.name, "hypervisor_hostname": row.node, "changed_at": now,
                                                  **{name: getattr(row, name) for name in names}} for row in rows])
        view = HostView("nova", 60.0)
        begun = time.perf_counter()
        with db.read() as tx:
            view.reconcile(tx)
        spent = time.perf_counter() - begun
        assert len(view.table) == len(rows)
        db.close()
        return spent


def measure(count: int, decisions: int, peer: int, database: bool) -> dict:
    """All numbers for one size. ``peer``: decisions to time Nova with."""
    rng = random.Random(count)
    rules = Rules(Options())
    rows = make_hosts(count, rng)
    begun = time.perf_counter()
    table = make_table(rows)
    load = time.perf_counter() - begun
    tracemalloc.start()
    second = make_table(rows)
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del second
    singles(table, rules, rng, 20)
    found = {"hosts": count, "load_s": load, "table_mb": memory / 1e6, "single": singles(table, rules, rng, decisions),
             "batch_100": batch(table, rules, 100), "batch_1000": batch(table, rules, 1000), "anti_affinity_per_second": anti_affinity(table, rules)}
    if database:
        found["database_load_s"] = load_from_database(rows)
    if peer:
        found["nova"] = against_nova(rows, table, rules, rng, peer)
    return found


def show(result: dict) -> None:
    """One line of the table."""
    single = result["single"]
    print(f"{result['hosts']:>8} {single['p50_ms']:>9.3f} {single['p99_ms']:>9.3f} {single['per_second']:>9.0f} {result['batch_100']['ms']:>9.1f} "
          f"{result['batch_1000']['ms']:>9.1f} {result['anti_affinity_per_second']:>10.0f} {result['load_s']:>8.2f} {result['table_mb']:>9.1f}",
          flush=True)
    if "database_load_s" in result:
        print(f"         read from a database in {result['database_load_s']:.2f} s", flush=True)
    if "nova" in result:
        peer = result["nova"]
        print(f"         nova {peer['version']}: filters and weighers take {peer['nova_ms']:.1f} ms a decision, ours {peer['ours_ms']:.3f} ms: "
              f"{peer['ratio']:.0f} times", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hosts", default="100,1000,10000,100000", help="numbers of hosts, separated by commas")
    parser.add_argument("--decisions", type=int, default=1000, help="single decisions for each number of hosts")
    parser.add_argument("--peer-nova", nargs="?", type=int, const=5, default=0, metavar="N", help="time Nova with N decisions of each size, too")
    parser.add_argument("--database", action="store_true", help="time loading the hosts from a database, too")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there too")
    args = parser.parse_args()
    print("   hosts    p50 ms    p99 ms     per s    100 ms   1000 ms  anti-a. /s   load s  table MB")
    results = []
    for count in args.hosts.split(","):
        results.append(measure(int(count), args.decisions, args.peer_nova, args.database))
        show(results[-1])
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
