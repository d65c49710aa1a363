#!/usr/bin/env python3
"""Time claims end to end: schedulers in processes of their own place waiting servers on one database, each claim a durable commit.

    tools/with_venv.sh python tools/bench_claims.py --hosts 10000 --schedulers 1,2,4,8 --db postgresql --json result.json

A private PostgreSQL or MariaDB is started for the run, durable: a commit waits for the disk; or an SQLite file is made. A claim commits the host's
room, the server's row and its allocation; the project's quota counters are taken when the servers are made, as the API does. Callers bring
one message at a time each and wait for its end, shared among the schedulers, which take together what waits. The audit compares usage, capacity
and quota with rows counted one by one: nothing may be promised twice. ``--pinned``: the servers want a CPU of their own each, of which a host
gives as many as ``--slots`` says; no CPU may be given twice.
"""
import argparse
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nova_lite import concurrency  # noqa: E402

concurrency.patch()

import sqlalchemy as sa  # noqa: E402

from nova_lite import clock  # noqa: E402
from nova_lite.compute import quota  # noqa: E402
from nova_lite.db import allocations, quotas  # noqa: E402
from nova_lite.db.engine import Database  # noqa: E402
from nova_lite.db.models import Host, Server, ServerFault, Service  # noqa: E402
from nova_lite.numa import sets  # noqa: E402

FLAVOR = {"name": "small", "flavorid": "1", "vcpus": 1, "memory_mb": 1024, "root_gb": 10, "ephemeral_gb": 0, "swap": 0, "extra_specs": {}}
UNLIMITED = {"instances": -1, "cores": -1, "ram": -1}
BATCH = 500


