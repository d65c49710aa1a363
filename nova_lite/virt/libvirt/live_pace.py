"""How long a migration may take, and what is done as it drags on: pure rules, so that none runs for ever."""
import dataclasses

MIN_GB = 2
"""Smaller guests are judged as if they had so much memory and disk."""


@dataclasses.dataclass(frozen=True)
class LiveSettings:
    """What operators choose for guests that move while they run; see the options ``[libvirt] live_migration_*``. Times in seconds.

    ``uri``: of a destination's libvirt, %s its address; ``inbound_addr``: this host's address for guests that come; ``bandwidth``: MiB/s, 0 any;
    ``downtime``: milliseconds for which a guest may stand still at the switch, approached in ``downtime_steps``, each ``downtime_delay`` per GB
    after the one before; ``completion_timeout``: per GB, 0 none; ``timeout_action``: abort or force_complete.
    """

    uri: str = "qemu+tcp://%s/system"
    inbound_addr: str = "127.0.0.1"
    bandwidth: int = 0
    downtime: int = 500
    downtime_steps: int = 10
    downtime_delay: int = 75
    completion_timeout: int = 800
    timeout_action: str = "abort"
    auto_converge: bool = True
    post_copy: bool = False
    native_tls: bool = False


def size_gb(memory_mb: int, disk_bytes: int) -> int:
    """What there is to transfer."""
    return max(MIN_GB, -(-(memory_mb + (disk_bytes >> 20)) // 1024))


def downtime(settings: LiveSettings, gb: int, elapsed: float) -> int:
    """The milliseconds that the guest may stand still, so long after the begin: from a step's share up to all of it."""
    steps = max(1, settings.downtime_steps)
    step = min(steps, 1 + int(elapsed / max(1, settings.downtime_delay * gb)))
    first = max(1, settings.downtime // steps)
    if step == steps:
        return settings.downtime
    return round(first * (settings.downtime / first) ** ((step - 1) / max(1, steps - 1)))


def is_late(settings: LiveSettings, gb: int, elapsed: float) -> bool:
    """Whether the migration has had its time."""
    return bool(settings.completion_timeout) and elapsed > settings.completion_timeout * gb
