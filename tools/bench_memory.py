#!/usr/bin/env python3
"""Memory (PSS) of each daemon, idle, with a RabbitMQ and a PostgreSQL of its own and the fake driver; and of the all-in-one.

    tools/with_venv.sh python tools/bench_memory.py [--seconds N] [--only NAME,NAME]
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import daemons  # noqa: E402
from tests.services.postgresql import PostgreSQL  # noqa: E402
from tests.services.rabbitmq import RabbitMQ  # noqa: E402

ROLES = ("api", "scheduler", "compute", "network")


def distributed(folder: pathlib.Path, seconds: float, roles: list[str]) -> dict[str, float]:
    """{role: MB} of daemons that run beside each other."""
    with RabbitMQ() as broker, PostgreSQL() as database:
        port = daemons.free_port()
        api = {"port": port, "public_url": f"http://127.0.0.1:{port}"}
        config = folder / "nova-lite.conf"
        daemons.write_config(config, {
            "DEFAULT": {"state_path": folder / "state", "host": "host1"}, "api": api, "identity": {"admin_password": daemons.PASSWORD},
            "database": {"connection": database.fresh_database()}, "rpc": {"url": broker.url}, "image": {"service_secret": "secret"},
            "compute": {"driver": "fake"}, "network": {"driver": "none"}})
        for command in (("db", "upgrade"), ("bootstrap",)):
            subprocess.run([sys.executable, "-m", "nova_lite.cmd.manage", "--config-file", str(config), *command], check=True,
                           stdout=subprocess.DEVNULL)
        running = {role: daemons.Process(role, config, folder / f"{role}.log") for role in roles}
        try:
            for process in running.values():
                process.start()
            time.sleep(seconds)
            ended = [process.log.read_text() for process in running.values() if process.popen.poll() is not None]
            if ended:
                raise RuntimeError(ended[0][-3000:])
            return {role: process.proportional_memory() / 1e6 for role, process in running.items()}
        finally:
            for process in running.values():
                process.stop()


def all_in_one(folder: pathlib.Path, seconds: float) -> float:
    """MB of a cloud in one process."""
    cloud = daemons.AllInOne(folder=str(folder))
    try:
        cloud.start()
        time.sleep(seconds)
        return cloud.process.proportional_memory() / 1e6
    finally:
        cloud.stop()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="how long the daemons have run when they are measured")
    parser.add_argument("--only", default="all-in-one," + ",".join(ROLES), help="which")
    args = parser.parse_args()
    chosen = args.only.split(",")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="nova-lite-memory-"))
    try:
        roles = [role for role in ROLES if role in chosen]
        found = distributed(folder, args.seconds, roles) if roles else {}
        if "all-in-one" in chosen:
            (folder / "all-in-one").mkdir()
            found["all-in-one"] = all_in_one(folder / "all-in-one", args.seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, size in found.items():
        print(f"{name:12} {size:6.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
