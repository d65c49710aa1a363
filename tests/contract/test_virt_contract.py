"""One suite for the fake and the libvirt driver, the latter with real guests and containers: what ``nova_lite/virt/driver.py`` promises."""
import dataclasses
import hashlib
import struct

import pytest

from nova_lite import concurrency, exception
from nova_lite.virt import types
from nova_lite.virt.types import PowerState
from tests.contract.virt_sites import CONSOLE_BYTES

MISSING = "00000000-0000-0000-0000-00000000dead"
pytestmark = pytest.mark.parametrize("machine", ["fake", "libvirt", "lxc"], indirect=True, scope="module")


def is_refused(site, ask, server_id) -> bool:
    """Whether the guests of this site cannot what the method ``ask`` would do; then asking for it changes nothing."""
    if ask.__name__ not in site.refused:
        return False
    before = site.driver.guests()
    with pytest.raises(exception.HypervisorError, match="container"):
        ask(server_id)
    with pytest.raises(exception.GuestNotFound):
        ask(MISSING)
    assert site.driver.guests() == before
    return True


# ---- the host ------------------------------------------------------------------------------------------------------
def test_inventory_is_plausible(site):
    found = site.driver.inventory()
    assert found.vcpus > 0 and found.memory_mb > 100 and found.disk_gb > 0
    assert 0 <= found.disk_available_gb <= found.disk_gb
    assert found.hypervisor_hostname == "h1" and found.hypervisor_type and found.hypervisor_version >= 1000
    assert found.cpu_info["arch"] and found.cpu_info["topology"]["cores"] >= 1
    assert found.supported and all(len(triple) == 3 and triple[2] == site.mode for triple in found.supported)


def test_an_empty_host_has_nothing(site):
    assert site.driver.guests() == {} and site.driver.guest_files() == set()


# ---- from nothing to nothing ---------------------------------------------------------------------------------------
def test_every_step_may_be_repeated(site):
    guest = site.guest()
    sid = guest.server_id
    for _ in range(2):
        site.driver.create_disks(guest, site.fetch)
    assert site.driver.guest_files() == {sid} and site.driver.guests() == {}
    for _ in range(2):
        site.driver.start_guest(guest)
    assert site.driver.guests() == {sid: PowerState.RUNNING} and site.driver.power_state(sid) == PowerState.RUNNING
    for _ in range(2):
        site.driver.stop_guest(sid, 0)
        assert site.driver.guests() == {sid: PowerState.SHUTDOWN}
    for _ in range(2):
        site.driver.destroy_guest(sid)
        assert site.driver.guests() == {} and site.driver.guest_files() == {sid}
    for _ in range(2):
        site.driver.delete_disks(sid)
        assert site.driver.guest_files() == set()


def test_several_may_remove_a_guest_at_once(site):
    for _ in range(3):
        guest = site.run(site.guest())
        concurrency.map_parallel(site.driver.destroy_guest, [guest.server_id] * 6, limit=6)
        concurrency.map_parallel(site.driver.delete_disks, [guest.server_id] * 6, limit=6)
        assert site.driver.guests() == {} and site.driver.guest_files() == set()


def test_a_running_guest_can_be_destroyed_and_started_again(site):
    guest = site.run(site.guest())
    site.driver.destroy_guest(guest.server_id)
    assert site.driver.guests() == {} and site.driver.guest_files() == {guest.server_id}
    site.driver.start_guest(guest)
    assert site.driver.power_state(guest.server_id) == PowerState.RUNNING


def test_a_guest_without_disks_does_not_start_and_leaves_nothing(site):
    guest = site.guest()
    with pytest.raises(exception.HypervisorError):
        site.driver.start_guest(guest)
    assert site.driver.guests() == {}


