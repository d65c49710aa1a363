"""The file store and what ends an upload: success, a cut, a full disk, a delete, the death of the process."""
import errno
import os
import subprocess
import sys

import pytest

from nova_lite import exception
from nova_lite.image import errors, store
from nova_lite.image.actions import data, images
from tests.unit.image import image_cloud


@pytest.fixture
def deps(tmp_path):
    deps = image_cloud.make_deps(tmp_path)
    yield deps
    deps.db.close()


@pytest.fixture
def image(deps):
    return images.create(deps, {"name": "disk", "owner": "engine", "disk_format": "raw", "container_format": "bare"}, {}, []).image


def show(deps, image_id: str):
    return images.show(deps, image_cloud.context_of(image_cloud.ADMIN), image_id).image


def test_an_upload_becomes_a_file_with_its_digests(deps, image):
    blocks = [b"a" * 3000, b"b" * 5, b"c"]
    data.upload(deps, image, blocks, 3006)
    content, found = b"".join(blocks), show(deps, image.id)
    assert (found.status, found.size, found.virtual_size, found.upload_id) == ("active", 3006, 3006, None)
    assert (found.checksum, found.os_hash_algo, found.os_hash_value) == (image_cloud.md5(content), "sha512", image_cloud.sha512(content))
    assert image_cloud.files(deps) == [found.location]
    assert b"".join(data.open_data(deps, image.id)) == content
    assert b"".join(data.open_data(deps, image.id, 2998, 4)) == b"aabb"


def test_nothing_is_seen_of_half_an_upload(deps, image):
    seen = []

    def blocks():
        yield b"first"
        found = show(deps, image.id)
        seen.append((found.status, found.location, [name.endswith(store.PART) for name in image_cloud.files(deps)]))
        with pytest.raises(exception.ImageNotFound):
            data.open_data(deps, image.id)
        with pytest.raises(exception.Conflict, match="from saving to saving"):
            data.upload(deps, image, [b"other"], None)
        assert data.sweep(deps) == 0
        yield b"second"

    data.upload(deps, image, blocks(), None)
    assert seen == [("saving", None, [True])]
    assert b"".join(data.open_data(deps, image.id)) == b"firstsecond"
    assert data.sweep(deps) == 0
    with pytest.raises(exception.Conflict, match="from active to saving"):
        data.upload(deps, image, [b"other"], None)
    assert len(image_cloud.files(deps)) == 1


def _cut():
    yield b"half"
    raise OSError("unexpected end of file while parsing chunked data")


@pytest.mark.parametrize(("blocks", "announced", "error"), [
    (lambda: [b"half"], 8, errors.UploadCut), (lambda: [b"too much"], 4, errors.UploadCut), (_cut, None, errors.UploadCut)])
def test_a_cut_upload_leaves_a_queued_image_and_no_file(deps, image, blocks, announced, error):
    with pytest.raises(error):
        data.upload(deps, image, blocks(), announced)
    assert show(deps, image.id).status == "queued" and image_cloud.files(deps) == []
    data.upload(deps, image, [b"whole"], 5)
    assert show(deps, image.id).status == "active"


def test_images_have_a_largest_size(tmp_path):
    deps = image_cloud.make_deps(tmp_path, max_size=10)
    image = images.create(deps, {"disk_format": "raw", "container_format": "bare"}, {}, []).image
    for blocks, announced in (([b"x" * 11], 11), ([b"x" * 6, b"x" * 5], None)):
        with pytest.raises(errors.ImageTooLarge):
            data.upload(deps, image, blocks, announced)
        assert show(deps, image.id).status == "queued" and image_cloud.files(deps) == []
    data.upload(deps, image, [b"x" * 10], None)
    deps.db.close()


def test_a_file_system_without_room_is_413(tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mount)], capture_output=True).returncode:
        pytest.skip("mounting needs root")
    try:
        deps = image_cloud.make_deps(tmp_path)
        small = image_cloud.Deps(deps.db, store.Store(str(mount / "images")))
        image = images.create(deps, {"disk_format": "raw", "container_format": "bare"}, {}, []).image
        with pytest.raises(errors.StoreFull) as caught:
            data.upload(small, image, [b"x" * 4096] * 100, None)
        assert caught.value.status == 413 and "media is full" in str(caught.value)
        assert show(deps, image.id).status == "queued" and image_cloud.files(small) == []
        deps.db.close()
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_other_errors_of_the_disk_are_not_called_full():
    with pytest.raises(OSError), store._full_is_413():
        raise OSError(errno.EIO, "broken")


