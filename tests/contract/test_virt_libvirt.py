"""What only the libvirt driver promises: other people's domains, a libvirtd that dies, a hung guest, firmware, buses, NICs, accounts."""
import dataclasses
import json
import os
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from nova_lite import concurrency, exception
from nova_lite.virt import types
from nova_lite.virt.types import PowerState
from tests.contract.virt_sites import CONSOLE_BYTES, LibvirtSite

FOREIGN = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os></domain>"""


@pytest.fixture(scope="module")
def libvirtd():
    from tests.services.libvirtd import PrivateLibvirtd
    reason = PrivateLibvirtd.missing()
    if reason:
        pytest.skip(reason)
    with PrivateLibvirtd() as running:
        yield running


@pytest.fixture(scope="module")
def guest_image():
    from tests.live.guest_image import ensure_guest_image
    return ensure_guest_image()


@pytest.fixture
def site(libvirtd, guest_image):
    made = LibvirtSite(libvirtd.uri, guest_image)
    yield made
    made.close()


def virsh(libvirtd, *words, content=None) -> str:
    done = subprocess.run(["virsh", "-q", "-c", libvirtd.uri, *words], input=content, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def qemu_pid(libvirtd, server_id) -> int:
    name = virsh(libvirtd, "domname", server_id)
    return int((libvirtd.folder / "run/libvirt/qemu" / f"{name}.pid").read_text())


@pytest.fixture
def foreign(libvirtd, tmp_path):
    """A running domain of somebody else."""
    domain_id = str(uuid.uuid4())
    file = tmp_path / "foreign.xml"
    file.write_text(FOREIGN.format(name="instance-foreign", uuid=domain_id))
    virsh(libvirtd, "define", str(file))
    virsh(libvirtd, "start", domain_id)
    yield domain_id
    virsh(libvirtd, "destroy", domain_id)
    virsh(libvirtd, "undefine", domain_id)


def test_other_peoples_domains_are_not_seen_nor_touched(site, libvirtd, foreign):
    assert site.driver.guests() == {}
    for ask in (site.driver.power_state, lambda s: site.driver.stop_guest(s, 0), lambda s: site.driver.reboot_soft(s, 1)):
        with pytest.raises(exception.GuestNotFound):
            ask(foreign)
    site.driver.destroy_guest(foreign)
    assert virsh(libvirtd, "domstate", foreign) == "running"
    virsh(libvirtd, "suspend", foreign)
    virsh(libvirtd, "resume", foreign)
    guest = site.run(site.guest())
    site.wait_for(lambda: site.states(guest.server_id) == [PowerState.RUNNING], "our own guest's event", 10)
    assert {event.server_id for event in site.events} == {guest.server_id}


def test_guests_of_another_cloud_on_the_same_libvirtd_are_not_ours(site, libvirtd, guest_image):
    other = LibvirtSite(libvirtd.uri, guest_image)
    try:
        theirs, ours = other.run(other.guest()), site.run(site.guest())
        assert site.driver.guests() == {ours.server_id: PowerState.RUNNING}
        site.driver.destroy_guest(theirs.server_id)
        assert other.driver.guests() == {theirs.server_id: PowerState.RUNNING}
        assert {event.server_id for event in site.events} <= {ours.server_id}
    finally:
        other.close()


def test_servers_whose_ids_begin_alike(site):
    first = site.run(site.guest())
    second = site.run(site.guest(server_id=first.server_id[:-4] + ("ffff" if first.server_id[-4:] != "ffff" else "0000")))
    assert site.driver.guests() == {first.server_id: PowerState.RUNNING, second.server_id: PowerState.RUNNING}


def test_libvirtd_dies_and_comes_back(site, libvirtd):
    gone, paused, kept = (site.run(site.guest()) for _ in range(3))
    pid = qemu_pid(libvirtd, gone.server_id)
    libvirtd.stop(number=signal.SIGKILL)
    # While nobody watches, one guest ends.
    os.kill(pid, signal.SIGKILL)
    libvirtd.start()
    site.wait_for(lambda: site.states(gone.server_id)[-1:] == [PowerState.SHUTDOWN], "the change that nobody saw", 30)
    assert site.driver.guests() == {gone.server_id: PowerState.SHUTDOWN, paused.server_id: PowerState.RUNNING,
                                    kept.server_id: PowerState.RUNNING}
    virsh(libvirtd, "suspend", paused.server_id)
    site.wait_for(lambda: site.states(paused.server_id)[-1:] == [PowerState.PAUSED], "an event of the new connection", 30)
    site.driver.stop_guest(kept.server_id, 0)
    assert site.driver.power_state(kept.server_id) == PowerState.SHUTDOWN


def test_calls_fail_clearly_while_libvirtd_is_away(site, libvirtd):
    libvirtd.stop()
    with pytest.raises(exception.HypervisorError, match="libvirt"):
        site.driver.guests()
    libvirtd.start()
    assert site.driver.guests() == {}


def test_a_hung_guest_does_not_hold_up_the_others(site, libvirtd):
    hung, other = site.run(site.guest()), site.guest()
    pid = qemu_pid(libvirtd, hung.server_id)
    os.kill(pid, signal.SIGSTOP)
    try:
        # More than libvirtd serves one connection at once.
        waiting = [concurrency.spawn(site.driver.reboot_soft, hung.server_id, 1) for _ in range(3)]
        concurrency.sleep(0.2)
        with concurrency.timeout(60):
            site.run(other)
            assert site.driver.guests()[other.server_id] == PowerState.RUNNING
        assert not any(task.done for task in waiting)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [task.wait() for task in waiting] == [False] * 3


def test_a_call_that_hangs_ends_with_an_error_and_a_new_connection(site, libvirtd):
    site.driver.stop_host()
    site.driver = type(site.driver)(dataclasses.replace(site.settings, call_timeout=2))
    site.driver.start_host(site.events.append)
    guest = site.run(site.guest())
    pid = int((libvirtd.folder / "libvirtd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(exception.HypervisorError, match="did not answer within 2 s"):
            site.driver.power_state(guest.server_id)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert site.driver.power_state(guest.server_id) == PowerState.RUNNING
    site.events.clear()
    virsh(libvirtd, "suspend", guest.server_id)
    site.wait_for(lambda: site.states(guest.server_id)[-1:] == [PowerState.PAUSED], "an event of the new connection", 30)


def test_a_reboot_that_was_ignored_does_not_come_back_later(site):
    guest = site.guest(site.system_image())
    drive = {"openstack/latest/meta_data.json": json.dumps({"uuid": guest.server_id}).encode(),
             "openstack/latest/user_data": b"#!/bin/sh\npoweroff\n"}
    guest = site.run(dataclasses.replace(guest, config_drive=drive))
    # Its firmware does not know the power button.
    assert site.driver.reboot_soft(guest.server_id, 0) is False
    site.driver.reboot_hard(guest)
    site.events.clear()
    site.wait_for(lambda: any(event.guest_initiated for event in site.events), "the guest's own shutdown")
    assert site.driver.power_state(guest.server_id) == PowerState.SHUTDOWN


def test_a_folder_that_keeps_qemus_account_out(libvirtd, guest_image):
    site = LibvirtSite(libvirtd.uri, guest_image, folder_mode=0o700)
    try:
        guest = site.run(site.guest())
        assert os.stat(f"/proc/{qemu_pid(libvirtd, guest.server_id)}").st_uid == 0
    finally:
        site.close()


def test_guests_do_not_run_as_root_and_their_files_are_theirs(site, libvirtd):
    guest = site.run(site.guest(config_drive={"openstack/latest/meta_data.json": b"{}"}))
    uid = os.stat(f"/proc/{qemu_pid(libvirtd, guest.server_id)}").st_uid
    assert uid != 0
    folder = Path(site.state_path, "servers", guest.server_id)
    for name in ("disk", "disk.config"):
        status = (folder / name).stat()
        assert (status.st_mode & 0o777, status.st_uid) == (0o600, uid)


def boot(site, guest) -> str:
    site.run(guest)
    site.wait_for(lambda: site.boots(guest.server_id) == 1, "the boot")
    return site.driver.console_output(guest.server_id, CONSOLE_BYTES).decode(errors="replace")


def test_kernel_ramdisk_and_every_disk(site):
    parts = site.triple()
    disks = (types.Disk("root", "vda", "virtio", 128, parts["root"], boot=True), types.Disk("ephemeral", "vdb", "virtio", 16),
             types.Disk("swap", "vdc", "virtio", 16))
    text = boot(site, site.guest(disks=disks, kernel=parts["kernel"], ramdisk=parts["ramdisk"], kernel_cmdline=parts["cmdline"]))
    for line in ("root /dev/vda 128 MiB", "swap vdc", "mounted vdb /mnt"):
        assert f"nova-lite-guest: {line}" in text


@pytest.mark.parametrize("bus, device", [("scsi", "sda"), ("ide", "hda")])
def test_disk_buses_and_config_drive(site, bus, device):
    guest = site.guest()
    disks = (types.Disk("root", device, bus, 256, site.system_image(), boot=True),)
    drive = {"openstack/latest/meta_data.json": json.dumps({"uuid": guest.server_id, "hostname": "kiwi"}).encode()}
    text = boot(site, dataclasses.replace(guest, disks=disks, config_drive=drive))
    assert f"metadata source=config-drive instance-id={guest.server_id} hostname=kiwi" in text


def test_uefi_on_a_pci_express_machine(site, libvirtd):
    host = site.driver._capabilities()
    if not host.has_uefi or "q35" not in host.machines:
        pytest.skip("no UEFI firmware for q35; install ovmf")
    guest = site.guest(site.system_image(), memory_mb=256, properties={"hw_firmware_type": "uefi", "hw_machine_type": "q35"})
    boot(site, guest)
    variables = Path(site.state_path, "servers", guest.server_id, "nvram")
    assert variables.exists()
    site.driver.destroy_guest(guest.server_id)
    assert variables.exists()


@pytest.fixture
def bridge():
    """A bridge that leads nowhere."""
    name = f"nlt{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    yield name
    subprocess.run(["ip", "link", "del", name], check=True)


def test_nic_is_a_tap_on_the_bridge_while_the_guest_runs(site, bridge):
    tap = "t" + bridge
    nic = types.Nic("port", "fa:16:3e:12:34:56", bridge, tap, mtu=1400)
    guest = site.run(site.guest(nics=(nic,)))
    device = Path("/sys/class/net", tap)
    assert (device / "master").resolve().name == bridge and (device / "mtu").read_text().strip() == "1400"
    site.driver.stop_guest(guest.server_id, 0)
    assert not device.exists()


def test_a_bridge_that_is_not_there_is_said(site):
    guest = site.guest(nics=(types.Nic("port", "fa:16:3e:12:34:57", "nlt-none", "tnlt-none"),))
    with pytest.raises(exception.HypervisorError, match="nlt-none"):
        site.run(guest)
    assert site.driver.guests() == {}


@pytest.mark.parametrize("changes, words", [({"uri": "qemu+unix:///system?socket=/nonexistent"}, "is libvirtd running"),
                                            ({"virt_type": "xen"}, "auto, kvm, qemu or lxc")])
def test_what_cannot_work_is_said_at_start(site, changes, words):
    broken = type(site.driver)(dataclasses.replace(site.settings, **changes))
    with pytest.raises(exception.ConfigurationError, match=words):
        broken.start_host(print)
    broken.stop_host()
