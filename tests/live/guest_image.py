"""The guest image for tests that boot a guest: built once into the user's cache, rebuilt when the builder changes."""

import json
import os
import subprocess
import sys
from pathlib import Path

BUILDER = Path(__file__).resolve().parents[2] / "tools" / "build_guest_image.py"


def cache_folder():
    """Folder that holds the image: $XDG_CACHE_HOME or ~/.cache, then nova-lite/guest."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nova-lite" / "guest"


def ensure_guest_image(kernel="cloud"):
    """Builds the image unless it is up to date; safe to call from several processes at once.

    kernel: "cloud" boots fastest; "generic" also drives SATA, USB and e1000 devices.
    Returns {"kernel", "ramdisk", "root", "disk": Path of the file, "command_line": kernel options that suit the
    triple, "description": content of guest.json}. Raises RuntimeError with the builder's words when it fails.
    """
    folder = cache_folder() if kernel == "cloud" else cache_folder().with_name(f"guest-{kernel}")
    command = [sys.executable, str(BUILDER), "--output", str(folder), "--kernel", kernel]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    description = json.loads((folder / "guest.json").read_text())
    paths = {role: folder / file["name"] for role, file in description["files"].items()}
    return {**paths, "command_line": description["command_line"], "description": description}
