"""What images and flavors ask of a machine, on real guests: libvirt has it, and where that is cheap the guest sees it."""
import re
import subprocess
from pathlib import Path

import pytest

from nova_lite.virt import types
from tests.contract.virt_sites import with_files

IFF_MULTI_QUEUE = 0x100


pytestmark = with_files


def drives(site, server_id):
    """The bus of each drive by its name. libvirt keeps them in an order of its own."""
    return {disk.find("target").get("dev"): disk.find("target").get("bus") for disk in site.domain(server_id).iterfind("devices/disk")}


# The guests' kernel knows no SATA and no USB: that QEMU runs with such disks is all that is seen of them.
def test_many_disks_on_many_buses_with_their_file_systems(site):
    disks = [types.Disk("root", "vda", "virtio", 256, site.system_image(), boot=True)]
    asked = {"ext2": ("vdb", "virtio"), "ext3": ("sda", "scsi"), "xfs": ("vdc", "virtio"), "vfat": ("sdb", "scsi")}
    disks += [types.Disk("ephemeral", device, bus, 320 if fs == "xfs" else 32, fs=fs) for fs, (device, bus) in asked.items()]
    disks += [types.Disk("ephemeral", "sdc", "sata", 16, fs="ext4"), types.Disk("ephemeral", "sdd", "usb", 16),
              types.Disk("swap", "vdd", "virtio", 24, fs="swap")]
    guest = site.guest(disks=tuple(disks), properties={"hw_machine_type": "q35", "hw_cdrom_bus": "scsi"}, memory_mb=192)
    text = site.told(guest, "blkid; cat /proc/swaps; for d in /sys/class/block/[vs]d?; do echo $d $(cat $d/size); done")
    for number, fs in enumerate(asked):
        assert re.search(rf'LABEL="ephemeral{number}".* TYPE="{fs}"', text), (fs, text)
    assert re.search(r"/dev/vdd\s+partition\s+245\d\d", text)
    sectors = dict(re.findall(r"/sys/class/block/(\w+) (\d+)", text))
    assert sectors == {"vda": "524288", "vdb": "65536", "sda": "65536", "vdc": "655360", "sdb": "65536", "vdd": "49152"}
    assert drives(site, guest.server_id) == {
        "vda": "virtio", "vdb": "virtio", "sda": "scsi", "vdc": "virtio", "sdb": "scsi", "sdc": "sata", "sdd": "usb", "vdd": "virtio",
        "sdf": "scsi"}


def test_a_stable_rescue_boots_from_the_last_disk(site):
    disks = (types.Disk("root", "vda", "virtio", 64), types.Disk("rescue", "vdb", "virtio", 0, site.system_image(), boot=True))
    guest = site.run(site.guest(disks=disks))
    site.wait_for(lambda: site.boots(guest.server_id) == 1, "the boot")
    assert b"root /dev/vdb1" in site.driver.console_output(guest.server_id, 1 << 20)
    assert drives(site, guest.server_id) == {"vda": "virtio", "vdb": "virtio"}


@pytest.mark.parametrize(("bus", "name"), [("", "hdc"), ("usb", "sde")])
def test_a_rescue_from_a_cdrom(site, bus, name):
    rescue = types.Disk("rescue", "", bus, 0, site.image(bytes(1 << 20), "iso"), boot=True, cdrom=True)
    guest = site.run(site.guest(disks=(types.Disk("root", "vda", "virtio", 64), rescue), config_drive={"openstack/latest/meta_data.json": b"{}"}))
    found = site.domain(guest.server_id)
    drive = next(disk for disk in found.iterfind("devices/disk") if disk.find("target").get("dev") == name)
    assert drive.get("device") == "cdrom" and drive.find("boot").get("order") == "1" and drive.find("readonly") is not None
    assert drives(site, guest.server_id)["hdd"] == "ide"


PROPERTIES = {"hw_watchdog_action": "reset", "hw_input_bus": "virtio", "hw_video_model": "qxl", "hw_video_ram": "16", "hw_rng_model": "virtio",
              "hw_sound_model": "ich9", "os_type": "windows", "hw_cpu_sockets": "1", "hw_cpu_cores": "2", "hw_boot_menu": "true"}
SPECS = {"hw_video:ram_max_mb": "16", "quota:disk_read_bytes_sec": "104857600", "quota:disk_write_iops_sec": "1000", "hw_rng:rate_bytes": "4096"}


