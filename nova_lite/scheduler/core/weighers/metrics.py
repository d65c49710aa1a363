"""Metrics: the sum of what a host tells of itself, each metric times its ratio (option ``metrics_weight_setting``)."""
import numpy as np

from nova_lite.scheduler.core.weighers.rule import Weigher


def metrics(query):
    setting = [(query.table.metric(name), ratio) for name, ratio in query.options.metrics_weight_setting if ratio]
    if not setting:
        return None

    def weigh(rows):
        total = sum(column[rows] * ratio for column, ratio in setting)
        return np.where(np.isnan(total), query.options.metrics_weight_of_unavailable, total)
    return weigh


WEIGHERS = (Weigher("MetricsWeigher", metrics, "metrics_weight_multiplier", consumes=False),)
