"""A guest's consoles, and the log of the serial one: virtlogd writes console.log and moves it to console.log.0, .1, ... when it is large."""
from pathlib import Path
from xml.etree import ElementTree

from nova_lite import exception


def find(domain, kind: str) -> tuple[str, str]:
    """(run, place) of a virDomain's console, in a native thread: place is the number of its screen, or the serial line's terminal device.

    The number that libvirt gives a domain at its start is the run. Raises GuestNotFound when the guest is off, ConsoleTypeUnavailable.
    """
    if not domain.isActive():
        raise exception.GuestNotFound(server_id=domain.UUIDString())
    devices = ElementTree.fromstring(domain.XMLDesc(0)).find("devices")
    if kind == "serial":
        places = [source.get("path") for source in devices.iterfind("*[@type='pty']/source")]
    else:
        places = [str(number) for number, found in enumerate(devices.iterfind("graphics")) if found.get("type") == kind]
    if not places:
        raise exception.ConsoleTypeUnavailable(console_type=kind)
    return str(domain.ID()), places[0]


def connect_screen(domain, number: int) -> int:
    """The file number of a connection to a screen's server, in a native thread."""
    return domain.openGraphicsFD(number)


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
