"""Usage audits over REST."""
import datetime
import urllib.parse

import pytest

from nova_lite.api.compute.usage_audits import last_period
from nova_lite.db import hosts as hosts_
from tests.unit.api.compute_client import ComputeClient

PATH = "/os-instance_usage_audit_log"


@pytest.fixture
def api(tmp_path):
    client = ComputeClient(tmp_path)
    yield client
    client.db.close()


def of(year: int, month: int, day: int, hour: int = 0) -> list[str]:
    return [str(moment.date()) for moment in last_period(datetime.datetime(year, month, day, hour))]


def test_a_period_is_a_month_that_is_over():
    assert of(2026, 3, 15) == ["2026-02-01", "2026-03-01"]
    assert of(2026, 3, 1, 1) == ["2026-02-01", "2026-03-01"]
    assert of(2026, 3, 1) == ["2026-01-01", "2026-02-01"]
    assert of(2026, 1, 31) == ["2025-12-01", "2026-01-01"]


def test_no_host_has_run_any(api):
    before = f"{PATH}/{urllib.parse.quote('2026-03-15 12:00:00')}"
    assert api("GET", before)[1]["instance_usage_audit_log"]["overall_status"] == "ALL hosts done. 0 errors."
    with api.db.write() as tx:
        for binary, host in ((hosts_.COMPUTE, "one"), (hosts_.COMPUTE, "two"), ("nova-scheduler", "three")):
            hosts_.start_service(tx, binary, host)
    assert api("GET", before) == (200, {"instance_usage_audit_log": {
        "period_beginning": "2026-02-01 00:00:00", "period_ending": "2026-03-01 00:00:00", "num_hosts": 2, "num_hosts_done": 0,
        "num_hosts_running": 0, "num_hosts_not_run": 2, "hosts_not_run": ["one", "two"], "total_instances": 0, "total_errors": 0,
        "overall_status": "0 of 2 hosts done. 0 errors.", "log": {}}})
    assert api("GET", PATH)[1]["instance_usage_audit_logs"]["hosts_not_run"] == ["one", "two"]


def test_moments_that_are_none_and_users_who_may_not(api):
    assert api("GET", f"{PATH}/invalid_time")[0] == 400
    assert api("GET", PATH, roles=("member",))[0] == 403
    assert api("GET", f"{PATH}/{urllib.parse.quote('2026-03-15 12:00:00.5')}", roles=("member",))[0] == 403
