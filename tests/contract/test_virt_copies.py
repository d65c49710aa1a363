"""Disks go from host to host: whole, grown, from where they were cut off, and never half. One suite for the fake and libvirt, two hosts each."""
import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nova_lite import exception
from nova_lite.virt.copies import SEAL_BYTES, DiskFile
from nova_lite.virt.fake import FakeDriver
from nova_lite.virt.libvirt.driver import LibvirtDriver
from nova_lite.virt.types import PowerState
from tests.contract.virt_sites import FakeSite, LibvirtSite, with_files

MARK = b"the guest wrote this" * 60000


@pytest.fixture(scope="module")
def other(machine):
    """The host that disks come to."""
    made = FakeSite() if isinstance(machine.driver, FakeDriver) else LibvirtSite(machine.settings.uri, machine._guest_image)
    yield made
    made.close()


@pytest.fixture
def there(site, other):
    other.images, other.fetched = site.images, []
    other.clear()
    yield other
    other.clear()


def write(site, guest, content):
    """As if the guest had written ``content`` at the first MB of its root disk."""
    if isinstance(site.driver, FakeDriver):
        site.driver.hypervisor.written[guest.server_id] = content
        return
    script = f"import sys; sys.stdout.buffer.write({content[:20]!r} * {len(content) // 20})"
    path = f"{site.state_path}/servers/{guest.server_id}/disk"
    raw = site.state_path + "/written"
    with open(raw, "wb") as handle:
        subprocess.run([sys.executable, "-c", script], stdout=handle, check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -s {raw} 1M {len(content)}", path], check=True, stdout=subprocess.DEVNULL)


def written(site, guest, size):
    if isinstance(site.driver, FakeDriver):
        return site.driver.hypervisor.written[guest.server_id]
    path, raw = f"{site.state_path}/servers/{guest.server_id}/disk", f"{site.state_path}/read.raw"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw], check=True)
    with open(raw, "rb") as handle:
        handle.seek(1 << 20)
        return handle.read(size)


def copy(site, there, guest, key="move", pull=None):
    copies = site.driver.moves().copies()
    files = [DiskFile.load(file.dump()) for file in copies.files(guest.server_id)]
    there.driver.moves().copies().receive(
        guest, key, files, pull or (lambda name, position: copies.read(guest.server_id, name, position)), there.fetch)


def prepared(site, **changes):
    """A guest that is off and has written something."""
    guest = site.guest(site.image(b"a base image" * 4096), **changes)
    site.driver.create_disks(guest, site.fetch)
    write(site, guest, MARK)
    return guest


def test_what_was_written_is_there(site, there):
    guest = prepared(site)
    copy(site, there, guest)
    assert written(there, guest, len(MARK)) == MARK
    assert there.driver.guest_files() == {guest.server_id}
    there.driver.start_guest(guest)
    assert there.driver.power_state(guest.server_id) == PowerState.RUNNING
    assert site.driver.guest_files() == {guest.server_id}


def test_a_system_goes_on_from_its_disk(site, there):
    guest = site.run(site.guest(site.system_image()))
    site.wait_for(lambda: site.boots(guest.server_id) == 1, "the boot")
    with pytest.raises(exception.HypervisorError, match="is on"):
        copy(site, there, guest)
    assert there.driver.guest_files() == set()
    site.driver.stop_guest(guest.server_id, 60)
    site.driver.destroy_guest(guest.server_id)
    copy(site, there, guest)
    there.driver.start_guest(guest)
    there.wait_for(lambda: there.boots(guest.server_id) == 1, "the boot on the other host")
    there.driver.destroy_guest(guest.server_id)


def cut(copies, server_id, after):
    """A pull that breaks when it has given ``after`` bytes, and notes from where each file was asked for."""
    asked = []

    def pull(name, position):
        asked.append((name, position))
        given = 0
        for block in copies.read(server_id, name, position):
            piece = block[:after - given]
            given += len(piece)
            yield piece
            if given == after:
                raise exception.Unavailable("the cable broke")
    return pull, asked