@pytest.mark.parametrize("machine_type", ["pc", "q35"])
def test_what_image_and_flavor_choose_is_there(site, machine_type):
    asked = {**PROPERTIES, "hw_machine_type": machine_type, "hw_cdrom_bus": "scsi"}
    guest = site.guest(site.system_image(), properties=asked, extra_specs=SPECS, **site.lie(vcpus=2, numa_nodes="1"))
    text = site.told(guest, "echo cpus $(grep -c ^processor /proc/cpuinfo); echo rng $(cat /sys/class/misc/hw_random/rng_current); "
                            "echo core $(cat /sys/devices/system/cpu/cpu1/topology/core_id); echo nodes $(cat /sys/devices/system/node/online); "
                            "echo watchdogs $(grep -l 0x25ab /sys/bus/pci/devices/*/device | wc -l)")
    for line in ("cpus 2", "rng virtio_rng.0", "core 1", "nodes 0", "watchdogs 1"):
        assert f"{line}\r\n" in text
    found = site.domain(guest.server_id)
    assert found.find("devices/watchdog").attrib.items() >= {"model": "i6300esb", "action": "reset"}.items()
    assert found.find("cpu/topology").get("cores") == "2" and found.find("clock").get("offset") == "localtime"
    assert found.find("devices/video/model").get("vram") == "16384"
    assert {node.get("type") for node in found.iterfind("devices/input[@bus='virtio']")} == {"tablet", "keyboard"}
    tune = found.find("devices/disk[@device='disk']/iotune")
    assert tune.findtext("read_bytes_sec") == "104857600" and tune.findtext("write_iops_sec") == "1000"


def test_shares_and_quota_of_cpu_time(site):
    guest = site.run(site.guest(extra_specs={"quota:cpu_shares": "512", "quota:cpu_quota": "20000", "quota:cpu_period": "50000"}))
    tune = site.domain(guest.server_id).find("cputune")
    assert {node.tag: node.text for node in tune} == {"shares": "512", "quota": "20000", "period": "50000"}


def run_with_nic(site, bridge, **specs):
    nic = types.Nic("port", "fa:16:3e:12:34:56", bridge, "t" + bridge)
    guest = site.run(site.guest(nics=(nic,), vcpus=2, extra_specs=specs))
    return site.domain(guest.server_id).find("devices/interface")


def test_a_nic_has_a_queue_for_each_cpu(site):
    with site.bridge() as bridge:
        assert run_with_nic(site, bridge, **{"hw:vif_multiqueue_enabled": "true"}).find("driver").get("queues") == "2"
        assert int(Path(f"/sys/class/net/t{bridge}/tun_flags").read_text(), 16) & IFF_MULTI_QUEUE


def test_limits_of_a_nic(site):
    with site.bridge() as bridge:
        if subprocess.run(["tc", "qdisc", "add", "dev", bridge, "root", "sfq"], capture_output=True).returncode:
            pytest.skip("this kernel has no queueing discipline sfq, which libvirt limits NICs with")
        found = run_with_nic(site, bridge, **{"quota:vif_inbound_average": "1000", "quota:vif_outbound_average": "500"})
        assert found.find("bandwidth/inbound").get("average") == "1000" and found.find("bandwidth/outbound").get("average") == "500"


def test_a_tpm_remembers_until_the_server_is_deleted(site):
    if "2.0" not in site.driver._capabilities().tpm_versions:
        pytest.skip("no TPM 2.0 here; install swtpm")
    guest = site.guest(properties={"hw_tpm_version": "2.0"})
    site.run(guest)
    assert site.domain(guest.server_id).find("devices/tpm/backend").attrib.items() >= {"type": "emulator", "version": "2.0"}.items()
    memory = Path(site.settings.uri.partition("socket=")[2]).parents[2] / "var/lib/libvirt/swtpm" / guest.server_id
    kept = next(memory.rglob("*permall"))
    site.driver.destroy_guest(guest.server_id)
    assert kept.exists()
    site.driver.start_guest(guest)
    site.driver.destroy_guest(guest.server_id)
    assert kept.exists()
    site.driver.delete_disks(guest.server_id)
    assert not memory.exists() and site.driver.guests() == {}


def test_the_variables_of_uefi_belong_to_the_disks_of_their_time(site):
    if not site.driver._capabilities().has_uefi:
        pytest.skip("no UEFI firmware here; install ovmf")
    guest = site.run(site.guest(properties={"hw_firmware_type": "uefi", "hw_machine_type": "q35"}, memory_mb=256))
    # It clears the screen before it looks for a system.
    site.wait_for(lambda: b"\x1b[2J" in site.driver.console_output(guest.server_id, 1 << 20), "a sign of OVMF")
    variables = Path(site.state_path, "servers", guest.server_id, "nvram")
    known = variables.read_bytes()
    plain = site.guest(server_id=guest.server_id)
    site.driver.stage_disks(plain, site.fetch)
    site.driver.destroy_guest(guest.server_id)
    site.driver.swap_disks(guest.server_id)
    site.driver.start_guest(plain)
    assert not variables.exists() and site.domain(guest.server_id).find("os/nvram") is None
    site.driver.destroy_guest(guest.server_id)
    site.driver.swap_disks(guest.server_id, back=True)
    assert len(variables.read_bytes()) == len(known)
    site.driver.start_guest(guest)
    assert site.domain(guest.server_id).findtext("os/nvram") == str(variables)
    site.driver.destroy_guest(guest.server_id)
    site.driver.delete_disks(guest.server_id)
    assert not variables.parent.exists()
