"""Where files are: the only module that knows paths below the state path.

::

    <state>/images/<image id>            a base image, complete and checked
    <state>/images/<image id>.part       one that is being fetched
    <state>/images/<image id>.lock       held while it is fetched, taken into use or removed
    <state>/servers/<server id>/disk     the root disk, and disk.eph0, disk.swap, disk.config, disk.rescue, console.log, nvram, bases
    <state>/servers/<server id>/owner    the host whose server it is, for hosts that share the folder; below it the one who lent them
    <state>/servers/<server id>/*.part   a file that comes from another host, and incoming: how far
    <state>/servers/<server id>/tpm-*    what its TPM knows, come from another host, until the guest starts
    <state>/servers/<server id>/*.next   a disk that is made ready; *.before: one whose place another has taken, until that is for good
"""
import base64
import re
import uuid
from pathlib import Path

from nova_lite import exception
from nova_lite.virt import types

SHORT_NAMES = Path("/run/nova-lite/lxc")
_UNFINISHED = re.compile(r".*\.(next|before|part|new|newed)|incoming|moving\..*|disk\.snapshot(\.raw)?")
"""Files that wait for the end of what made them."""
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")


def _safe(name: str) -> str:
    if not _SAFE.fullmatch(name):
        raise exception.HypervisorError(reason=f"{name!r} cannot be the name of a file")
    return name


def images_folder(state_path: str) -> Path:
    """Where base images are."""
    return Path(state_path, "images")


def servers_folder(state_path: str) -> Path:
    """Where each server has a folder."""
    return Path(state_path, "servers")


def image_path(state_path: str, image_id: str) -> str:
    """The file of a base image."""
    return str(images_folder(state_path) / _safe(image_id))


def short_name(server_id: str) -> Path:
    """A link to the server's folder for who takes no path of more than 63 bytes, as loop devices do. Raises HypervisorError for what is no UUID."""
    try:
        name = base64.urlsafe_b64encode(uuid.UUID(server_id).bytes)
    except ValueError:
        raise exception.HypervisorError(reason=f"{server_id!r} is no UUID")
    return SHORT_NAMES / name.decode().rstrip("=")


class ServerFiles:
    """The paths of one server's files. ``bases`` lists the ids of the base images that its disks need, one a line.

    ``tpm`` is there once the guest had a TPM, whose memory libvirt keeps; it holds the definition by which libvirt finds that.
    """

    def __init__(self, state_path: str, server_id: str):
        self.folder = servers_folder(state_path) / _safe(server_id)
        self.console_log = str(self.folder / "console.log")
        self.nvram = str(self.folder / "nvram")
        self.bases = self.folder / "bases"
        self.owner = self.folder / "owner"
        self.tpm = self.folder / "tpm"

    def unfinished(self) -> list[str]:
        """Names of files here that only a change under way needs."""
        try:
            return sorted(path.name for path in self.folder.iterdir() if _UNFINISHED.fullmatch(path.name))
        except FileNotFoundError:
            return []

    def config_drive(self, guest: types.Guest) -> str:
        """The config drive; a guest that is being rescued has one of its own."""
        return str(self.folder / ("disk.config.rescue" if any(disk.kind == "rescue" for disk in guest.disks) else "disk.config"))

    def disks(self, disks: tuple[types.Disk, ...]) -> list[tuple[types.Disk, str]]:
        """Each disk that is a file of the guest's own, the config drive excepted, with its path."""
        found, ephemerals = [], 0
        for disk in disks:
            if disk.kind == "root":
                found.append((disk, str(self.folder / "disk")))
            elif disk.kind == "rescue":
                found.append((disk, str(self.folder / "disk.rescue")))
            elif disk.kind == "swap":
                found.append((disk, str(self.folder / "disk.swap")))
            elif disk.kind == "ephemeral":
                found.append((disk, str(self.folder / f"disk.eph{ephemerals}")))
                ephemerals += 1
        return found