def test_a_copy_goes_on_where_it_was_cut_off(site, there, monkeypatch):
    monkeypatch.setattr("nova_lite.virt.libvirt.copies.NOTE_BYTES", 4096)
    guest = prepared(site)
    copies = site.driver.moves().copies()
    pull, asked = cut(copies, guest.server_id, 500_000)
    with pytest.raises(exception.Unavailable):
        copy(site, there, guest, pull=pull)
    assert there.driver.guest_files() == {guest.server_id}
    pull, asked = cut(copies, guest.server_id, 1 << 40)
    copy(site, there, guest, pull=pull)
    assert asked[0][0] == "disk" and 0 < asked[0][1] <= 500_000
    assert written(there, guest, len(MARK)) == MARK
    # Of another move nothing is taken over.
    pull, asked = cut(copies, guest.server_id, 1 << 40)
    copy(site, there, guest, key="another", pull=pull)
    assert asked[0] == ("disk", 0) and written(there, guest, len(MARK)) == MARK


def test_what_does_not_arrive_whole_is_refused(site, there):
    guest = prepared(site)
    copies = site.driver.moves().copies()

    def bend(name, position):
        blocks = list(copies.read(guest.server_id, name, position))
        yield bytes([blocks[0][0] ^ 1]) + blocks[0][1:]
        yield from blocks[1:]

    def shorten(name, position):
        whole = b"".join(copies.read(guest.server_id, name, position))
        yield whole[:-SEAL_BYTES]
    for pull in (bend, shorten):
        with pytest.raises(exception.HypervisorError, match="did not arrive"):
            copy(site, there, guest, key=pull.__name__, pull=pull)
        with pytest.raises(exception.HypervisorError):
            there.driver.start_guest(guest)
    copy(site, there, guest)
    assert written(there, guest, len(MARK)) == MARK


def test_files_that_are_not_to_be_had(site, there):
    guest = prepared(site)
    copies = site.driver.moves().copies()
    for server_id, name in ((guest.server_id, "../../secret"), (guest.server_id, "console.log"), ("00000000-0000-0000-0000-00000000dead", "disk")):
        with pytest.raises(exception.GuestNotFound):
            list(copies.read(server_id, name, 0))


def test_base_images_are_fetched_while_the_guest_still_runs(site, there):
    guest = prepared(site)
    image = guest.disks[0].image
    for _ in range(2):
        there.driver.moves().copies().prepare(guest, there.fetch)
    assert there.fetched == [image.id] and there.driver.guest_files() == set()
    copy(site, there, guest)
    assert there.fetched == [image.id] and written(there, guest, len(MARK)) == MARK


@with_files
def test_a_base_image_that_is_gone_comes_from_the_other_host(site, there):
    guest = prepared(site)
    content = site.images.pop(guest.disks[0].image.id)
    there.driver.moves().copies().prepare(guest, there.fetch)
    copy(site, there, guest)
    assert written(there, guest, len(MARK)) == MARK
    with open(f"{there.state_path}/images/{guest.disks[0].image.id}", "rb") as handle:
        assert handle.read() == content


def test_disks_grow_on_their_way(site, there):
    guest = prepared(site)
    larger = dataclasses.replace(guest, disks=tuple(
        dataclasses.replace(disk, size_mb=512) if disk.kind == "root" else disk for disk in guest.disks), memory_mb=160)
    copies = site.driver.moves().copies()
    there.driver.moves().copies().receive(larger, "move", copies.files(guest.server_id),
                                          lambda name, position: copies.read(guest.server_id, name, position), there.fetch)
    assert written(there, guest, len(MARK)) == MARK
    if isinstance(there, LibvirtSite):
        info = subprocess.run(["qemu-img", "info", f"{there.state_path}/servers/{guest.server_id}/disk"], capture_output=True, text=True).stdout
        assert "512 MiB" in info and f"{there.state_path}/images" in info and site.state_path not in info
    there.driver.start_guest(larger)
    assert there.driver.diagnostics(guest.server_id).memory_kib == 160 << 10
    there.driver.destroy_guest(guest.server_id)