@pytest.mark.parametrize("server_id", [MISSING, "no-uuid"])
def test_guests_that_are_not_there(site, server_id):
    for ask in (site.driver.power_state, lambda s: site.driver.stop_guest(s, 0), lambda s: site.driver.stop_guest(s, 5),
                lambda s: site.driver.reboot_soft(s, 5), lambda s: site.driver.console_output(s, 100)):
        with pytest.raises(exception.GuestNotFound):
            ask(server_id)
    site.driver.destroy_guest(server_id)
    site.driver.delete_disks(server_id)


# ---- power ---------------------------------------------------------------------------------------------------------
def test_a_deaf_guest_loses_its_power_after_the_timeout(site):
    guest = site.run_deaf()
    assert site.driver.stop_guest(guest.server_id, 1) is False
    assert site.driver.power_state(guest.server_id) == PowerState.SHUTDOWN


def test_a_deaf_guest_does_not_reboot_until_its_power_is_cut(site):
    guest = site.run_deaf()
    assert site.driver.reboot_soft(guest.server_id, 1) is False
    assert site.driver.power_state(guest.server_id) == PowerState.RUNNING
    site.driver.reboot_hard(guest)
    assert site.driver.power_state(guest.server_id) == PowerState.RUNNING


def test_hard_reboot_starts_whatever_was_there(site):
    guest = site.guest()
    site.driver.create_disks(guest, site.fetch)
    site.driver.reboot_hard(guest)
    site.driver.stop_guest(guest.server_id, 0)
    assert site.driver.reboot_soft(guest.server_id, 1) is False
    site.driver.reboot_hard(guest)
    assert site.driver.guests() == {guest.server_id: PowerState.RUNNING}


def test_a_system_shuts_down_and_reboots_when_asked(site):
    guest = site.run(site.guest(site.system_image()))
    sid = guest.server_id
    site.wait_for(lambda: site.boots(sid) == 1, "the first boot")
    assert site.driver.reboot_soft(sid, 60) is True
    site.wait_for(lambda: site.boots(sid) == 2, "the boot after the reboot")
    assert site.driver.power_state(sid) == PowerState.RUNNING
    assert site.driver.stop_guest(sid, 60) is True
    assert site.driver.power_state(sid) == PowerState.SHUTDOWN
    assert site.driver.stop_guest(sid, 60) is True
    site.driver.start_guest(guest)
    site.wait_for(lambda: site.boots(sid) == 3, "the boot after the stop: the console keeps what was before")


# ---- other disks for the same server -------------------------------------------------------------------------------
def with_root(guest, image):
    root, *others = guest.disks
    return dataclasses.replace(guest, disks=(dataclasses.replace(root, image=image), *others))


def test_staged_disks_take_the_place_of_the_present_ones_for_good(site):
    old = site.run(site.guest(site.inert_image()))
    new, sid = with_root(old, site.system_image()), old.server_id
    for _ in range(2):
        site.driver.stage_disks(new, site.fetch)
    assert site.driver.guests() == {sid: PowerState.RUNNING} and site.driver.prune_images([], 0) == []
    site.driver.destroy_guest(sid)
    for _ in range(2):
        site.driver.swap_disks(sid)
    assert site.driver.prune_images([], 0) == []
    site.driver.start_guest(new)
    site.wait_for(lambda: site.boots(sid) >= 1, "the boot from the new disk")
    for _ in range(2):
        site.driver.trim_disks(new)
    assert site.driver.prune_images([], 0) == [old.disks[0].image.id] and site.driver.power_state(sid) == PowerState.RUNNING


def test_disks_aside_return(site):
    old = site.run(site.guest(site.system_image()))
    new, sid = with_root(old, site.inert_image()), old.server_id
    site.wait_for(lambda: site.boots(sid) == 1, "the first boot")
    for _ in range(2):
        # A worker that starts over stages and swaps again; the first disk stays the one that returns.
        site.driver.destroy_guest(sid)
        site.driver.stage_disks(new, site.fetch)
        site.driver.swap_disks(sid)
        site.driver.start_guest(new)
    site.driver.destroy_guest(sid)
    for _ in range(2):
        site.driver.swap_disks(sid, back=True)
    assert site.driver.prune_images([], 0) == [new.disks[0].image.id]
    before = site.boots(sid)
    site.driver.start_guest(old)
    site.wait_for(lambda: site.boots(sid) > before, "the boot from the old disk")


