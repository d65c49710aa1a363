"""Files of the libvirt driver without libvirt: console logs, config drives, disks, the cache's housekeeping."""
import contextlib
import dataclasses
import hashlib
import json
import os
import subprocess

import pycdlib
import pytest

from nova_lite import concurrency, exception
from nova_lite.virt import types
from nova_lite.virt.libvirt import config_drive, console, disks, images, qemu_img

ONE_MB = bytes(range(256)) * 4096


@pytest.fixture
def store(tmp_path):
    disks.prepare_folders(str(tmp_path))
    return disks.DiskStore(str(tmp_path), "h1")


def source(content=ONE_MB, disk_format="raw", image_id="img1"):
    return types.ImageSource(image_id, disk_format, len(content), hashlib.md5(content).hexdigest())


def guest(*made, image=None, server_id="s1", config=None):
    root = types.Disk("root", "vda", "virtio", 2, image or source(), boot=True)
    return types.Guest(server_id, "n", "p", "u", "f", 1, 64, (root, *made), (), config_drive=config)


def fetch(_image_id):
    yield ONE_MB[:100]
    yield ONE_MB[100:]


def info(path):
    return json.loads(subprocess.run(["qemu-img", "info", "--output=json", str(path)], capture_output=True, check=True).stdout)


def test_tail_of_a_log_that_was_moved_aside(tmp_path):
    log = tmp_path / "console.log"
    assert console.read_tail(str(log), 10) == b""
    log.write_bytes(b"ghi")
    (tmp_path / "console.log.0").write_bytes(b"def")
    (tmp_path / "console.log.1").write_bytes(b"abc")
    assert console.read_tail(str(log), 100) == b"abcdefghi"
    assert console.read_tail(str(log), 5) == b"efghi"
    assert console.read_tail(str(log), 2) == b"hi"
    assert console.read_tail(str(log), 0) == b""


def test_config_drive_is_found_by_label_and_readable_both_ways(tmp_path):
    files = {"openstack/latest/meta_data.json": b"{}", "openstack/latest/user_data": b"\0" * 70000,
             "openstack/2012-08-10/meta_data.json": b"{1}", "openstack/content/0000": b"x", "ec2/latest/meta-data.json": b"e"}
    config_drive.write(str(tmp_path / "iso"), files)
    blkid = subprocess.run(["blkid", "-p", "-o", "export", tmp_path / "iso"], capture_output=True, text=True, check=True).stdout
    assert "LABEL=config-2" in blkid and "TYPE=iso9660" in blkid
    image = pycdlib.PyCdlib()
    image.open(str(tmp_path / "iso"))
    for name, content in files.items():
        for way in ("joliet_path", "rr_path"):
            with image.open_file_from_iso(**{way: "/" + name}) as handle:
                assert handle.read() == content
    image.close()


def test_all_disks_are_made_once_and_stay(store, tmp_path):
    wanted = guest(types.Disk("ephemeral", "vdb", "virtio", 8), types.Disk("ephemeral", "vdc", "virtio", 8, fs="vfat"),
                   types.Disk("swap", "vdd", "virtio", 4), config={"a": b"b"})
    store.create(wanted, fetch)
    folder = tmp_path / "servers" / "s1"
    assert {p.name for p in folder.iterdir()} == {"disk", "disk.eph0", "disk.eph1", "disk.swap", "disk.config", "bases", "owner"}
    overlay = info(folder / "disk")
    assert (overlay["format"], overlay["virtual-size"]) == ("qcow2", 2 << 20)
    assert (overlay["backing-filename"], overlay["backing-filename-format"]) == (str(tmp_path / "images" / "img1"), "raw")
    kinds = {name: subprocess.run(["blkid", "-p", "-s", "TYPE", "-o", "value", folder / name], capture_output=True, text=True).stdout.strip()
             for name in ("disk.eph0", "disk.eph1", "disk.swap")}
    assert kinds == {"disk.eph0": "ext4", "disk.eph1": "vfat", "disk.swap": "swap"}
    (folder / "disk").write_bytes(b"what the guest wrote")
    store.create(wanted, fetch)
    assert (folder / "disk").read_bytes() == b"what the guest wrote"
    assert store.server_ids() == {"s1"}
    store.delete("s1")
    store.delete("s1")
    assert store.server_ids() == set()


def test_size_zero_takes_the_images_size(store, tmp_path):
    wanted = guest()
    wanted = types.Guest(**{**vars(wanted), "disks": (types.Disk("root", "vda", "virtio", 0, source()),)})
    store.create(wanted, fetch)
    assert info(tmp_path / "servers" / "s1" / "disk")["virtual-size"] == len(ONE_MB)