@with_files
def test_disks_on_storage_that_both_hosts_see_are_not_copied_over_themselves(site):
    """Copies stand in for the originals until it is for good; who keeps the files removes them, and nobody else."""
    guest = prepared(site)
    there = LibvirtDriver(dataclasses.replace(site.settings, host="h2"))
    there.start_host(lambda _event: None)
    try:
        assert there.moves().reaches(guest.server_id) and there.guest_files() == set()
        copies = site.driver.moves().copies()
        with pytest.raises(exception.HypervisorError, match="those of host h1"):
            there.moves().copies().receive(guest, "move", copies.files(guest.server_id), None, site.fetch)
        there.stage_resized(guest)
        there.swap_disks(guest.server_id)
        there.delete_disks(guest.server_id)
        assert site.driver.guest_files() == {guest.server_id} and written(site, guest, len(MARK)) == MARK
        write(site, guest, b"a later word of it.." * 100)
        there.swap_disks(guest.server_id, back=True)
        assert written(site, guest, len(MARK)) == MARK
        there.moves().keep(guest.server_id)
        site.driver.delete_disks(guest.server_id)
        assert there.guest_files() == {guest.server_id} and site.driver.guest_files() == set()
        there.delete_disks(guest.server_id)
        assert not there.moves().reaches(guest.server_id)
    finally:
        there.stop_host()


@with_files
def test_what_firmware_and_tpm_know_goes_along(site, there):
    """Both hosts have one libvirtd here, and so one folder of TPMs: it is emptied in between, as if the other were another machine."""
    found = site.driver._capabilities()
    if "2.0" not in found.tpm_versions or not found.has_uefi:
        pytest.skip("no TPM 2.0 or UEFI firmware here; install swtpm and ovmf")
    guest = site.guest(properties={"hw_tpm_version": "2.0", "hw_firmware_type": "uefi", "hw_machine_type": "q35"}, memory_mb=256)
    site.run(guest)
    site.wait_for(lambda: b"\x1b[2J" in site.driver.console_output(guest.server_id, 1 << 20), "a sign of OVMF")
    site.driver.destroy_guest(guest.server_id)
    memory = Path(site.settings.tpm_path, guest.server_id)
    kept = next(memory.rglob("*permall"))
    known, variables = kept.read_bytes(), Path(site.state_path, "servers", guest.server_id, "nvram").read_bytes()
    copy(site, there, guest)
    shutil.rmtree(memory)
    assert Path(there.state_path, "servers", guest.server_id, "nvram").read_bytes() == variables
    # It may go on from there before it was ever started.
    assert {file.name for file in there.driver.moves().copies().files(guest.server_id)} >= {"disk", "nvram", f"tpm-tpm2-{kept.name}"}
    there.driver.start_guest(guest)
    there.driver.destroy_guest(guest.server_id)
    pieces = [known[at:at + 32] for at in range(0, len(known) - 32, 32)]
    distinct = {piece for piece in pieces if len(set(piece)) > 16}
    present = kept.read_bytes()
    # Its seeds are the same; counters and what the firmware measured are not.
    assert distinct and sum(piece in present for piece in distinct) > len(distinct) * 0.8
    there.driver.delete_disks(guest.server_id)
    assert not memory.exists() and there.driver.guest_files() == set()


@with_files
def test_a_tpm_that_cannot_be_read_keeps_its_guest(site):
    guest = prepared(site)
    Path(site.state_path, "servers", guest.server_id, "tpm").write_text("<domain/>")
    with pytest.raises(exception.HypervisorError, match="where this worker cannot read it"):
        site.driver.moves().copies().files(guest.server_id)
    there = LibvirtDriver(dataclasses.replace(site.settings, host="h2"))
    with pytest.raises(exception.HypervisorError, match="not on the storage that the hosts share"):
        there.stage_resized(guest)
    Path(site.state_path, "servers", guest.server_id, "tpm").unlink()
