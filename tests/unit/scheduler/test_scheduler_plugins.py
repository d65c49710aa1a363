"""Rules from elsewhere: a package is installed with pip, its filters and weigher take part, and what is wrong with one is said at the start."""
import pathlib
import shutil
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parent / "rack_rules"
PROGRAM = """
import sys
from nova_lite import concurrency
concurrency.patch()
from nova_lite.scheduler import plugins
from nova_lite.scheduler.core.request import Options, Request
from nova_lite.scheduler.core.select import select
from nova_lite.scheduler.core.table import Aggregate, HostRow, HostTable

try:
    rules = plugins.rules(Options(enabled_filters=sys.argv[1].split(","), multipliers={"quiet_weight_multiplier": 100.0}))
except ValueError as error:
    sys.exit(f"refused: {error}")
table = HostTable()
table.set_aggregates([Aggregate(1, "racks", meta={"repair": "yes"})])
for name, memory, servers, aggregates in (("busy", 99999, 7, ()), ("quiet", 8192, 1, ()), ("small", 4096, 0, ()), ("broken", 99999, 0, (1,))):
    table.put(HostRow(id=1, name=name, node=name, vcpus=8, memory_mb=memory, disk_gb=9, servers=servers, aggregates=aggregates))
selection = select(table, Request(1, 64, 1, extra_specs={"host_memory_mb": "5000"}), rules=rules, now=0.0, alternates=3)
print(selection.hosts[0], *selection.alternates_of(selection.hosts[0], 2))
print(select(table, Request(1, 64, 1, extra_specs={"host_memory_mb": "99999999"}), rules=rules, now=0.0).why)
print(select(table, Request(1, 64, 1, extra_specs={"host_memory_mb": "much"}), rules=rules, now=0.0).why)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the installed package, to be put on the path."""
    source, target = tmp_path_factory.mktemp("source") / "rack_rules", tmp_path_factory.mktemp("target")
    shutil.copytree(PACKAGE, source)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run(path, filters, *more):
    path = ":".join(map(str, (path, *more, pathlib.Path(__file__).parents[3])))
    return subprocess.run([sys.executable, "-c", PROGRAM, filters], env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
                          capture_output=True, text=True, check=False)


def test_an_installed_package_takes_part(installed):
    done = run(installed, "RackFilter,MemorySizeFilter")
    assert done.returncode == 0, done.stderr
    best, none, wrong = done.stdout.splitlines()
    assert best == "quiet busy"
    assert none == ("4 hosts considered: 1 is in a rack under repair, 3 are too small machines. "
                    "Nearest miss: 3 hosts that otherwise fit are too small machines")
    assert wrong.startswith("4 hosts considered: 1 is in a rack under repair, 3 could not be judged by MemorySizeFilter")


def test_a_filter_that_is_installed_but_not_enabled_does_nothing(installed):
    # "broken" has the fewest servers, and nobody asks about racks.
    assert run(installed, "MemorySizeFilter").stdout.startswith("broken quiet busy\n")


def test_unknown_names_are_refused_with_those_that_exist(installed):
    done = run(installed, "RackFilte")
    assert done.returncode == 1 and "refused: There is no filter 'RackFilte'" in done.stderr
    assert "RackFilter" in done.stderr and "ComputeFilter" in done.stderr


@pytest.mark.parametrize(("points", "code", "words"), [
    ("[nova_lite.scheduler.filters]\nComputeFilter = odd_rules:Odd\n", "class Odd:\n    def passes(self, host, request): return 1\n",
     "has the name of another one: ComputeFilter"),
    ("[nova_lite.scheduler.filters]\nOddFilter = odd_rules:odd\n", "def odd(host): return 1\n",
     "is neither a Filter nor a class with a method passes"),
    ("[nova_lite.scheduler.weighers]\nOddWeigher = odd_rules:Odd\n", "raise RuntimeError('broken')\n", "cannot be loaded: broken"),
])
def test_what_is_wrong_with_a_package_is_said_at_the_start(installed, tmp_path, points, code, words):
    (tmp_path / "odd_rules.py").write_text(code)
    (tmp_path / "odd_rules-1.0.dist-info").mkdir()
    (tmp_path / "odd_rules-1.0.dist-info" / "entry_points.txt").write_text(points)
    (tmp_path / "odd_rules-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-rules\nVersion: 1.0\n")
    done = run(installed, "ComputeFilter", tmp_path)
    assert done.returncode == 1 and words in done.stderr
