"""Metrics: only hosts that tell all the metrics by which hosts are to be weighed (option ``metrics_weight_setting``)."""
import numpy as np

from nova_lite.scheduler.core.filters.rule import Filter


def metrics(query):
    columns = [query.table.metric(name) for name, _ratio in query.options.metrics_weight_setting]
    if not columns:
        return None
    return lambda rows: ~np.logical_or.reduce([np.isnan(column[rows]) for column in columns])


FILTERS = (Filter("MetricsFilter", metrics, "does not tell the metrics that hosts are weighed by",
                  "do not tell the metrics that hosts are weighed by"),)
"""``metrics_required`` puts it in force without its being enabled."""
