"""Root disks that are whole by themselves, as those of servers that come back from being shelved: their image goes, they stay."""
import dataclasses
import json
import os
import subprocess

import pytest

from nova_lite import exception
from nova_lite.virt import types
from nova_lite.virt.types import PowerState
from tests.contract.virt_sites import with_files


def whole(guest: types.Guest) -> types.Guest:
    return dataclasses.replace(guest, disks=tuple(dataclasses.replace(disk, whole=True) for disk in guest.disks))


def test_a_whole_disk_outlives_its_image(site):
    image = site.system_image()
    guest = site.run(whole(site.guest(image)))
    sid = guest.server_id
    site.wait_for(lambda: site.boots(sid) == 1, "the guest is up")
    site.images.clear()
    site.driver.trim_disks(site.guest(server_id=sid))
    site.driver.prune_images([], 0)
    site.driver.reboot_hard(guest)
    site.wait_for(lambda: site.boots(sid) >= 1 and site.driver.power_state(sid) == PowerState.RUNNING, "the guest is up again")
    site.driver.create_disks(guest, site.fetch)
    assert site.fetched == [image.id]


def test_an_image_that_cannot_be_used_leaves_nothing(site):
    for image in (site.image(b"x" * 4096, checksum="0" * 32), types.ImageSource("4" * 8 + "-0000-4000-8000-" + "4" * 12, "raw", 1)):
        with pytest.raises((exception.ImageUnusable, exception.ImageNotFound)):
            site.driver.create_disks(whole(site.guest(image)), site.fetch)
        assert site.driver.guest_files() == set()


@pytest.mark.parametrize("form", ["raw", "qcow2"])
@with_files
def test_the_file_is_of_its_own(site, form, tmp_path):
    source = tmp_path / "image"
    source.write_bytes(os.urandom(1 << 20))
    if form == "qcow2":
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", source, tmp_path / "converted"], check=True)
        source = tmp_path / "converted"
    guest = whole(site.guest(site.image(source, form)))
    site.driver.create_disks(guest, site.fetch)
    folder = f"{site.state_path}/servers/{guest.server_id}"
    told = json.loads(subprocess.run(["qemu-img", "info", "--output=json", f"{folder}/disk"], check=True, capture_output=True).stdout)
    assert told["format"] == "qcow2" and told["virtual-size"] == 256 << 20 and "backing-filename" not in told
    assert oct(os.stat(f"{folder}/disk").st_mode)[-3:] == "600" and os.listdir(f"{site.state_path}/images") == []
    left = set(os.listdir(folder)) - {"disk"}
    assert not any(name.startswith("disk") for name in left), left
    start = tmp_path / "start"
    subprocess.run(["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", "count=1", f"if={folder}/disk", f"of={start}"], check=True)
    assert start.read_bytes() == (tmp_path / "image").read_bytes()
