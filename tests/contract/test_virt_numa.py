"""Guests that lie on certain CPUs of this machine: what libvirt was told is what the kernel keeps their threads to."""
import os
import subprocess
from pathlib import Path

import pytest

from nova_lite.numa import cells, sets
from nova_lite.numa.fit import fit
from tests.contract.virt_sites import LibvirtSite

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU to share and one to give away")


@pytest.fixture(scope="module")
def site(libvirt_uri):
    from tests.live.guest_image import ensure_guest_image
    made = LibvirtSite(libvirt_uri, ensure_guest_image(), cpus=sets.read("0", "1"))
    yield made
    made.close()


def threads(site, server_id) -> dict[str, set[str]]:
    """The CPUs that the kernel lets the threads of a guest's QEMU run on, those of its own CPUs (``vcpu``) and others apart."""
    pid = next(path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if _is_of(path, server_id))
    told = subprocess.run(["virsh", "-q", "-c", site.settings.uri, "qemu-monitor-command", server_id, "--hmp", "info cpus"], check=True,
                          capture_output=True, text=True).stdout
    vcpus = {line.rpartition("thread_id=")[2].strip() for line in told.splitlines() if "thread_id=" in line}
    found: dict[str, set[str]] = {"vcpu": set(), "other": set()}
    for status in Path("/proc", pid, "task").glob("*/status"):
        allowed = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("Cpus_allowed_list:"))
        found["vcpu" if status.parent.name in vcpus else "other"].add(allowed)
    return found


def _is_of(path: Path, server_id: str) -> bool:
    try:
        words = path.read_bytes().split(b"\0")
    except OSError:
        return False
    return b"qemu" in words[0] and server_id.encode() in words


def test_what_this_machine_has(site):
    found = site.driver.inventory()
    assert found.vcpus == 1 and [cpu for cell in found.cells for cpu in cell.dedicated] == [1]
    assert sum(cell.memory_mb for cell in found.cells) > 512


def test_a_guest_with_cpus_of_its_own_boots_and_stays_on_them(site):
    guest = site.guest(site.system_image(), **site.lie(cpu_policy="dedicated"))
    text = site.told(guest, "echo cpus $(grep -c ^processor /proc/cpuinfo)")
    assert "cpus 1" in text
    tune = site.domain(guest.server_id).find("cputune")
    assert tune.find("vcpupin").attrib == {"vcpu": "0", "cpuset": "1"} and tune.find("emulatorpin").get("cpuset") == "1"
    found = threads(site, guest.server_id)
    assert found["vcpu"] == {"1"} and "0" not in found["other"]
    # A second one has no room beside it.
    assert fit(site.driver.inventory().cells, cells.add_up([guest.lying]), guest.topology) is None


def test_the_emulator_may_share_while_the_cpus_do_not(site):
    guest = site.run(site.guest(**site.lie(cpu_policy="dedicated", emulator_threads_policy="share")))
    found = threads(site, guest.server_id)
    assert found["vcpu"] == {"1"} and "0" in found["other"]


def test_a_mixed_guest_shares_one_cpu_and_has_another(site):
    guest = site.run(site.guest(**site.lie(vcpus=2, cpu_policy="mixed", cpu_dedicated_mask="1")))
    tune = site.domain(guest.server_id).find("cputune")
    assert [(pin.get("vcpu"), pin.get("cpuset")) for pin in tune.iterfind("vcpupin")] == [("0", "0"), ("1", "1")]
    assert threads(site, guest.server_id)["vcpu"] == {"0", "1"}


def test_other_guests_keep_to_the_shared_cpus(site):
    guest = site.run(site.guest(vcpus=2))
    found = threads(site, guest.server_id)
    assert found["vcpu"] == {"0"} and site.domain(guest.server_id).find("vcpu").get("cpuset") == "0"
    assert site.domain(guest.server_id).find("cputune") is None
