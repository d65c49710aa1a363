"""Distribution packages as files: downloaded by apt-get and unpacked into a folder, never installed.

Called by build_guest_image.py only. Root is needed to install missing commands and to refresh apt's package lists.
"""

import os
import re
import subprocess
from pathlib import Path

# Wanted first; later names are what other releases and distributions call the same thing.
KERNELS = {
    "cloud": ("linux-image-cloud-amd64", "linux-image-virtual", "linux-image-generic"),
    "generic": ("linux-image-amd64", "linux-image-generic"),
}
GUEST_PACKAGES = ("busybox-static", "dropbear-bin", "e2fsprogs", "util-linux", "qemu-guest-agent")
BUILD_PACKAGES = ("grub-common", "grub-pc-bin", "grub-efi-amd64-bin", "dosfstools", "mtools")
# Of what the packages above depend on, only libraries matter to a program run from an unpacked folder.
LIBRARY = re.compile(r"^lib[a-z0-9]|^zlib1g")
KERNEL_PART = re.compile(r"^linux-(image|modules)-\d")


class BuildError(Exception):
    """The image cannot be built; the message says what to do about it."""


def run(command, **options):
    """Runs a command with its output captured; returns stdout as text, raises BuildError with its stderr."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise BuildError(f"{' '.join(map(str, command))} failed:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


def ensure_commands(commands, progress):
    """Installs, when root, the packages of those commands that this machine lacks.

    commands: {command: package}; raises BuildError naming the missing packages when not root.
    """
    search = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = sorted(
        {
            package
            for command, package in commands.items()
            if not any(
                os.access(Path(folder) / command, os.X_OK) for folder in search.split(os.pathsep) if folder
            )
        }
    )
    if not missing:
        return
    if os.geteuid() != 0:
        raise BuildError(f"please install: {' '.join(missing)}")
    progress(f"installing {' '.join(missing)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    with_fresh_lists(lambda: run(command, env=environment), progress)


def with_fresh_lists(action, progress):
    """Returns action(); where it fails for root, refreshes apt's package lists and tries once more.

    Lists are missing in a bare container, and stale where a newer version has replaced a package on the mirror.
    """
    try:
        return action()
    except BuildError as error:
        if os.geteuid() != 0:
            raise BuildError(
                f"{error}\nIf apt's package lists are missing or old: run apt-get update as root"
            ) from None
    progress("refreshing apt's package lists")
    run(["apt-get", "update", "-q"])
    return action()


def known(names):
    """Those of the package names that apt can download, as {name: version}."""
    versions = {}
    name = None
    for line in run(["apt-cache", "policy", *names]).splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:") and "(none)" not in line:
            versions[name] = line.split()[-1]
    return versions


def dependencies(names):
    """The dependency graph below the names: {package: [packages it depends on]}, alternatives and providers included."""
    hide = [
        f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    ]
    graph = {}
    name = None
    for line in run(["apt-cache", "depends", "--recurse", *hide, *names]).splitlines():
        if not line.startswith((" ", "|")):
            name = line.strip()
            graph[name] = []
        elif name is not None:
            graph[name].append(line.split()[-1])
    return graph


def libraries_of(names):
    """Names of the library packages that programs of the named packages may load, through any number of steps."""
    graph = dependencies(names)
    found = set()
    queue = list(names)
    while queue:
        for name in graph.get(queue.pop(), ()):
            if name not in found and LIBRARY.match(name) and ":" not in name:
                found.add(name)
                queue.append(name)
    return sorted(name for name in found if name in graph)


def kernel_packages(kind):
    """The packages with the newest kernel of a kind ("cloud" or "generic") and with its modules."""
    available = known(KERNELS[kind])
    meta = next((name for name in KERNELS[kind] if name in available), None)
    if meta is None:
        raise BuildError(f"apt offers none of {', '.join(KERNELS[kind])}")
    graph = dependencies([meta])
    parts = []
    queue = [meta]
    while queue:
        for name in graph.get(queue.pop(), ()):
            # Ubuntu's image offers its unsigned twin as an alternative, which would be a second kernel.
            if KERNEL_PART.match(name) and name not in parts and "-unsigned-" not in name:
                parts.append(name)
                queue.append(name)
    return parts


def download(names, folder):
    """Downloads packages into a folder; returns {name: version}. Raises BuildError when apt has no such package.

    Names of libraries may be virtual, which is no error: what provides them is among the names.
    """
    versions = known(names)
    missing = [name for name in names if name not in versions and not LIBRARY.match(name)]
    if missing:
        raise BuildError(f"apt offers no {', '.join(missing)}")
    wanted = [name for name in names if name in versions]
    folder.mkdir(parents=True, exist_ok=True)
    run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *wanted], cwd=folder)
    return {name: versions[name] for name in wanted}


def unpack(archives, folder):
    """Unpacks each .deb file into an empty folder of its own below folder; returns these folders.

    They are never merged: a link in one package that points at an absolute path would lead the files of another
    one out of the folder and into the running system.
    """
    roots = []
    for archive in archives:
        root = folder / archive.name.split("_")[0]
        root.mkdir(parents=True)
        run(["dpkg-deb", "-x", archive, root])
        roots.append(root)
    return roots


class Programs:
    """Programs of unpacked packages, run with the libraries of those same packages."""

    def __init__(self, roots, library_folder):
        """roots: what unpack returned; library_folder: an empty folder to be filled with links to all libraries."""
        self.roots = roots
        self.library_folder = library_folder
        for root in roots:
            for folder in ("lib", "usr/lib"):
                for path in [*root.glob(f"{folder}/*.so*"), *root.glob(f"{folder}/x86_64-linux-gnu/*.so*")]:
                    self._link_library(root, path)
        self.loader = (library_folder / "ld-linux-x86-64.so.2").resolve()

    def _link_library(self, root, path):
        target = path.resolve()
        if target.is_file() and target.is_relative_to(root.resolve()):
            link = self.library_folder / path.name
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def find(self, name):
        """Path of a program by its name; raises BuildError when no package brought it."""
        for root in self.roots:
            for folder in ("usr/sbin", "usr/bin", "sbin", "bin"):
                path = (root / folder / name).resolve()
                if path.is_file() and path.is_relative_to(root.resolve()):
                    return path
        raise BuildError(f"no package brought the program {name}")

    def folder(self, name):
        """The first folder of this relative path that a package brought; raises BuildError when there is none."""
        for root in self.roots:
            if (root / name).is_dir():
                return root / name
        raise BuildError(f"no package brought the folder {name}")

    def run(self, name, *arguments, **options):
        """Runs a program; returns its stdout."""
        return run(
            [self.loader, "--library-path", self.library_folder, self.find(name), *arguments], **options
        )

    def libraries(self, name):
        """Libraries that the program loads, as {file name: path}; raises BuildError when one is not among the packages."""
        listing = run([self.loader, "--library-path", self.library_folder, "--list", self.find(name)])
        found = {}
        for wanted in re.findall(r"^\s*(\S+) => ", listing, re.MULTILINE):
            file_name = Path(wanted).name
            path = (self.library_folder / file_name).resolve()
            if not path.is_file():
                raise BuildError(f"{name} needs {file_name}, which no package brought")
            found[file_name] = path
        return found
