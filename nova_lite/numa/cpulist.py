"""Lists of CPU numbers as operators and users write them: ``0-3,8,^2``."""
from collections.abc import Iterable

from nova_lite import exception

LARGEST = 9999


def read(text: str) -> tuple[int, ...]:
    """The numbers, ascending; ``^`` leaves out. Raises Invalid in the words of the Compute API."""
    found: set[int] = set()
    removed: set[int] = set()
    for rule in filter(None, (part.strip() for part in text.split(","))):
        out, body = rule.startswith("^"), rule.removeprefix("^")
        low, dash, high = body.partition("-")
        try:
            start, end = int(low), int(high if dash else low)
        except ValueError:
            raise _refuse(rule, bool(dash), out)
        if not 0 <= start <= end <= LARGEST:
            raise _refuse(rule, bool(dash), out)
        (removed if out else found).update(range(start, end + 1))
    return tuple(sorted(found - removed))


def _refuse(rule: str, is_range: bool, out: bool) -> exception.Invalid:
    kind = "range" if is_range else "exclusion" if out else "inclusion"
    return exception.Invalid(f"Invalid {kind} expression {rule!r}")


def write(cpus: Iterable[int]) -> str:
    """``1,2,3,7`` as ``1-3,7``."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