def test_a_failure_leaves_nothing_of_this_call(store, tmp_path):
    with pytest.raises(exception.HypervisorError, match="file system zfs"):
        store.create(guest(types.Disk("ephemeral", "vdb", "virtio", 8, fs="zfs")), fetch)
    assert store.server_ids() == set()
    store.create(guest(), fetch)
    with pytest.raises(exception.HypervisorError):
        store.create(guest(types.Disk("ephemeral", "vdb", "virtio", 8, fs="zfs")), fetch)
    assert {p.name for p in (tmp_path / "servers" / "s1").iterdir()} == {"disk", "bases", "owner"}


def test_bases_are_removed_when_nothing_needs_them(store, tmp_path):
    store.create(guest(), fetch)
    assert store.images.prune([], 0) == []
    store.delete("s1")
    assert store.images.prune(["img1"], 0) == []
    assert store.images.prune([], 3600) == []
    assert store.images.prune([], 0) == ["img1"]
    assert os.listdir(tmp_path / "images") == []


def test_leftovers_of_a_killed_fetch_do_no_harm(store, tmp_path):
    (tmp_path / "images" / "img1.part").write_bytes(b"half")
    (tmp_path / "images" / "img1.lock").touch()
    store.create(guest(), fetch)
    assert (tmp_path / "images" / "img1").read_bytes() == ONE_MB
    assert sorted(os.listdir(tmp_path / "images")) == ["img1", "img1.lock"]


def test_two_caches_of_one_folder_fetch_once(store, tmp_path):
    calls = []

    def slow_fetch(image_id):
        calls.append(image_id)
        for at in range(0, len(ONE_MB), 1 << 16):
            concurrency.sleep(0.002)
            yield ONE_MB[at:at + (1 << 16)]

    other = disks.DiskStore(str(tmp_path), "h1")
    tasks = [concurrency.spawn((store, other)[n % 2].create, guest(server_id=f"s{n}"), slow_fetch) for n in range(6)]
    for task in tasks:
        task.wait()
    assert calls == ["img1"] and len(store.server_ids()) == 6


def test_a_truncated_qcow2_whose_checksum_is_right_is_refused(store, tmp_path):
    whole = tmp_path / "whole.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", whole, "64M"], check=True)
    subprocess.run(["qemu-io", "-c", "write -q -P 7 0 8M", whole], check=True, capture_output=True)
    cut = whole.read_bytes()[:4 << 20]
    with pytest.raises(exception.ImageUnusable, match="not there"):
        store.create(guest(image=source(cut, "qcow2")), lambda _id: iter([cut]))
    assert os.listdir(tmp_path / "images") == ["img1.lock"] and store.server_ids() == set()


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 4 MB."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_said_and_nothing_is_left(tiny_disk):
    disks.prepare_folders(str(tiny_disk))
    store = disks.DiskStore(str(tiny_disk), "h1")
    big = b"x" * (8 << 20)
    # Known to be too large beforehand; found out while writing; found out by a program.
    with pytest.raises(exception.DiskFull, match="8388608 bytes"):
        store.create(guest(image=source(big)), lambda _id: iter([big]))
    with pytest.raises(exception.DiskFull, match="h1"):
        store.create(guest(image=types.ImageSource("img1", "raw", 0)), lambda _id: iter([big]))
    filler = tiny_disk / "filler"
    store.create(guest(), fetch)
    filler.write_bytes(b"y" * (os.statvfs(tiny_disk).f_bavail * os.statvfs(tiny_disk).f_frsize - 8192))
    with pytest.raises(exception.DiskFull, match="h1"):
        store.create(guest(server_id="s2", config={"a": b"z" * 65536}), fetch)
    assert store.server_ids() == {"s1"} and not list(tiny_disk.glob("images/*.part"))


def test_a_missing_program_is_named():
    with pytest.raises(exception.HypervisorError, match="no-such-program is not installed"):
        qemu_img.run("no-such-program")


def test_blocks_keep_every_byte():
    chunks = [b"a" * 700000, b"b" * 700000, b"", b"c"]
    blocks = list(images._blocks(chunks))
    assert b"".join(blocks) == b"".join(chunks) and len(blocks) == 2