def test_staging_that_fails_changes_nothing(site):
    old = site.run(site.guest(site.inert_image()))
    with pytest.raises(exception.ImageUnusable):
        site.driver.stage_disks(with_root(old, site.image(b"data" * 500, "qcow2")), site.fetch)
    site.driver.swap_disks(old.server_id, back=True)
    assert site.driver.guests() == {old.server_id: PowerState.RUNNING} and site.driver.guest_files() == {old.server_id}
    site.driver.reboot_hard(old)


def test_a_guest_is_rescued_from_another_disk(site):
    image = site.inert_image()
    usual = site.run(site.guest(image))
    sid, rescuer = usual.server_id, site.system_image()
    root = dataclasses.replace(usual.disks[0], device="vdb", boot=False)
    rescued = dataclasses.replace(usual, disks=(types.Disk("rescue", "vda", "virtio", 0, rescuer, boot=True), root))
    site.driver.destroy_guest(sid)
    for _ in range(2):
        site.driver.create_disks(rescued, site.fetch)
    site.driver.start_guest(rescued)
    site.wait_for(lambda: site.boots(sid) >= 1, "the boot from the rescue disk")
    assert site.driver.prune_images([], 0) == []
    site.driver.destroy_guest(sid)
    site.driver.trim_disks(usual)
    assert site.driver.prune_images([], 0) == [rescuer.id]
    site.driver.start_guest(usual)
    assert site.driver.power_state(sid) == PowerState.RUNNING


def test_disks_grow_and_shrink_back(site):
    guest = site.run(site.guest(site.system_image()))
    sid = guest.server_id
    site.wait_for(lambda: site.boots(sid) == 1, "the first boot")
    grown = dataclasses.replace(guest, vcpus=2, disks=(dataclasses.replace(guest.disks[0], size_mb=384),
                                                       types.Disk("swap", "vdb", "virtio", 16, fs="swap")))
    site.driver.stop_guest(sid, 60)
    for _ in range(2):
        site.driver.stage_resized(grown)
    site.driver.destroy_guest(sid)
    site.driver.swap_disks(sid)
    before = site.boots(sid)
    site.driver.start_guest(grown)
    site.wait_for(lambda: site.boots(sid) > before, "the boot from the grown disk")
    assert site.cpu_count(sid) == 2
    site.driver.destroy_guest(sid)
    site.driver.swap_disks(sid, back=True)
    site.driver.trim_disks(guest)
    before = site.boots(sid)
    site.driver.start_guest(guest)
    site.wait_for(lambda: site.boots(sid) > before, "the boot from the disk as it was")


# ---- snapshots -----------------------------------------------------------------------------------------------------
def picture(site, guest, disk_format="qcow2"):
    """An image of the guest's root disk."""
    content = []

    def take(blocks, size):
        content.append(b"".join(blocks))
        assert len(content[0]) == size
    site.driver.snapshot_root(guest, take)
    return site.image(content[0], disk_format)


@pytest.mark.parametrize("state", [PowerState.RUNNING, PowerState.PAUSED, PowerState.SUSPENDED, PowerState.SHUTDOWN])
def test_a_snapshot_boots_elsewhere_and_the_guest_goes_on(site, state):
    guest = site.run(site.guest(site.system_image()))
    sid = guest.server_id
    site.wait_for(lambda: site.boots(sid) == 1, "the boot")
    if state == PowerState.SHUTDOWN:
        site.driver.stop_guest(sid, 60)
    elif state == PowerState.SUSPENDED and is_refused(site, site.driver.suspend_guest, sid):
        state = PowerState.RUNNING
    elif state != PowerState.RUNNING:
        (site.driver.pause_guest if state == PowerState.PAUSED else site.driver.suspend_guest)(sid)
    image = picture(site, guest)
    assert site.driver.power_state(sid) == state
    site.driver.destroy_guest(sid)
    site.driver.delete_disks(sid)
    copy = site.run(site.guest(image))
    site.wait_for(lambda: site.boots(copy.server_id) == 1, "the boot of the copy")


