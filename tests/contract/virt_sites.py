"""The two machines that the virt contract runs on, with the same few things a test may do to a guest from outside the driver."""
import contextlib
import dataclasses
import hashlib
import json
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nova_lite import clock, concurrency, exception
from nova_lite.numa import wanted
from nova_lite.numa.fit import fit
from nova_lite.virt import types
from nova_lite.virt.fake import FakeDriver
from nova_lite.virt.libvirt.driver import LibvirtDriver
from nova_lite.virt.libvirt.settings import LibvirtSettings

BOOT_SECONDS = 180
CONSOLE_BYTES = 1 << 20
with_files = pytest.mark.parametrize("machine", ["libvirt"], indirect=True)
"""Of tests that look at the files of guests, which the fake driver has none of."""


class Site:
    """A started driver, the images that it may fetch, and the events it reported."""

    driver = None
    ready_sign = b""
    has_agents = False
    """Whether guests whose images say so have an agent that answers."""
    mode = "hvm"
    refused: frozenset[str] = frozenset()
    """What of the contract its guests cannot: the driver says so, and leaves them as they are."""
    consoles = frozenset({"vnc", "serial"})
    disk_names: tuple[str, ...] = ("vda",)
    lets_go = False
    """Whether a card goes whatever the guest does."""

    def __init__(self):
        self.images: dict[str, bytes | Path] = {}
        self.fetched: list[str] = []
        self.events: list[types.LifecycleEvent] = []

    # ---- images --------------------------------------------------------------------------------------------------
    def image(self, content, disk_format: str = "raw", **fields) -> types.ImageSource:
        """Register an image under a fresh id."""
        image_id = str(uuid.uuid4())
        self.images[image_id] = content
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        return types.ImageSource(image_id, disk_format, **{"size": size, **fields})

    def fetch(self, image_id: str):
        """Hand out an image in chunks, giving way to others between them."""
        self.fetched.append(image_id)
        content = self.images.get(image_id)
        if content is None:
            raise exception.ImageNotFound(image_id=image_id)
        content = content if isinstance(content, bytes) else content.read_bytes()
        for at in range(0, len(content), 1 << 18):
            concurrency.sleep(0)
            yield content[at:at + (1 << 18)]

    # ---- guests --------------------------------------------------------------------------------------------------
    def guest(self, image: types.ImageSource | None = None, **changes) -> types.Guest:
        """A small guest; without an image its disk is empty, so nothing in it ever reacts."""
        root = types.Disk("root", "vda", "virtio", 256, image, boot=True)
        values = {"server_id": str(uuid.uuid4()), "name": "contract", "project_id": "p", "user_id": "u", "flavor_name": "tiny",
                  "vcpus": 1, "memory_mb": 128, "disks": (root,), "nics": ()}
        return types.Guest(**{**values, **changes})

    def inert_image(self) -> types.ImageSource:
        """An image with which guests run and never react."""
        return self.image(b"nothing that boots")

    def cpu_count(self, server_id: str) -> int:
        """How many CPUs a running guest has."""
        return len(self.driver.diagnostics(server_id).cpu_times)

    def run(self, guest: types.Guest) -> types.Guest:
        """Disks and start."""
        self.driver.create_disks(guest, self.fetch)
        self.driver.start_guest(guest)
        return guest

    def boots(self, server_id: str) -> int:
        """How often the guest has come up, as its console tells."""
        return self.driver.console_output(server_id, CONSOLE_BYTES).count(self.ready_sign)

    def wait_for(self, condition, what: str, seconds: float = BOOT_SECONDS):
        """Until ``condition()`` is true; fails with ``what`` after ``seconds``."""
        deadline = clock.monotonic() + seconds
        while not (result := condition()):
            assert clock.monotonic() < deadline, f"not seen within {seconds} s: {what}"
            concurrency.sleep(0.05)
        return result

    def states(self, server_id: str) -> list[types.PowerState]:
        """The states reported for a guest, repetitions left out."""
        found = []
        for event in self.events:
            if event.server_id == server_id and found[-1:] != [event.state]:
                found.append(event.state)
        return found

    def clear(self) -> None:
        """Remove every guest and file."""
        for server_id in {*self.driver.guests(), *self.driver.guest_files()}:
            self.driver.destroy_guest(server_id)
            self.driver.delete_disks(server_id)
        self.driver.prune_images([], 0)

    def close(self) -> None:
        """Clear and stop."""
        try:
            self.clear()
        finally:
            self.driver.stop_host()