@contextlib.contextmanager
def database(kind: str):
    """The URL of an empty database that is gone afterwards."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/state.db"
        return
    from tests.services.mariadb import MariaDB
    from tests.services.postgresql import PostgreSQL
    server = {"postgresql": PostgreSQL, "mysql": MariaDB}[kind]
    with type("Durable", (server,), {"durable": True})() as running:
        yield running.fresh_database()


def furnish(db: Database, hosts: int, servers: int, slots: int, pinned: bool = False) -> list[str]:
    """``hosts`` hosts with room for ``slots`` servers each, ``pinned`` ones or others, and servers that wait; their ids."""
    now, flavor, extras = clock.now(), FLAVOR, {}
    if pinned:
        cells = sets.divide(sets.equal_cells(2, 2 * slots, 2048 * slots, 2, 0), sets.read(f"0-{slots - 1}", f"{slots}-{2 * slots - 1}"))
        extras = {"numa": {"cells": [cell.as_json() for cell in cells], "vcpu_ratio": 1.0, "memory_ratio": 1.0}}
        flavor = {**FLAVOR, "memory_mb": 512, "extra_specs": {"hw:cpu_policy": "dedicated"}}
    with db.write() as tx:
        tx.execute(sa.insert(Service), [{"uuid": str(uuid.uuid4()), "binary": "nova-compute", "host": f"host-{number:06}", "epoch": 1,
                                         "last_seen_at": now + clock.seconds(86400)} for number in range(hosts)])
        tx.execute(sa.insert(Host), [
            {"uuid": str(uuid.uuid4()), "name": f"host-{number:06}", "hypervisor_hostname": f"host-{number:06}", "hypervisor_type": "QEMU",
             "vcpus": 64, "memory_mb": 1024 * slots, "disk_gb": 100000, "epoch": 1, "extras": extras,
             "changed_at": now - clock.seconds(3600 + number)} for number in range(hosts)])
    ids = [str(uuid.uuid4()) for _ in range(servers)]
    for start in range(0, servers, BATCH):
        with db.write() as tx:
            count = len(ids[start:start + BATCH])
            quota.take(tx, "project", "user", {"instances": count, "cores": count, "ram": flavor["memory_mb"] * count}, UNLIMITED)
            tx.execute(sa.insert(Server), [
                {"id": id, "project_id": "project", "user_id": "user", "reservation_id": "r", "name": "s", "hostname": "s", "changed_at": now,
                 "vm_state": "building", "task_state": "scheduling", "task_action": "create", "task_id": "t", "task_request_id": "req-1",
                 "flavorid": "1", "flavor": flavor, "image": {"properties": {}}, "request": {}} for id in ids[start:start + BATCH]])
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # What the server does by itself within minutes.
        connection.execute(sa.text("ANALYZE TABLE hosts, servers, services" if kind_of(db) == "mysql" else "ANALYZE"))
    return ids


def kind_of(db: Database) -> str:
    """``postgresql``, ``mysql`` or ``sqlite``."""
    return db.url.get_backend_name()


def schedule(url: str, together: int, callers: int) -> None:
    """One scheduler: place the servers whose ids come on standard input, so many a message; print what each message took, as JSON."""
    from nova_lite.compute import task
    from nova_lite.context import RequestContext
    from nova_lite.scheduler.core.request import Options
    from nova_lite.scheduler.manager import Manager, Settings

    class Bell:
        """Nobody builds anything here."""

        def build_server(self, ctx, host, **_details):
            """The host is not rung."""

    # Without a choice among the best, all schedulers want the same host.
    manager = Manager(Database(url), Bell(), task.fail, Settings(host="here", options=Options(host_subset_size=50)))
    manager.start()
    print("ready", flush=True)
    ids = sys.stdin.readline().split()
    taken = []
    messages = iter([ids[start:start + together] for start in range(0, len(ids), together)])

    def call(_number):
        for some in messages:
            begun = time.perf_counter()
            manager.place_servers(RequestContext(), server_ids=some, tokens=["t"] * len(some))
            taken.append(time.perf_counter() - begun)
    concurrency.map_parallel(call, range(callers))
    print(json.dumps({"taken": taken, "lost": manager.lost}))


def measure(kind: str, hosts: int, schedulers: int, servers: int, slots: int, together: int, callers: int, pinned: bool) -> dict:
    """One run on a database of its own."""
    with database(kind) as url:
        db = Database(url)
        db.create_all()
        ids = furnish(db, hosts, servers, slots, pinned)
        racers = [subprocess.Popen([sys.executable, __file__, "--scheduler", url, "--together", str(together),
                                    "--callers", str(max(1, callers // schedulers))], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True) for _ in range(schedulers)]
        for racer in racers:
            assert racer.stdout.readline() == "ready\n", "a scheduler did not start"
        begun = time.perf_counter()
        for number, racer in enumerate(racers):
            racer.stdin.write(" ".join(ids[number::schedulers]) + "\n")
            racer.stdin.close()
        answers = [json.loads(racer.stdout.readline()) for racer in racers]
        spent = time.perf_counter() - begun
        for racer in racers:
            racer.wait()
        found = audit(db)
        db.close()
    taken = sorted(one for answer in answers for one in answer["taken"])
    return {"db": kind, "hosts": hosts, "schedulers": schedulers, "servers": servers, "together": together, "callers": callers,
            "seconds": spent,
            "claims_per_second": found["placed"] / spent, "p50_ms": 1e3 * statistics.median(taken),
            "p99_ms": 1e3 * taken[int(len(taken) * 0.99)], "lost": sum(answer["lost"] for answer in answers), **found}


def audit(db: Database) -> dict:
    """Servers placed and refused with a reason, and what is promised that does not add up."""
    with db.read() as tx:
        placed = tx.scalar(sa.select(sa.func.count()).select_from(Server).where(Server.host.is_not(None)))
        refused = tx.scalar(sa.select(sa.func.count()).select_from(Server).join(ServerFault, ServerFault.server_id == Server.id).where(
            Server.vm_state == "error", ServerFault.message.startswith("No valid host was found. ")))
        over = tx.scalar(sa.select(sa.func.count()).select_from(Host).where(Host.memory_mb_used > Host.memory_mb))
        living = [(flavor["vcpus"], flavor["memory_mb"]) for flavor in tx.scalars(sa.select(Server.flavor).where(Server.deleted.is_(False)))]
        counted = {"instances": len(living), "cores": sum(one[0] for one in living), "ram": sum(one[1] for one in living)}
        wrong = sum(quotas.usage(tx, "project").get(name, 0) != count for name, count in counted.items())
        return {"placed": placed, "refused": refused, "over_commits": over, "audit_differences": len(allocations.audit(tx)) + wrong}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hosts", type=int, default=10000)
    parser.add_argument("--schedulers", default="1,2,4,8", help="numbers of processes, separated by commas")
    parser.add_argument("--db", choices=("postgresql", "mysql", "sqlite"), default="postgresql")
    parser.add_argument("--servers", type=int, default=4000, help="servers that wait, shared among the schedulers")
    parser.add_argument("--slots", type=int, default=64, help="servers that fit on one host")
    parser.add_argument("--together", type=int, default=1, help="servers in one message")
    parser.add_argument("--callers", type=int, default=32, help="messages under way at a time, shared among the schedulers")
    parser.add_argument("--pinned", action="store_true", help="servers with a dedicated CPU each")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there too")
    parser.add_argument("--scheduler", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.scheduler:
        schedule(args.scheduler, args.together, args.callers)
        return
    print("schedulers  claims/s    p50 ms    p99 ms   lost  placed  refused  over-commits  differences")
    results = []
    for count in args.schedulers.split(","):
        result = measure(args.db, args.hosts, int(count), args.servers, args.slots, args.together, args.callers, args.pinned)
        results.append(result)
        print(f"{result['schedulers']:>10} {result['claims_per_second']:>9.0f} {result['p50_ms']:>9.2f} {result['p99_ms']:>9.2f} {result['lost']:>6} "
              f"{result['placed']:>7} {result['refused']:>8} {result['over_commits']:>13} {result['audit_differences']:>12}", flush=True)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1) + "\n")
    if any(result["over_commits"] or result["audit_differences"] for result in results):
        sys.exit("something was promised twice")


if __name__ == "__main__":
    main()
