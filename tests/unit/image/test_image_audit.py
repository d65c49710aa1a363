"""The auditor of the image store finds what uploads that died have left, and nothing of those that go on."""
import uuid

import pytest

from nova_lite import clock
from nova_lite.db import images as db
from nova_lite.db.engine import Database
from nova_lite.image import store
from nova_lite.image.actions import audit, data, images
from nova_lite.image.deps import Deps


@pytest.fixture
def deps(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/state.db")
    database.create_all()
    yield Deps(database, store.Store(str(tmp_path / "store")))
    database.close()


def test_a_machine_without_the_store_has_nothing_to_say(deps):
    assert audit.audit(deps) == [] and not deps.store.folder.exists()


def test_files_that_no_image_names(deps):
    assert deps.store.id and audit.audit(deps) == []
    for name in (f"{uuid.uuid4()}.{uuid.uuid4()}.part", f"{uuid.uuid4()}.{uuid.uuid4()}"):
        (deps.store.folder / name).touch()
        (found,) = audit.audit(deps)
        assert found["kind"] == "image" and name in found["what"]
        assert data.sweep(deps) == 1 and audit.audit(deps) == []


def test_a_file_whose_image_was_deleted_elsewhere_has_time_until_the_sweep(deps, monkeypatch):
    image = images.create(deps, {"owner": "p", "disk_format": "raw", "container_format": "bare"}, {}, []).image
    data.upload(deps, image, iter([b"content"]), 7)
    with deps.db.write() as tx:
        assert db.delete(tx, image.id)
    assert audit.audit(deps) == [] and len(list(deps.store.leftovers())) == 1
    later = clock.now() + clock.seconds(2 * data.SWEEP_SECONDS + 1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert [finding["image"] for finding in audit.audit(deps)] == [image.id]
    assert data.sweep(deps) == 1 and audit.audit(deps) == []


def test_an_upload_that_goes_on_and_one_that_died(deps):
    image = images.create(deps, {"owner": "p", "disk_format": "raw", "container_format": "bare"}, {}, []).image
    seen = []

    def blocks():
        yield b"half"
        seen.extend(audit.audit(deps))
        raise SystemExit
    with pytest.raises(SystemExit):
        data.upload(deps, image, blocks(), 8)
    assert seen == [] and audit.audit(deps) == []
    with deps.db.write() as tx:
        assert db.begin_upload(tx, image.id, "dead", deps.store.id)
    assert [finding["kind"] for finding in audit.audit(deps)] == ["image"]
    assert data.sweep(deps) == 1 and audit.audit(deps) == []
