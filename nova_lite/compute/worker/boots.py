"""Whether the host was booted since its worker last saw its guests: only then are those started that ran before. A file in the state folder says."""
import contextlib
from pathlib import Path

from nova_lite import log
from nova_lite.compute.worker.watch import Watcher

LOG = log.get(__name__)
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot_id() -> str:
    """What the kernel calls this boot of the host."""
    return Path(BOOT_ID).read_text().strip()


def resume(watcher: Watcher, note: Path, present: str) -> list[str]:
    """Start the guests that ran when the host went down, if it was booted since ``note`` was written; the ids.

    ``present``: this boot. A worker that merely starts again starts nothing: what is off was switched off. The note is written once all have
    been started, so that who dies on the way goes on.
    """
    with contextlib.suppress(FileNotFoundError):
        if note.read_text() == present:
            return []
    found = watcher.resume_guests(lambda: _write(note, present))
    LOG.info("the host was booted; %d guests that ran before start", len(found))
    return found


def _write(note: Path, text: str) -> None:
    fresh = note.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(note)
