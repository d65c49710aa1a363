"""A hundred slots, or as many CPUs to give away, and five hundred servers: eight schedulers claim exactly what there is, and say why of the rest."""
import json
import pathlib
import subprocess
import sys

import pytest

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "bench_claims.py"


@pytest.mark.parametrize("pinned", [False, True], ids=["room", "cpus"])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql"])
def test_exactly_what_there_is_is_claimed(kind, pinned, tmp_path, request):
    if kind != "sqlite":
        # Skips where the database's package is missing.
        request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind))
    command = [sys.executable, TOOL, "--db", kind, "--hosts", "50", "--slots", "2", "--servers", "500", "--schedulers", "8", "--together", "25",
               "--json", tmp_path / "found.json", *(["--pinned"] if pinned else [])]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [found] = json.loads((tmp_path / "found.json").read_text())
    assert (found["placed"], found["refused"], found["over_commits"], found["audit_differences"]) == (100, 400, 0, 0)
    assert found["claims_per_second"] > 0 and found["p99_ms"] >= found["p50_ms"] > 0
