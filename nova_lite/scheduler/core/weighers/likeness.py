"""ImageProperties: hosts whose servers have image properties in common with the one to be placed (option ``image_props_weight_setting``)."""
from nova_lite.scheduler.core.likeness import pairs
from nova_lite.scheduler.core.weighers.rule import Weigher

MULTIPLIER = "image_props_weight_multiplier"


def image_properties(query):
    if not query.options.multipliers.get(MULTIPLIER):
        # Then nobody has counted them, whatever an aggregate says.
        return None
    setting = dict(query.options.image_props_weight_setting)
    weights = [(pair, setting.get(pair[0], 0.0) if setting else 1.0) for pair in pairs(query.request.image)]
    columns = [(query.table.likeness.column(pair), weight) for pair, weight in weights if weight]
    if not columns:
        return None
    return lambda rows: sum(column[rows] * weight for column, weight in columns)


WEIGHERS = (Weigher("ImagePropertiesWeigher", image_properties, MULTIPLIER, default=0.0),)
