"""/os-instance_usage_audit_log: how far hosts are with telling a metering service of a period's servers.

They do that by notifications, where an operator has them. Nobody here sends any, so every host is one that has not run, which is what
upstream says of a cloud where this is not switched on, as it is by default.
"""
import datetime

from nova_lite import clock, exception
from nova_lite.api.resource import Route
from nova_lite.db import hosts as hosts_

POLICY = "os_compute_api:os-instance-usage-audit-log:"
PATH = "/v2.1/os-instance_usage_audit_log"


def last_period(now: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
    """Beginning and end of the last month that was over before ``now``."""
    end = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if end == now:
        end = _month_before(end)
    return _month_before(end), end


def _month_before(first: datetime.datetime) -> datetime.datetime:
    return (first - datetime.timedelta(days=1)).replace(day=1)


def _audit(request, now: datetime.datetime) -> dict:
    begin, end = last_period(now)
    with request.deps.db.read() as tx:
        hosts = [service.host for service in hosts_.services(tx, binary=hosts_.COMPUTE)]
    done = f"0 of {len(hosts)}" if hosts else "ALL"
    return {"period_beginning": str(begin), "period_ending": str(end), "num_hosts": len(hosts), "num_hosts_done": 0, "num_hosts_running": 0,
            "num_hosts_not_run": len(hosts), "hosts_not_run": hosts, "total_instances": 0, "total_errors": 0,
            "overall_status": f"{done} hosts done. 0 errors.", "log": {}}


def index(request) -> dict:
    """Of the last period."""
    return {"instance_usage_audit_logs": _audit(request, clock.now())}


def show(request, before: str) -> dict:
    """Of the last period that was over before a moment."""
    try:
        moment = datetime.datetime.strptime(before, "%Y-%m-%d %H:%M:%S.%f" if "." in before else "%Y-%m-%d %H:%M:%S")
    except ValueError:
        raise exception.Invalid(f"Invalid timestamp for date {before}")
    return {"instance_usage_audit_log": _audit(request, moment)}


ROUTES = (
    Route("GET", PATH, index, POLICY + "list"),
    Route("GET", PATH + "/{before}", show, POLICY + "show"),
)
