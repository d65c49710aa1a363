"""What is true of containers alone: what they see of the host, what they keep, and what nobody can ask of them."""
import dataclasses
import re
import socket
import uuid

import pytest

from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.copies import DiskFile
from nova_lite.virt.libvirt import lxc_disks
from nova_lite.virt.libvirt.driver import LibvirtDriver
from nova_lite.virt.types import PowerState
from tests.contract.container_site import ContainerSite
from tests.contract.virt_sites import CONSOLE_BYTES

pytestmark = pytest.mark.parametrize("machine", ["lxc"], indirect=True)


def driver_like(site, **changes):
    return LibvirtDriver(dataclasses.replace(site.settings, **changes))


@pytest.mark.parametrize("wanted", ["qemu", "kvm"])
def test_a_worker_refuses_what_its_hypervisor_does_not_offer(site, wanted, monkeypatch):
    monkeypatch.setattr("nova_lite.virt.libvirt.host._kvm_obstacle", lambda *_files: None)
    with pytest.raises(exception.ConfigurationError, match=f"cannot run {wanted} guests here, only lxc"):
        driver_like(site, virt_type=wanted).start_host(site.events.append)


def test_a_worker_for_containers_refuses_a_hypervisor_of_machines(site, libvirt_uri):
    with pytest.raises(exception.ConfigurationError, match="cannot run lxc guests here, only .*qemu"):
        driver_like(site, uri=libvirt_uri).start_host(site.events.append)


def test_what_the_host_reports(site):
    found = site.driver.inventory()
    assert found.hypervisor_type == "LXC" and found.supported == ((found.cpu_info["arch"], "lxc", "exe"),) and found.cells == ()


def test_without_a_nic_there_is_no_network(site):
    text = site.told(site.guest(site.system_image()), "ls /sys/class/net; cat /proc/net/dev | cut -d: -f1; hostname")
    assert "eth" not in text and re.search(r"^\s*lo\r?$", text, re.MULTILINE) and f"\n{socket.gethostname()}\r" not in text


def test_what_a_container_sees(site):
    disks = (types.Disk("root", "vda", "virtio", 300, site.system_image(), boot=True), types.Disk("ephemeral", "vdb", "virtio", 32, fs="ext4"),
             types.Disk("swap", "vdc", "virtio", 16, fs="swap"))
    with site.bridge() as bridge:
        nic = types.Nic("port1", "fa:16:3e:00:00:77", bridge, "tapc7", mtu=1400)
        guest = site.guest(disks=disks, nics=(nic,), vcpus=2)
        text = site.told(guest, "cat /sys/class/net/eth0/address; df -m / /mnt/ephemeral0; cat /proc/meminfo; "
                                "tr '\\0' '\\n' </proc/1/environ; touch /mnt/ephemeral0/kept && echo wrote it; hostname")
        assert "fa:16:3e:00:00:77" in text and re.search(r"MemTotal: +131072 kB", text) and re.search(r"SwapTotal: +16384 kB", text)
        assert "product_name=OpenStack Nova" in text and "wrote it" in text
        sizes = [int(number) for number in re.findall(r"^/\S*dev/loop\S+\s+(\d+) ", text, re.MULTILINE)]
        assert len(sizes) == 2 and 240 < sizes[0] <= 300 and 16 < sizes[1] <= 32
        assert "nova-lite-guest: metadata source=config-drive" in text and "\ncontract\r" in text
        assert site.domain(guest.server_id).findtext("memtune/swap_hard_limit") == str((128 + 16) << 10)
        site.driver.reboot_hard(guest)
        site.wait_for(lambda: site.boots(guest.server_id) == 2, "the second boot")


def test_what_is_no_file_system_is_no_image(site):
    with pytest.raises(exception.ImageUnusable, match="one file system"):
        site.driver.create_disks(site.guest(site.image(b"\0" * 4096)), site.fetch)
    assert site.driver.guest_files() == set()


def test_what_only_machines_have_leaves_nothing(site):
    guest = site.guest(properties={"hw_tpm_version": "2.0"})
    site.driver.create_disks(guest, site.fetch)
    with pytest.raises(exception.HypervisorError, match="containers, which cannot have a TPM"):
        site.driver.start_guest(guest)
    assert site.driver.guests() == {}


def test_a_container_does_not_move_while_it_runs(site):
    guest = site.run(site.guest())
    with pytest.raises(exception.HypervisorError, match="cannot move while they run"):
        site.driver.moves().live()
    assert site.driver.power_state(guest.server_id) == PowerState.RUNNING


def test_a_container_goes_on_from_its_disk_on_another_host(site, container_libvirtd):
    there = ContainerSite(container_libvirtd, site._guest_image)
    try:
        there.images = site.images
        guest = site.run(site.guest(site.system_image()))
        site.wait_for(lambda: site.boots(guest.server_id) == 1, "the boot")
        site.driver.stop_guest(guest.server_id, 60)
        site.driver.destroy_guest(guest.server_id)
        copies = site.driver.moves().copies()
        larger = dataclasses.replace(guest, disks=(dataclasses.replace(guest.disks[0], size_mb=320),))
        there.driver.moves().copies().receive(larger, "move", [DiskFile.load(file.dump()) for file in copies.files(guest.server_id)],
                                              lambda name, position: copies.read(guest.server_id, name, position), there.fetch)
        there.driver.start_guest(larger)
        there.wait_for(lambda: there.boots(guest.server_id) == 1, "the boot on the other host")
        assert b"boot 2" in there.driver.console_output(guest.server_id, CONSOLE_BYTES)
    finally:
        there.close()


def test_a_worker_that_returns_finds_all_in_order(site):
    """Its guests' consoles are kept meanwhile, and what a snapshot held when it died is let go."""
    guest = site.run(site.guest(site.system_image()))
    sid = guest.server_id
    site.wait_for(lambda: site.boots(sid) == 1, "the boot")
    site.driver._on_domain(sid, lxc_disks.hold)
    site.driver.stop_host()
    site.driver = driver_like(site)
    site.driver.start_host(site.events.append)
    assert site.driver.guests() == {sid: PowerState.RUNNING}
    assert site.driver.stop_guest(sid, 60) is True
    site.driver.start_guest(guest)
    site.wait_for(lambda: site.boots(sid) == 2, "the boot after that")


def test_a_container_that_restarts_by_itself_keeps_its_console(site):
    guest = site.guest(site.system_image())
    once = b"#!/bin/sh\n[ -e /root/been ] || { touch /root/been; sync; reboot; sleep 60; }\n"
    drive = {"openstack/latest/meta_data.json": b'{"uuid": "%s"}' % str(uuid.uuid4()).encode(), "openstack/latest/user_data": once}
    site.run(dataclasses.replace(guest, config_drive=drive))
    site.wait_for(lambda: site.boots(guest.server_id) == 1, "the boot after its own restart")
    assert b"boot 2" in site.driver.console_output(guest.server_id, CONSOLE_BYTES)
    assert site.driver.power_state(guest.server_id) == PowerState.RUNNING
