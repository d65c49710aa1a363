"""The replay of a trace against the core: bounds and densities worked out another way, refusals where room is short, and the chart."""
import collections
import dataclasses
import json
import math
import pathlib
import subprocess
import sys
import zlib

import pytest
import simulate_placement as simulation

ROOT = pathlib.Path(__file__).resolve().parents[3]
TRACE = pathlib.Path(__file__).parent / "trace" / "azure2017_first_400.csv"
CORES, MEMORY = 16, 64 * 1024


@pytest.fixture(scope="module")
def trace():
    return simulation.read(str(TRACE))


def rules(*weights):
    return simulation.make_rules("ComputeFilter", weights)


def needs(trace, moment):
    """What runs at a moment, counted server by server."""
    running = [one for one in trace if one.start <= moment < one.end]
    return sum(one.vcpus for one in running), sum(one.memory_mb for one in running)


def test_the_lower_bound_is_the_peak_of_what_runs(trace):
    peaks = [needs(trace, one.start) for one in trace]
    assert simulation.lower_bound(trace, CORES, MEMORY) == max(math.ceil(max(vcpus / CORES, memory / MEMORY)) for vcpus, memory in peaks)


@pytest.mark.parametrize("weight", ["best_fit_weight_multiplier=1", "ram_weight_multiplier=1"])
def test_a_replay_with_room_for_all_takes_all(trace, weight):
    bound = simulation.lower_bound(trace, CORES, MEMORY)
    run = simulation.replay(trace, 3 * bound, CORES, MEMORY, rules(weight))
    assert (run.rejected, run.decisions) == (0, len(trace))
    moments = sorted({one.start for one in trace} | {one.end for one in trace if one.end < trace[-1].start})
    area = sum(max(vcpus / CORES, memory / MEMORY) * (after - moment) for moment, after in zip(moments, moments[1:], strict=False)
               for vcpus, memory in [needs(trace, moment)] if after <= trace[-1].start)
    assert run.needed == pytest.approx(area)
    assert 0 < run.density <= 1 and bound <= run.peak <= 3 * bound


def test_best_fit_packs_and_the_spread_of_ram_does_not(trace):
    bound = simulation.lower_bound(trace, CORES, MEMORY)
    packed, spread = (simulation.replay(trace, 3 * bound, CORES, MEMORY, rules(weight))
                      for weight in ("best_fit_weight_multiplier=1", "ram_weight_multiplier=1"))
    assert packed.density > 1.5 * spread.density
    assert spread.peak > 2 * packed.peak


def test_short_of_hosts_some_are_rejected_and_no_host_holds_more_than_it_has(trace):
    hosts = simulation.Hosts(5, CORES, MEMORY, rules("best_fit_weight_multiplier=1"))
    running, rejected = collections.defaultdict(list), 0
    for _moment, arrived, left in simulation.events(trace):
        if left is not None:
            row = hosts.where.get(id(left))
            hosts.leave(left)
            if row is not None:
                running[row].remove(left)
        elif hosts.place(arrived):
            running[hosts.where[id(arrived)]].append(arrived)
        else:
            rejected += 1
        for there in running.values():
            assert sum(one.vcpus for one in there) <= CORES and sum(one.memory_mb for one in there) <= MEMORY
        assert hosts.in_use == sum(bool(there) for there in running.values())
    assert rejected == simulation.replay(trace, 5, CORES, MEMORY, rules("best_fit_weight_multiplier=1")).rejected > 0


def test_the_tool_prints_numbers_and_draws(tmp_path):
    command = [sys.executable, ROOT / "tools" / "simulate_placement.py", TRACE, "--cores", "16", "--memory-gb", "64",
               "--json", tmp_path / "run.json", "--png", tmp_path / "run.png"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "run.json").read_text())
    assert found["servers"] == 400 and f"lower bound {found['bound']} hosts" in done.stdout
    assert found["runs"]["bound"]["rejected"] >= found["runs"]["bound + 3 %"]["rejected"] >= found["runs"]["unbounded"]["rejected"] == 0
    picture = (tmp_path / "run.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n") and picture.endswith(b"IEND" + zlib.crc32(b"IEND").to_bytes(4, "big"))
    start = picture.index(b"IDAT")
    lines = zlib.decompress(picture[start + 4:start + 4 + int.from_bytes(picture[start - 4:start], "big")])
    assert len(lines) == 480 * 961 and {3, 4} <= set(lines)


def test_a_wrong_weigher_or_trace_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no weigher for best_weight"):
        rules("best_weight=1")
    (tmp_path / "odd.csv").write_text("start_s,end_s,cores,ram_gb,batch\n1,2,many,3,4\n")
    with pytest.raises(ValueError):
        simulation.read(str(tmp_path / "odd.csv"))


def test_emptying_hosts_packs_more_densely_within_its_allowance(trace):
    first = trace[0].start
    slow = [dataclasses.replace(one, start=first + 60 * (one.start - first), end=first + 60 * (one.end - first)) for one in trace]
    weights = rules("ram_weight_multiplier=1", "holes_weight_multiplier=1")
    bound = simulation.lower_bound(slow, CORES, MEMORY)
    plain, tidied = (simulation.replay(slow, 3 * bound, CORES, MEMORY, weights, migrations=rate) for rate in (0.0, 1.0))
    assert plain.moves == 0 < tidied.moves <= tidied.server_days
    assert tidied.density > plain.density
    assert (tidied.rejected, tidied.needed) == (plain.rejected, pytest.approx(plain.needed))


def test_hosts_are_emptied_whole_or_not_at_all():
    hosts = simulation.Hosts(4, 8, 8192, rules("ram_weight_multiplier=1"))
    small = [simulation.Arrival(0.0, math.inf, 1, 1024) for _ in range(4)]
    large = simulation.Arrival(0.0, math.inf, 7, 1024)
    assert all(hosts.place(one) for one in small[:3]) and hosts.in_use == 3
    assert hosts.empty_some(budget=0) == 0
    assert hosts.empty_some(budget=1) == 1 and hosts.in_use == 2
    assert hosts.empty_some(budget=9) == 1 and hosts.in_use == 1
    assert hosts.place(large) and hosts.in_use == 2
    assert hosts.empty_some(budget=9) == 0
    assert sum(hosts.table.vcpus_used[:4]) == 10 and sum(len(row) for row in hosts.on) == 4
