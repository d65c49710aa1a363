#!/usr/bin/env python3
"""Boots on the fake driver, through REST only: how long one takes, how many go in a minute, what they cost in statements, messages and memory.

    tools/with_venv.sh python tools/bench_boot.py [--json FILE] [--boots N] [--many N]
    tools/with_venv.sh python tools/bench_boot.py --statements      # only that: which statements a boot sends, and for whom
"""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import shutil
import statistics
import sys
import time

import daemons

TELLER = pathlib.Path(__file__).with_name("tell_statements.py")


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Bench:
    """One cloud, measured step by step; ``results`` by name, times in ms, memory in MB."""

    def __init__(self, tells: bool = False):
        self.results: dict[str, float] = {}
        unlimited = dict.fromkeys(("instances", "cores", "ram", "ports"), -1)
        self.cloud = daemons.AllInOne({"quota": unlimited, "compute": {
            "driver": "fake", "fake_hosts": 8, "max_concurrent_builds": 0, "fake_vcpus": 1000, "fake_memory_mb": 10_000_000}})
        self.told = self.cloud.folder / "statements"
        if tells:
            self.cloud.process.program = (str(TELLER), str(self.told), "all_in_one")

    def say(self, text: str) -> None:
        """Progress."""
        print(f"  {text} ...", file=sys.stderr, flush=True)

    def prepare(self) -> None:
        """Image, flavor, network."""
        started = time.monotonic()
        self.cloud.start()
        self.results["start of the daemon until it serves, ms"] = (time.monotonic() - started) * 1000
        self.client = self.cloud.client(microversion="2.90")
        image = self.cloud.client("image/v2")
        self.image = image.post("/images", {"name": "bench", "disk_format": "raw", "container_format": "bare"}).json["id"]
        image.put(f"/images/{self.image}/file", b"\0" * 4096, headers={"Content-Type": "application/octet-stream"})
        self.flavor = self.client.post("/flavors", {"flavor": {"name": "bench", "ram": 64, "vcpus": 1, "disk": 1}}).json["flavor"]["id"]
        network = self.cloud.client("network/v2.0")
        self.network = network.post("/networks", {"network": {"name": "bench"}}).json["network"]["id"]
        network.post("/subnets", {"subnet": {"network_id": self.network, "ip_version": 4, "cidr": "10.0.0.0/16"}})
        self.results["idle memory (PSS), MB"] = self.cloud.process.proportional_memory() / 1e6

    def create(self, client, name: str, **more) -> str:
        """POST one server (or several); the first one's id."""
        answer = client.post("/servers", {"server": {"name": name, "imageRef": self.image, "flavorRef": self.flavor,
                                                     "networks": [{"uuid": self.network}], **more}})
        assert answer.status == 202, answer
        return answer.json["server"]["id"]

    def wait_active(self, client, server_id: str, interval: float = 0.002) -> None:
        """Until it is ACTIVE, looking every ``interval`` seconds."""
        while True:
            status = client.get(f"/servers/{server_id}").json["server"]["status"]
            if status == "ACTIVE":
                return
            assert status == "BUILD", status
            time.sleep(interval)

    def single_boots(self, count: int) -> None:
        """One after the other."""
        self.say(f"{count} single boots")
        times = []
        for number in range(count):
            started = time.monotonic()
            self.wait_active(self.client, self.create(self.client, f"single-{number}"))
            times.append((time.monotonic() - started) * 1000)
        self.results["single boot, POST to ACTIVE, median ms"] = statistics.median(times)
        self.results["single boot, p95 ms"] = percentile(times, 0.95)

    def costs(self, count: int = 30) -> None:
        """Statements and messages of a boot, from the request to ACTIVE and what the workers do after: one a second, and nobody asks meanwhile.

        What an idle cloud sends in as many seconds is taken off: heartbeats, sweeps and inventories all come round in them.
        """
        self.say("statements and messages of a boot")
        idle = self._counted(lambda: time.sleep(count))
        busy = self._counted(lambda: self._boot_one_a_second(count))
        for name, title in (("nova_lite_db_statements_total", "SQL statements a boot"),
                            ('nova_lite_rpc_messages_total{direction="published"}', "messages sent a boot (calls and casts)"),
                            ('nova_lite_rpc_messages_total{direction="replies"}', "replies a boot")):
            self.results[title] = (busy[name] - idle[name]) / count

    def _boot_one_a_second(self, count: int) -> None:
        started = time.monotonic()
        for number in range(count):
            self.create(self.client, f"counted-{number}")
            time.sleep(max(0.0, started + number + 1 - time.monotonic()))

    def statements(self, count: int = 10) -> list[tuple[float, str, str]]:
        """(how often a boot, who asked, text) of each statement, in the order in which a boot sends them; what an idle cloud sends is taken off."""
        self.say("statements of a boot by their texts")
        # Each host has its copy of the image first.
        self.create(self.client, "first", min_count=16, max_count=16)
        time.sleep(2)
        idle = self._told(lambda: time.sleep(count))
        busy = self._told(lambda: self._boot_one_a_second(count))
        return [((times - idle[key]) / count, *key) for key, times in busy.items() if times > idle[key]]

    def _told(self, function) -> collections.Counter:
        known = len(self.told.read_text().splitlines())
        function()
        lines = [json.loads(line) for line in self.told.read_text().splitlines()[known:]]
        return collections.Counter((line["asker"], line["text"]) for line in lines)

    def _counted(self, function) -> dict[str, float]:
        before = self._metrics()
        function()
        after = self._metrics()
        return {name: value - before.get(name, 0.0) for name, value in after.items()}

    def _metrics(self) -> dict[str, float]:
        text = daemons.Rest(self.cloud.base).get("/metrics").body.decode()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}

    def concurrent_boots(self, count: int, workers: int = 10) -> None:
        """``workers`` users, each waiting for its server before the next."""
        self.say(f"{count} boots at concurrency {workers}")

        def user(number: int) -> None:
            client = self.cloud.client(microversion="2.90")
            for turn in range(count // workers):
                self.wait_active(client, self.create(client, f"user-{number}-{turn}"), interval=0.05)
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            list(pool.map(user, range(workers)))
        self.results[f"servers a minute at concurrency {workers}"] = count / (time.monotonic() - started) * 60

    def multi_create(self, count: int) -> None:
        """One request for many."""
        self.say(f"one request for {count} servers")
        started = time.monotonic()
        self.create(self.client, f"multi{count}", min_count=count, max_count=count)
        while True:
            found = self.client.get(f"/servers?name=multi{count}-&status=ACTIVE&limit=1000").json["servers"]
            if len(found) == count:
                break
            time.sleep(0.05)
        self.results[f"{count} servers in one request, until all ACTIVE, ms"] = (time.monotonic() - started) * 1000

    def details(self, limit: int, rounds: int = 100) -> None:
        """GET /servers/detail."""
        self.say(f"details of {limit} servers")
        times = []
        for _ in range(rounds):
            started = time.monotonic()
            answer = self.client.get(f"/servers/detail?limit={limit}")
            times.append((time.monotonic() - started) * 1000)
            assert len(answer.json["servers"]) == limit
        self.results[f"GET /servers/detail of {limit}, median ms"] = statistics.median(times)
        self.results[f"GET /servers/detail of {limit}, p95 ms"] = percentile(times, 0.95)

    def run(self, boots: int, many: int) -> None:
        """All of it."""
        try:
            self.prepare()
            self.single_boots(boots)
            self.costs()
            self.concurrent_boots(100)
            self.multi_create(100)
            self.details(100)
            self.multi_create(many)
            self.details(1000 if many >= 1000 else many)
            self.results["loaded memory (PSS), MB"] = self.cloud.process.proportional_memory() / 1e6
        finally:
            self.cloud.stop()


def print_statements(bench: Bench) -> None:
    """The statements of a boot on a cloud of their own."""
    try:
        bench.prepare()
        found = bench.statements()
    finally:
        bench.cloud.stop()
    for times, asker, text in found:
        print(f"{times:5.1f}  {asker:45}  {text if len(text) < 200 else text[:120] + ' ... ' + text[-75:]}")
    print(f"{sum(times for times, _, _ in found):5.1f}  in all")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=pathlib.Path, help="write the results here too")
    parser.add_argument("--boots", type=int, default=30, help="single boots to time")
    parser.add_argument("--statements", action="store_true", help="only print the statements of a boot by their texts")
    parser.add_argument("--many", type=int, default=1000, help="servers of the largest request")
    args = parser.parse_args()
    bench = Bench(args.statements)
    try:
        if args.statements:
            print_statements(bench)
        else:
            bench.run(args.boots, args.many)
    except BaseException:
        print(bench.cloud.log()[-4000:], file=sys.stderr)
        raise
    shutil.rmtree(bench.cloud.folder, ignore_errors=True)
    for name, value in bench.results.items():
        print(f"{name:60} {value:12.1f}")
    if args.json:
        args.json.write_text(json.dumps(bench.results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