def test_a_snapshot_that_nobody_takes_leaves_no_trace(site):
    guest = site.run(site.guest(site.inert_image()))

    def refuse(_blocks, _size):
        raise exception.Unavailable("later")
    for _ in range(2):
        with pytest.raises(exception.Unavailable):
            site.driver.snapshot_root(guest, refuse)
    assert site.driver.power_state(guest.server_id) == PowerState.RUNNING
    assert picture(site, guest).size > 0


# ---- network cards -------------------------------------------------------------------------------------------------
def cards(site, guest):
    return {nic.mac for nic in site.driver.diagnostics(guest.server_id).nics}


def test_a_card_comes_and_goes_while_the_guest_runs(site):
    with site.bridge() as bridge:
        first, second = (types.Nic(f"port{number}", f"fa:16:3e:00:00:0{number}", bridge, f"tapc{number}") for number in (1, 2))
        guest = site.run(site.guest(site.system_image(), nics=(first,)))
        site.wait_for(lambda: site.boots(guest.server_id) == 1, "the boot")
        for _ in range(2):
            site.driver.attach_nic(guest, second)
            assert cards(site, guest) == {first.mac, second.mac}
        for _ in range(2):
            site.driver.detach_nic(guest.server_id, second, 60)
            assert cards(site, guest) == {first.mac}
        site.driver.stop_guest(guest.server_id, 0)
        site.driver.attach_nic(guest, second)
        site.driver.detach_nic(guest.server_id, first, 1)
        site.driver.start_guest(dataclasses.replace(guest, nics=(second,)))
        assert cards(site, guest) == {second.mac}


def test_a_guest_that_does_not_let_go_keeps_its_card(site):
    with site.bridge() as bridge:
        nic = types.Nic("port1", "fa:16:3e:00:00:01", bridge, "tapc1")
        guest = site.run_deaf(nics=(nic,))
        if site.lets_go:
            site.driver.detach_nic(guest.server_id, nic, 1)
            assert cards(site, guest) == set()
            return
        with pytest.raises(exception.HypervisorError, match="let go"):
            site.driver.detach_nic(guest.server_id, nic, 1)
        assert cards(site, guest) == {nic.mac}


# ---- the agent -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("properties", [{}, {"hw_qemu_guest_agent": "yes"}])
def test_a_password_needs_an_agent(site, properties):
    guest = site.run(site.guest(properties=properties))
    if properties and site.has_agents:
        site.driver.set_password(guest.server_id, "root", "secret")
    else:
        with pytest.raises(exception.GuestAgentMissing):
            site.driver.set_password(guest.server_id, "root", "secret")
    with pytest.raises(exception.GuestNotFound):
        site.driver.set_password(MISSING, "root", "secret")


# ---- holding -------------------------------------------------------------------------------------------------------
def test_a_paused_guest_stands_still_until_it_goes_on(site):
    guest = site.run(site.guest())
    sid = guest.server_id
    for _ in range(2):
        site.driver.pause_guest(sid)
        assert site.driver.guests() == {sid: PowerState.PAUSED} and site.driver.power_state(sid) == PowerState.PAUSED
    for _ in range(2):
        site.driver.unpause_guest(sid)
        assert site.driver.power_state(sid) == PowerState.RUNNING
    site.driver.pause_guest(sid)
    site.driver.start_guest(guest)
    assert site.driver.power_state(sid) == PowerState.RUNNING
    site.driver.pause_guest(sid)
    site.driver.reboot_hard(guest)
    assert site.driver.power_state(sid) == PowerState.RUNNING