class FakeSite(Site):
    """The fake driver; images are small."""

    ready_sign = b"login:"
    has_agents = True

    def __init__(self):
        super().__init__()
        self.driver = FakeDriver("h1")
        self.driver.start_host(self.events.append)

    def system_image(self) -> types.ImageSource:
        """An image with a system that comes up and reacts to requests."""
        content = b"system" * 1000
        return self.image(content, checksum=hashlib.md5(content).hexdigest())

    def bridge(self):
        """The name of a bridge to plug cards into."""
        return contextlib.nullcontext("br0")

    def run_deaf(self, **changes) -> types.Guest:
        """A running guest that reacts to nothing."""
        guest = self.run(self.guest(**changes))
        self.driver.hypervisor.hang(guest.server_id)
        return guest

    def run_and_switch_off_inside(self) -> types.Guest:
        """A guest that was started and then switches itself off."""
        guest = self.run(self.guest())
        self.driver.hypervisor.power_off(guest.server_id)
        return guest


class LibvirtSite(Site):
    """Real guests on a libvirtd of the test's own."""

    ready_sign = b"nova-lite-guest: ready"
    virt_type = "auto"
    network: tuple[str, ...] = ()
    """What a command begins with that is to run where libvirtd's network is."""

    def __init__(self, uri: str, guest_image: dict, folder_mode: int = 0o711, **settings):
        super().__init__()
        self.state_path = tempfile.mkdtemp(prefix="nl-virt-", dir="/var/tmp")
        Path(self.state_path).chmod(folder_mode)
        self._guest_image = guest_image
        self._system: types.ImageSource | None = None
        # The private libvirtd's own, as it is seen from outside of its mount namespace.
        tpm_path = str(Path(uri.partition("socket=")[2]).parents[2] / "var/lib/libvirt/swtpm")
        self.settings = LibvirtSettings(host="h1", state_path=self.state_path, uri=uri, virt_type=self.virt_type, shutdown_resend=5,
                                        tpm_path=tpm_path, **settings)
        self.driver = LibvirtDriver(self.settings)
        self.driver.start_host(self.events.append)

    def system_image(self) -> types.ImageSource:
        path = self._guest_image["disk"]
        return self.image(path, "qcow2", os_hash_algo="sha256", os_hash_value=hashlib.sha256(path.read_bytes()).hexdigest())

    @contextlib.contextmanager
    def bridge(self):
        """A bridge of the test's own."""
        name = f"nlc{uuid.uuid4().hex[:8]}"
        subprocess.run([*self.network, "ip", "link", "add", name, "type", "bridge"], check=True)
        try:
            yield name
        finally:
            self.clear()
            subprocess.run([*self.network, "ip", "link", "delete", name], check=True)

    def run_deaf(self, **changes) -> types.Guest:
        return self.run(self.guest(memory_mb=64, **changes))

    def run_and_switch_off_inside(self) -> types.Guest:
        guest = self.guest(self.system_image())
        meta = {"uuid": guest.server_id, "hostname": "contract"}
        drive = {"openstack/latest/meta_data.json": json.dumps(meta).encode(), "openstack/latest/user_data": b"#!/bin/sh\npoweroff\n"}
        return self.run(dataclasses.replace(guest, config_drive=drive))

    def told(self, guest: types.Guest, script: str) -> str:
        """Run a guest that runs ``script`` at its start; its console once the script has ended."""
        end = b"that was all"
        user_data = f"#!/bin/sh\n(sleep 1; {script}; echo {end.decode()}) >/dev/console 2>&1\n".encode()
        drive = {"openstack/latest/meta_data.json": json.dumps({"uuid": guest.server_id, "hostname": "contract"}).encode(),
                 "openstack/latest/user_data": user_data}
        self.run(dataclasses.replace(guest, config_drive=drive))
        text = self.wait_for(lambda: (found := self.driver.console_output(guest.server_id, CONSOLE_BYTES)).count(end) and found,
                             "what the guest has to tell", 90)
        return text.decode(errors="replace")

    def domain(self, server_id: str) -> ElementTree.Element:
        """What libvirt runs."""
        text = subprocess.run(["virsh", "-q", "-c", self.settings.uri, "dumpxml", server_id], check=True, capture_output=True).stdout
        return ElementTree.fromstring(text)

    def lie(self, vcpus: int = 1, memory_mb: int = 128, **specs) -> dict:
        """What of a guest says where it lies on this machine, as the scheduler would have it, for such extra specs (hw:...)."""
        flavor = {f"hw:{name}": value for name, value in specs.items()}
        topology = wanted.read({"vcpus": vcpus, "memory_mb": memory_mb, "extra_specs": flavor}, {})
        return {"vcpus": vcpus, "memory_mb": memory_mb, "topology": topology,
                "lying": fit(self.driver.inventory().cells, {}, topology, vcpu_ratio=4.0)}

    def triple(self) -> dict:
        """Kernel, ramdisk and root images, and the kernel options that suit them."""
        return {"kernel": self.image(self._guest_image["kernel"], "aki"), "ramdisk": self.image(self._guest_image["ramdisk"], "ari"),
                "root": self.image(self._guest_image["root"], "ami"), "cmdline": self._guest_image["command_line"]}

    def close(self) -> None:
        try:
            super().close()
        finally:
            shutil.rmtree(self.state_path, ignore_errors=True)
