"""What guests' TPMs know, when it goes to another host: libvirt keeps it in a folder of its own, from where it is read, and to where it is put before
the guest starts. Until then it waits beside the server's disks.
"""
import os
import re
import shutil
from pathlib import Path

from nova_lite import exception
from nova_lite.virt.libvirt.layout import ServerFiles

NAME = re.compile(r"tpm-(tpm2|tpm1\.2)-([A-Za-z0-9_][A-Za-z0-9._-]*)")
"""A file of the folder as it travels, and as it waits."""


def files(place: ServerFiles, kept: Path) -> dict[str, Path]:
    """What has to travel by name; none for a guest without TPM. ``kept``: libvirt's folder for the server.

    Raises HypervisorError where this worker cannot read it.
    """
    waiting = _waiting(place)
    if waiting or not place.tpm.exists():
        return waiting
    try:
        found = {f"tpm-{path.parent.name}-{path.name}": path for path in sorted(kept.glob("*/*")) if os.access(path, os.R_OK)}
    except OSError:
        found = {}
    found = {name: path for name, path in found.items() if NAME.fullmatch(name)}
    if not found:
        raise exception.HypervisorError(reason=f"what the guest's TPM knows lies with libvirt in {kept}, where this worker cannot read it")
    return found


def install(place: ServerFiles, kept: Path) -> None:
    """Put what has come with the server where libvirt looks for it, in the place of what is there. May be repeated after it was cut off."""
    waiting = _waiting(place)
    if not waiting:
        return
    if kept.exists() and not (place.folder / "tpm-installing").exists():
        shutil.rmtree(kept)
    (place.folder / "tpm-installing").touch(mode=0o600)
    for name, path in waiting.items():
        folder, file = NAME.fullmatch(name).groups()
        # As libvirt makes them; it gives them to the TPM's account when it starts one.
        kept.mkdir(mode=0o711, parents=True, exist_ok=True)
        (kept / folder).mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(path, kept / folder / file)
        os.chmod(kept / folder / file, 0o600)
    for path in waiting.values():
        path.unlink()
    (place.folder / "tpm-installing").unlink()


def _waiting(place: ServerFiles) -> dict[str, Path]:
    return {path.name: path for path in sorted(place.folder.glob("tpm-*")) if NAME.fullmatch(path.name)}