def test_a_suspended_guest_goes_on_where_it_was(site):
    guest = site.run(site.guest(site.system_image()))
    sid = guest.server_id
    site.wait_for(lambda: site.boots(sid) == 1, "the boot")
    if is_refused(site, site.driver.suspend_guest, sid):
        return
    for _ in range(2):
        site.driver.suspend_guest(sid)
        assert site.driver.guests() == {sid: PowerState.SUSPENDED} and site.driver.power_state(sid) == PowerState.SUSPENDED
    site.driver.start_guest(guest)
    assert site.driver.power_state(sid) == PowerState.RUNNING and site.boots(sid) == 1
    site.driver.suspend_guest(sid)
    site.driver.reboot_hard(guest)
    site.wait_for(lambda: site.boots(sid) == 2, "the boot of a guest whose saved memory was given up")
    assert PowerState.SUSPENDED in site.states(sid)


def test_a_guest_that_is_off_can_be_neither_held_nor_interrupted(site):
    guest = site.run(site.guest())
    if not is_refused(site, site.driver.inject_nmi, guest.server_id):
        site.driver.inject_nmi(guest.server_id)
    assert site.driver.power_state(guest.server_id) == PowerState.RUNNING
    site.driver.stop_guest(guest.server_id, 0)
    for ask in (site.driver.pause_guest, site.driver.unpause_guest, site.driver.suspend_guest, site.driver.inject_nmi):
        with pytest.raises(exception.HypervisorError):
            ask(guest.server_id)
        with pytest.raises(exception.GuestNotFound):
            ask(MISSING)
    assert site.driver.guests() == {guest.server_id: PowerState.SHUTDOWN}


# ---- events --------------------------------------------------------------------------------------------------------
def test_each_change_is_reported(site):
    guest = site.run(site.guest())
    sid = guest.server_id
    site.driver.stop_guest(sid, 0)
    site.driver.start_guest(guest)
    site.driver.destroy_guest(sid)
    wanted = [PowerState.RUNNING, PowerState.SHUTDOWN, PowerState.RUNNING, PowerState.SHUTDOWN]
    site.wait_for(lambda: site.states(sid) == wanted, f"{wanted}", seconds=10)
    assert not any(event.guest_initiated for event in site.events)


def test_a_guest_that_switches_itself_off_is_reported_as_such(site):
    guest = site.run_and_switch_off_inside()
    off = site.wait_for(lambda: [e for e in site.events if e.state == PowerState.SHUTDOWN], "the guest's own shutdown")
    assert [(e.server_id, e.guest_initiated) for e in off] == [(guest.server_id, True)]
    assert site.driver.guests() == {guest.server_id: PowerState.SHUTDOWN}


# ---- the console ---------------------------------------------------------------------------------------------------
def test_console_is_empty_then_full_then_kept(site):
    guest = site.guest(site.system_image())
    sid = guest.server_id
    site.driver.create_disks(guest, site.fetch)
    assert site.driver.console_output(sid, CONSOLE_BYTES) == b""
    site.driver.start_guest(guest)
    site.wait_for(lambda: site.boots(sid) == 1, "the boot")
    site.driver.stop_guest(sid, 0)
    whole = site.driver.console_output(sid, CONSOLE_BYTES)
    assert site.ready_sign in whole
    assert site.driver.console_output(sid, 10) == whole[-10:] and site.driver.console_output(sid, 0) == b""


# ---- diagnostics ---------------------------------------------------------------------------------------------------
def test_diagnostics_of_a_running_guest(site):
    guest = site.run(site.guest(vcpus=2))
    found = site.driver.diagnostics(guest.server_id)
    assert found.state == PowerState.RUNNING and site.cpu_count(guest.server_id) == 2 and found.memory_kib == 128 << 10
    assert tuple(disk.name for disk in found.disks) == site.disk_names and found.driver == "libvirt"
    assert found.cpu_times and 0 <= found.memory_used_kib <= found.memory_kib
    site.driver.stop_guest(guest.server_id, 0)
    assert site.driver.diagnostics(guest.server_id).state == PowerState.SHUTDOWN
    with pytest.raises(exception.GuestNotFound):
        site.driver.diagnostics(MISSING)


