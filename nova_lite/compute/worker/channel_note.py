"""A note in the state folder of the port on which a host's disks can be read now: for the auditor, which is another process."""
import contextlib
import socket
from pathlib import Path

from nova_lite.db import servers as servers_


def path(state_path: str, host: str) -> Path:
    """Where the note of a host is."""
    return Path(state_path, f"disk-channel.{host}")


def write(note: Path, address: str, port: int) -> None:
    """The port is open."""
    note.write_text(f"{address} {port}")


def remove(note: Path) -> None:
    """It is closed."""
    note.unlink(missing_ok=True)


def audit(db, host: str, state_path: str) -> list[dict]:
    """A finding, as in compute.audit, where the port of ``host`` is open and no server leaves it."""
    try:
        address, port = path(state_path, host).read_text().split()
    except (FileNotFoundError, ValueError):
        return []
    with db.read() as tx:
        if servers_.departing(tx, host):
            return []
    with contextlib.suppress(OSError), socket.create_connection((address, int(port)), timeout=1.0):
        return [{"kind": "channel", "what": f"for disks is open on port {port}, and no server leaves", "host": host}]
    return []