def test_a_resize_copies_and_grows(store, tmp_path):
    ephemeral = types.Disk("ephemeral", "vdb", "virtio", 1, fs="ext4")
    small = guest(ephemeral)
    store.create(small, fetch)
    folder = tmp_path / "servers" / "s1"
    (folder / "disk.eph0").write_bytes((folder / "disk.eph0").read_bytes()[:-4] + b"mark")
    (folder / "nvram").write_bytes(b"boot entries")
    root, _ = small.disks
    large = dataclasses.replace(small, disks=(dataclasses.replace(root, size_mb=8), dataclasses.replace(ephemeral, size_mb=4),
                                              types.Disk("swap", "vdc", "virtio", 1, fs="swap")))
    store.stage_resized(large)
    store.swap("s1", back=False)
    assert info(folder / "disk")["virtual-size"] == 8 << 20 and info(folder / "disk.before")["virtual-size"] == 2 << 20
    assert (folder / "disk.eph0").stat().st_size == 4 << 20 and (folder / "disk.eph0").read_bytes()[(1 << 20) - 4:1 << 20] == b"mark"
    assert (folder / "nvram").read_bytes() == b"boot entries" and store.images.prune([], 0) == []
    store.swap("s1", back=True)
    store.trim(small)
    assert info(folder / "disk")["virtual-size"] == 2 << 20 and (folder / "disk.eph0").stat().st_size == 1 << 20
    assert sorted(path.name for path in folder.iterdir()) == ["bases", "disk", "disk.eph0", "nvram", "owner"]


@pytest.mark.parametrize("cut", range(7))
def test_a_swap_that_was_cut_off_anywhere_can_be_finished_or_taken_back(store, tmp_path, monkeypatch, cut):
    store.create(guest(config={"a": b"old"}), fetch)
    folder = tmp_path / "servers" / "s1"
    before = {name: (folder / name).read_bytes() for name in ("disk", "disk.config")}
    store.stage(guest(config={"a": b"new"}), fetch, ())
    after = {name: (folder / f"{name}.next").read_bytes() for name in ("disk", "disk.config")}
    left, rename = [cut], type(folder).rename

    def fragile(path, target):
        if not left[0]:
            raise InterruptedError
        left[0] -= 1
        return rename(path, target)
    monkeypatch.setattr(type(folder), "rename", fragile)
    with contextlib.suppress(InterruptedError):
        store.swap("s1", back=False)
    monkeypatch.undo()
    if cut % 2:
        store.swap("s1", back=False)
        assert {name: (folder / name).read_bytes() for name in after} == after
    store.swap("s1", back=True)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert sorted(path.name for path in folder.iterdir()) == ["bases", "disk", "disk.config", "owner"]


def test_files_that_hosts_share_belong_to_one_of_them(tmp_path):
    here, there = disks.DiskStore(str(tmp_path), "here"), disks.DiskStore(str(tmp_path), "there")
    folder = tmp_path / "servers" / "s1"
    folder.mkdir(parents=True)
    assert here.server_ids() == there.server_ids() == {"s1"}, "whose they are is not said"
    here.own("s1")
    assert here.server_ids() == {"s1"} and there.server_ids() == set() and there.reaches("s1")
    there.delete("s1")
    assert folder.exists()
    here.own("s1", "there")
    here.delete("s1")
    assert folder.exists() and there.server_ids() == {"s1"}
    there.delete("s1")
    assert not folder.exists() and not here.reaches("s1")


def test_files_that_were_lent_go_back_and_are_not_removed(tmp_path):
    disks.prepare_folders(str(tmp_path))
    ours, theirs = (disks.DiskStore(str(tmp_path), host) for host in ("b", "a"))
    theirs.create(guest(), fetch)
    ours.own("s1", lender="a")
    assert (ours.server_ids(), theirs.server_ids(), ours.owner("s1")) == ({"s1"}, set(), "b")
    ours.delete("s1")
    assert (ours.server_ids(), theirs.server_ids(), theirs.owner("s1")) == (set(), {"s1"}, "a") and (tmp_path / "servers/s1/disk").exists()
    ours.own("s1", lender="a")
    ours.own("s1")
    ours.delete("s1")
    assert not ours.reaches("s1")


def test_what_a_change_has_left_is_told(store, tmp_path):
    store.create(guest(), fetch)
    assert store.unfinished() == {}
    folder = tmp_path / "servers" / "s1"
    left = ["disk.before", "disk.next", "disk.part", "disk.snapshot", "incoming", "moving.1", "nvram.before"]
    for name in [*left, "console.log.0", "nvram", "disk.eph0"]:
        (folder / name).touch()
    assert store.unfinished() == {"s1": left}
