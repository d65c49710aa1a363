"""What a process counts, in Prometheus' text format; served at /metrics by the API daemons."""
from collections.abc import Callable, Iterable

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST


class _Collector:
    """Reads the counters where they stand, when they are asked for: counting costs nothing extra."""

    def __init__(self, db, transport):
        self._db, self._transport = db, transport

    def collect(self) -> Iterable:
        """The families, read now."""
        yield CounterMetricFamily("nova_lite_db_statements", "SQL statements sent by this process", value=self._db.statements)
        stats = self._transport.stats
        messages = CounterMetricFamily("nova_lite_rpc_messages", "Messages of this process", labels=["direction"])
        for direction in ("published", "consumed", "replies"):
            messages.add_metric([direction], getattr(stats, direction))
        yield messages
        yield GaugeMetricFamily("nova_lite_rpc_healthy", "1 while messages come round", value=int(self._transport.healthy_since is not None))


def exposition(db, transport) -> Callable[[], bytes]:
    """A function that gives the text. ``db``: the Database, ``transport``: the rpc transport of this process."""
    registry = prometheus_client.CollectorRegistry()
    registry.register(_Collector(db, transport))
    prometheus_client.ProcessCollector(registry=registry)
    return lambda: prometheus_client.generate_latest(registry)
