"""Monitor: what a host tells of how busy it is, from ``/proc/stat``; for the scheduler's MetricsFilter and MetricsWeigher.

Shares of time since the last question (the first: since the machine's start) between 0 and 1, times in nanoseconds, under Nova's names.
Called by ``cmd.workers`` with each inventory when option ``compute_monitors`` asks for it.
"""
import os
import pathlib

STAT = pathlib.Path("/proc/stat")
TICK_NS = 10 ** 9 // os.sysconf("SC_CLK_TCK")


class Monitor:
    """Remembers the last reading. ``stat``: where the kernel tells it."""

    def __init__(self, stat: pathlib.Path = STAT):
        self._stat = stat
        self._last = {"user": 0, "kernel": 0, "idle": 0, "iowait": 0}

    def cpu(self) -> dict[str, float]:
        """Metrics of the processors; nothing where no time has passed. Raises OSError where the kernel tells nothing."""
        user, nice, system, idle, iowait, irq, softirq, *_virtual = (int(word) for word in self._stat.read_text().split("\n", 1)[0].split()[1:])
        now = {"user": user + nice, "kernel": system + irq + softirq, "idle": idle, "iowait": iowait}
        spent = {name: ticks - self._last[name] for name, ticks in now.items()}
        total = sum(spent.values())
        if total <= 0:
            return {}
        self._last = now
        shares = {f"cpu.{name}.percent": round(ticks / total, 4) for name, ticks in spent.items()}
        times = {f"cpu.{name}.time": ticks * TICK_NS for name, ticks in now.items()}
        return {"cpu.percent": round((spent["user"] + spent["kernel"]) / total, 4), **shares, **times}