# ---- images --------------------------------------------------------------------------------------------------------
def test_guests_that_start_together_fetch_once(site):
    image = site.system_image()
    guests = [site.guest(image) for _ in range(4)]
    for task in [concurrency.spawn(site.run, guest) for guest in guests]:
        task.wait()
    assert site.fetched == [image.id]
    assert site.driver.guests() == {guest.server_id: PowerState.RUNNING for guest in guests}


def qcow2_header(backing=0):
    header = struct.pack(">4sIQIIQI", b"QFI\xfb", 3, backing, 8 if backing else 0, 16, 1 << 20, 0).ljust(72, b"\0")
    return (header + struct.pack(">QQQII", 0, 0, 0, 4, 104)).ljust(1024, b"\0")


@pytest.mark.parametrize("content, disk_format, fields, words", [
    (b"data" * 500, "raw", {"checksum": hashlib.md5(b"other").hexdigest()}, "md5"),
    (b"data" * 500, "raw", {"os_hash_algo": "sha512", "os_hash_value": "0" * 128}, "sha512"),
    (b"data" * 500, "raw", {"size": 4000}, "2000 of its 4000 bytes"),
    (b"data" * 500, "raw", {"size": 1000}, "more than the 1000 bytes"),
    (qcow2_header(backing=512), "qcow2", {}, "backing file"),
    (b"data" * 500, "qcow2", {}, "its content is raw"),
    (qcow2_header(), "raw", {}, "its content is qcow2"),
    (b"KDMV" + b"\0" * 600, "vmdk", {}, "not supported"),
    (b"\0" * (257 << 20), "raw", {}, "Flavor's disk is too small for requested image"),
], ids=["corrupt", "corrupt-sha512", "cut-off", "too-long", "backing-file", "not-qcow2", "hidden-qcow2", "vmdk", "small-flavor"])
def test_images_that_cannot_be_used(site, content, disk_format, fields, words):
    guest = site.guest(site.image(content, disk_format, **fields))
    with pytest.raises(exception.ImageUnusable, match=words):
        site.driver.create_disks(guest, site.fetch)
    assert site.driver.guest_files() == set() and site.driver.guests() == {}


def test_a_bad_download_can_be_tried_again(site):
    content = site.images[site.inert_image().id]
    image = site.image(content, checksum=hashlib.md5(content).hexdigest())
    guest = site.guest(image)
    site.images[image.id] = content[:10]
    with pytest.raises(exception.ImageUnusable):
        site.driver.create_disks(guest, site.fetch)
    site.images[image.id] = content
    site.driver.create_disks(guest, site.fetch)
    assert site.fetched == [image.id, image.id] and site.driver.guest_files() == {guest.server_id}


@pytest.mark.parametrize("error", [exception.ImageNotFound(image_id="x"), exception.Unavailable("later")])
def test_the_fetchers_errors_come_through(site, error):
    def broken(_image_id):
        yield b"some"
        raise error
    guest = site.guest(types.ImageSource("11111111-1111-1111-1111-111111111111", "raw", 4000))
    with pytest.raises(type(error)):
        site.driver.create_disks(guest, broken)
    assert site.driver.guest_files() == set() and site.driver.prune_images([], 0) == []


def test_cached_images_go_when_nobody_needs_them(site):
    image, kernel = site.system_image(), site.image(b"kernel", "aki")
    guest = site.guest(image, kernel=kernel)
    site.driver.create_disks(guest, site.fetch)
    assert site.driver.prune_images([], 0) == []
    site.driver.delete_disks(guest.server_id)
    assert site.driver.prune_images([image.id, kernel.id], 0) == [] and site.driver.prune_images([], 3600) == []
    assert site.driver.prune_images([kernel.id], 0) == [image.id]
    assert site.driver.prune_images([], 0) == [kernel.id]
