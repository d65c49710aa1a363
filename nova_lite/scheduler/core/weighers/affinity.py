"""Weighers for soft policies of server groups: near the group's other servers, or away from them."""
from nova_lite.scheduler.core.weighers.rule import Weigher


def soft(policy):
    """A weigher that counts the group's servers on a host, for groups of ``policy``."""
    def prepare(query):
        group = query.request.group
        if group is None or group.policy != policy:
            return None
        count = query.group_count
        return lambda rows: count[rows]
    return prepare


WEIGHERS = (
    Weigher("ServerGroupSoftAffinityWeigher", soft("soft-affinity"), "soft_affinity_weight_multiplier"),
    Weigher("ServerGroupSoftAntiAffinityWeigher", soft("soft-anti-affinity"), "soft_anti_affinity_weight_multiplier", sign=-1.0),
)
