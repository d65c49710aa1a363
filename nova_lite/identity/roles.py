"""Which role implies which: who has the first has the others too. Policies therefore ask for the least role that suffices."""
from collections.abc import Iterable

IMPLIES: dict[str, tuple[str, ...]] = {"admin": ("manager",), "manager": ("member",), "member": ("reader",)}


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """``names`` and all that they imply, each once, sorted."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(IMPLIES.get(name, ()))
    return tuple(sorted(found))
