"""The serial console's log: virtlogd writes console.log and moves it to console.log.0, .1, ... when it is large."""
from pathlib import Path


def read_tail(path: str, max_bytes: int) -> bytes:
    """The last ``max_bytes`` of the log, older files included; empty when nothing was written."""
    chunks, missing = [], max_bytes
    for part in _newest_first(Path(path)):
        if missing <= 0:
            break
        try:
            with open(part, "rb") as handle:
                size = handle.seek(0, 2)
                handle.seek(max(0, size - missing))
                chunk = handle.read(missing)
        except FileNotFoundError:
            continue
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(reversed(chunks))


def _newest_first(path: Path):
    yield path
    number = 0
    while (older := path.with_name(f"{path.name}.{number}")).exists():
        yield older
        number += 1