def test_an_image_deleted_while_its_data_comes_in_is_gone(deps, image):
    def blocks():
        yield b"first"
        images.delete(deps, image.id)
        yield b"second"

    with pytest.raises(errors.ImageGone) as caught:
        data.upload(deps, image, blocks(), None)
    assert caught.value.status == 410 and image_cloud.files(deps) == []


def test_a_delete_does_not_cut_a_download(deps, image):
    content = os.urandom(3 << 20)
    data.upload(deps, image, [content], None)
    reader = data.open_data(deps, image.id)
    first = next(reader)
    images.delete(deps, image.id)
    assert image_cloud.files(deps) == []
    assert first + b"".join(reader) == content
    with pytest.raises(exception.ImageNotFound):
        data.open_data(deps, image.id)


UPLOADER = """
import os, signal, sys
from nova_lite import concurrency
concurrency.patch()
from nova_lite.db import engine, images as db
from nova_lite.image import store
from nova_lite.image.actions import data
from nova_lite.image.deps import Deps
folder, image_id, moment = sys.argv[1:]
deps = Deps(engine.Database(f"sqlite:///{folder}/image.db"), store.Store(f"{folder}/images"))
with deps.db.read() as tx:
    image = db.get(tx, data.EVERYTHING, image_id).image
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def blocks():
    yield b"x" * 100000
    if moment == "in the middle":
        die()
    if moment == "alive":
        print("here", flush=True)
        sys.stdin.read()
if moment == "before the commit":
    data._activate = die
data.upload(deps, image, blocks(), None)
if moment == "after the commit":
    die()
"""


def upload_elsewhere(tmp_path, image_id: str, moment: str) -> subprocess.Popen:
    """Another process uploads; it dies at ``moment``."""
    return subprocess.Popen([sys.executable, "-c", UPLOADER, str(tmp_path), image_id, moment], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize("moment", ["in the middle", "before the commit"])
def test_the_sweep_clears_what_a_killed_process_left(deps, image, tmp_path, moment):
    process = upload_elsewhere(tmp_path, image.id, moment)
    assert process.wait() == -9
    assert show(deps, image.id).status == "saving" and len(image_cloud.files(deps)) == 1
    assert data.sweep(deps) == 2
    assert show(deps, image.id).status == "queued" and image_cloud.files(deps) == []
    data.upload(deps, image, [b"whole"], None)


def test_the_sweep_keeps_what_was_committed(deps, image, tmp_path):
    assert upload_elsewhere(tmp_path, image.id, "after the commit").wait() == -9
    assert data.sweep(deps) == 0
    assert b"".join(data.open_data(deps, image.id)) == b"x" * 100000


def test_the_sweep_leaves_living_uploads_of_other_processes_alone(deps, image, tmp_path):
    process = upload_elsewhere(tmp_path, image.id, "alive")
    assert process.stdout.readline() == b"here\n"
    assert data.sweep(deps) == 0 and show(deps, image.id).status == "saving"
    process.communicate()
    assert show(deps, image.id).status == "active"


def test_the_sweep_removes_files_of_deleted_images_only(deps, image, tmp_path):
    data.upload(deps, image, [b"whole"], None)
    (tmp_path / "images" / f"{image.id}.7c9e6679-7425-40de-944b-e07fc1f90ae7").write_bytes(b"stray")
    (tmp_path / "images" / "lost+found.d").mkdir()
    (tmp_path / "images" / "backup.tar").write_bytes(b"somebody else's")
    assert data.sweep(deps) == 1
    assert image_cloud.files(deps) == sorted([show(deps, image.id).location, "backup.tar", "lost+found.d"])


def test_another_store_is_left_alone(deps, image, tmp_path):
    data.upload(deps, image, [b"whole"], None)
    other = image_cloud.Deps(deps.db, store.Store(str(tmp_path / "elsewhere")))
    assert other.store.id != deps.store.id and store.Store(str(tmp_path / "images")).id == deps.store.id
    with pytest.raises(exception.Unavailable):
        data.open_data(other, image.id)
    images.delete(other, image.id)
    assert len(image_cloud.files(deps)) == 1 and data.sweep(deps) == 1
